"""Keys that change while the panel works: ours, killed at any point, and the server's own."""

from uuid import UUID

import pytest

from cloudpilot.db import transaction
from cloudpilot.domain import keys, requests, runs, servers
from cloudpilot.domain.audit import Action
from cloudpilot.domain.status import Status
from cloudpilot.engine import connecting
from cloudpilot.jobs import rotate
from cloudpilot.jobs.on_server import connected, login
from cloudpilot.secrets import Secret
from tests.support.at_work import (
    FOREIGN,
    KEYS,
    NOBODY,
    Killed,
    acts,
    address,
    ask,
    killed_after,
    row,
    work,
)
from tests.support.machine import USER, Machine

# What is proven here is about sshd and our order of steps: one database is enough for it.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def assert_one_key(prepared: Machine, server_id: UUID, former: Secret) -> None:
    """The key of the row is let in, the former is not, and the file holds nothing else of ours."""
    server = row(server_id)
    assert (server.next_public_key, server.next_private_key) == (None, None)
    assert not connecting.refuses(address(server_id), login(server_id).private_key)
    assert connecting.refuses(address(server_id), former)
    assert prepared.as_root(f"cat {KEYS}") == f"{server.public_key}\n{FOREIGN}"


def test_a_new_key_takes_the_place_of_the_old(prepared: Machine, server_id: UUID) -> None:
    former, made_at = login(server_id).private_key, row(server_id).key_made_at
    run = work(ask(server_id, keys.change))
    assert run.status is Status.COMPLETED, (run.error_code, run.error_detail)
    assert_one_key(prepared, server_id, former)
    assert row(server_id).key_made_at > made_at
    assert [entry.actor for entry in acts(Action.KEY_CHANGED)] == ["owner@example.com"]


def test_killed_at_any_point_it_ends_right(
    prepared: Machine, server_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(1, 20):
        former = login(server_id).private_key
        run_id = ask(server_id, keys.change)
        with killed_after(monkeypatch, rotate, step) as left:
            try:
                work(run_id)
            except Killed:
                assert left == [0]
        was_killed = left[0] <= 0
        with connected(server_id) as session:  # never locked out, whatever is done next
            assert session.alive
        run = work(run_id) if was_killed else None
        assert run is None or run.status is Status.COMPLETED, (
            step,
            run.error_code,
            run.error_detail,
        )
        assert_one_key(prepared, server_id, former)
        if not was_killed:
            break
    assert step > 5, "there are that many points"


def test_a_key_that_somebody_put_back_by_hand_is_changed_all_the_same(
    prepared: Machine, server_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    former, line = login(server_id).private_key, row(server_id).public_key
    run_id = ask(server_id, keys.change)
    with killed_after(monkeypatch, rotate, 3), pytest.raises(Killed):
        work(run_id)  # the new key is the key; the former is still to be taken away
    lost = row(server_id).public_key
    assert lost != line
    prepared.as_root(f"printf '%s' '{line}\n{FOREIGN}' >{KEYS}")
    run = work(run_id)
    assert run.status is Status.COMPLETED, (run.error_code, run.error_detail)
    assert_one_key(prepared, server_id, former)
    told = [(entry.actor, entry.details["public_key"]) for entry in acts(Action.KEY_CHANGED)]
    owner = "owner@example.com"
    assert told == [(owner, lost), ("CloudPilot", line), (owner, row(server_id).public_key)]


def test_a_key_change_that_failed_half_way_is_no_burden_for_the_next(
    prepared: Machine, server_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = login(server_id).private_key
    run_id = ask(server_id, keys.change)
    with killed_after(monkeypatch, rotate, 2), pytest.raises(Killed):
        work(run_id)
    with transaction() as session:
        runs.find(session, run_id).move(session, Status.FAILED, finished_at=None)
    assert row(server_id).next_public_key
    assert work(ask(server_id, keys.change)).status is Status.COMPLETED
    assert_one_key(prepared, server_id, former)


def test_a_key_that_sshd_does_not_read_is_never_used(prepared: Machine, server_id: UUID) -> None:
    """AuthorizedKeysFile is elsewhere: what is written into the home has no effect."""
    former = row(server_id).public_key
    elsewhere = prepared.sshd.home / "authorized_keys" / USER
    prepared.as_root(f"cat {KEYS} >{elsewhere}; chmod 644 {elsewhere}")
    config = prepared.sshd.home / "config"
    text = config.read_text()
    config.write_text(text.replace(".ssh/authorized_keys", str(elsewhere)))
    prepared.reread()
    try:
        run = work(ask(server_id, keys.change))
    finally:
        config.write_text(text)
        prepared.reread()
    assert (run.status, run.error_code) == (Status.FAILED, "KEY_NOT_TAKEN"), run.error_detail
    server = row(server_id)
    assert (server.public_key, server.next_public_key) == (former, None)
    assert prepared.as_root(f"cat {KEYS}") == f"{former}\n{FOREIGN}"


def test_an_announced_host_key_takes_over_when_it_is_seen(
    prepared: Machine, server_id: UUID
) -> None:
    seen = prepared.sshd.fingerprint
    with transaction() as session:
        server = servers.find(session, server_id)
        server.host_keys, server.expected_host_keys = [NOBODY], [seen]
    with connected(server_id):
        pass
    server = row(server_id)
    assert (server.host_keys, server.expected_host_keys) == ([seen], [])
    [entry] = acts(Action.HOST_KEYS_FOLLOWED)
    assert (entry.actor, entry.details["former"]) == ("CloudPilot", [NOBODY])


def test_until_it_is_seen_the_approved_key_is_accepted(prepared: Machine, server_id: UUID) -> None:
    with transaction() as session:
        servers.find(session, server_id).expected_host_keys = [NOBODY]
    with connected(server_id):
        pass
    server = row(server_id)
    assert server.host_keys == [prepared.sshd.fingerprint]
    assert server.expected_host_keys == [NOBODY]
    assert acts(Action.HOST_KEYS_FOLLOWED) == []


def test_a_key_that_nobody_has_announced_is_a_hard_stop(prepared: Machine, server_id: UUID) -> None:
    with transaction() as session:
        server = servers.find(session, server_id)
        server.host_keys, server.expected_host_keys = [NOBODY], [NOBODY[:-1] + "B"]
    with transaction() as session:
        run_id = requests.check(session, servers.find(session, server_id), by=None).id
    assert work(run_id).error_code == "HOST_KEY_CHANGED"
    assert row(server_id).offered_host_key == prepared.sshd.fingerprint
    assert row(server_id).host_keys == [NOBODY]
