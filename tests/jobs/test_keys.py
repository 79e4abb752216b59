"""Keys that change while the panel works: ours, killed at any point, and the server's own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import keys, requests, runs, servers, uninstalls
from cloudpilot.domain.audit import Action, AuditEntry
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.engine import ssh
from cloudpilot.engine.ssh import Session
from cloudpilot.jobs import rotate
from cloudpilot.jobs import runs as jobs
from cloudpilot.jobs.on_server import connected, login
from cloudpilot.kinds import Privilege, Role
from cloudpilot.secrets import Secret
from tests.support.machine import USER, Machine, machine
from tests.support.rows import add_person, add_server

FOREIGN = "ssh-ed25519 AAAAada ada@laptop"
KEYS = f"~{USER}/.ssh/authorized_keys"
NOBODY = "SHA256:" + "A" * 43


class Killed(BaseException):
    """As SIGKILL: nothing is cleaned up, and no `except` of ours hears of it."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("machine")) as found:
        yield found


@pytest.fixture
def server_id(core: Flask, prepared: Machine) -> UUID:
    """The row of a server that is set up, with somebody else's key beside ours."""
    prepared.as_root(f"rm -f {KEYS}")
    prepared.set_up(Privilege.FULL)
    prepared.as_root(f"printf '{FOREIGN}' >>{KEYS}")
    sealer = core.extensions["sealer"]
    with transaction() as session:
        add_person(session, Role.OWNER)
        add_server(
            session,
            id=prepared.server_id,
            host="127.0.0.1",
            port=prepared.sshd.port,
            host_keys=[prepared.sshd.fingerprint],
            public_key=prepared.public_key,
            private_key=sealer.seal(prepared.private_key, servers.key_place(prepared.server_id)),
            privilege=Privilege.FULL,
        )
    return prepared.server_id


def row(server_id: UUID) -> Server:
    with reading() as session:
        return session.get_one(Server, server_id)


def ask(server_id: UUID, wish: Callable[..., Run], **also: object) -> UUID:
    """The run of a wish of the owner's."""
    with transaction() as session:
        owner = session.scalars(select(Person)).one()
        return wish(session, servers.find(session, server_id), owner, **also).id


def work(run_id: UUID) -> Run:
    """What a worker does with it, as often as it is due."""
    with transaction() as session:
        run = runs.find(session, run_id)
        runs.put_off(session, run, None, next_look_at=run.created_at)
    jobs.start(str(run_id))
    with reading() as session:
        return runs.find(session, run_id)


def acts(action: Action) -> list[AuditEntry]:
    with reading() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.action == action)))


def address(server_id: UUID) -> ssh.Address:
    return login(server_id).address


def assert_one_key(prepared: Machine, server_id: UUID, former: Secret) -> None:
    """The key of the row is let in, the former is not, and the file holds nothing else of ours."""
    server = row(server_id)
    assert (server.next_public_key, server.next_private_key) == (None, None)
    assert not ssh.refuses(address(server_id), login(server_id).private_key)
    assert ssh.refuses(address(server_id), former)
    assert prepared.as_root(f"cat {KEYS}") == f"{server.public_key}\n{FOREIGN}"


def test_a_new_key_takes_the_place_of_the_old(prepared: Machine, server_id: UUID) -> None:
    former, made_at = login(server_id).private_key, row(server_id).key_made_at
    run = work(ask(server_id, keys.change))
    assert run.status is Status.COMPLETED, (run.error_code, run.error_detail)
    assert_one_key(prepared, server_id, former)
    assert row(server_id).key_made_at > made_at
    assert [entry.actor for entry in acts(Action.KEY_CHANGED)] == ["owner@example.com"]


@contextmanager
def killed_after(monkeypatch: pytest.MonkeyPatch, step: int) -> Iterator[list[int]]:
    """The worker dies after that many steps: what it has written to rows or server stays."""
    left = [step]

    def count() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    @contextmanager
    def dying_transaction() -> Iterator[object]:
        with transaction() as session:
            yield session
        count()

    def dying_run(self: Session, *words: object, **options: object) -> bytes:
        answer = real_run(self, *words, **options)  # type: ignore[arg-type]
        count()
        return answer

    real_run = Session.run
    with monkeypatch.context() as patch:
        patch.setattr(rotate, "transaction", dying_transaction)
        patch.setattr(Session, "run", dying_run)
        yield left


def test_killed_at_any_point_it_ends_right(
    prepared: Machine, server_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(1, 20):
        former = login(server_id).private_key
        run_id = ask(server_id, keys.change)
        with killed_after(monkeypatch, step) as left:
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
    with killed_after(monkeypatch, 3), pytest.raises(Killed):
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
    with killed_after(monkeypatch, 2), pytest.raises(Killed):
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
    prepared.as_root(f"kill -HUP {prepared.pid}")
    try:
        run = work(ask(server_id, keys.change))
    finally:
        config.write_text(text)
        prepared.as_root(f"kill -HUP {prepared.pid}")
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


def test_removed_is_what_refuses_the_key_and_nothing_else(
    prepared: Machine, server_id: UUID
) -> None:
    said = dict.fromkeys(("key", "rule", "tar", "directories", "user"), True)
    run = work(ask(server_id, uninstalls.prove, keep=False, said=said))
    assert (run.status, run.error_code) == (Status.FAILED, "KEY_STILL_ACCEPTED")
    assert row(server_id).removed_at is None
    prepared.as_root(f"sed -i /cloudpilot-/d {KEYS}")
    run = work(ask(server_id, uninstalls.prove, keep=False, said=said))
    assert run.status is Status.COMPLETED, run.error_detail
    assert row(server_id).removed_at
    assert "refused the key" in acts(Action.UNINSTALLED)[0].details["proof"]


def test_a_server_that_is_not_reached_is_not_proven(server_id: UUID) -> None:
    with transaction() as session:
        servers.find(session, server_id).port = 1
    said = dict.fromkeys(("key", "rule", "tar", "directories", "user"), True)
    run = work(ask(server_id, uninstalls.prove, keep=False, said=said))
    assert (run.status.is_final, run.error_code) == (False, "SSH_UNREACHABLE")
    assert row(server_id).removed_at is None


def test_another_machine_at_the_address_proves_nothing(prepared: Machine, server_id: UUID) -> None:
    prepared.as_root(f"sed -i /cloudpilot-/d {KEYS}")
    with transaction() as session:
        servers.find(session, server_id).host_keys = [NOBODY]
    said = dict.fromkeys(("key", "rule", "tar", "directories", "user"), True)
    run = work(ask(server_id, uninstalls.prove, keep=False, said=said))
    assert run.error_code == "HOST_KEY_CHANGED"
    assert row(server_id).removed_at is None


def test_the_panel_takes_itself_off_where_it_may_do_all(prepared: Machine, server_id: UUID) -> None:
    run = work(ask(server_id, uninstalls.prove, keep=False))
    assert run.status is Status.COMPLETED, run.error_detail
    assert row(server_id).removed_at
    assert "proven" in run.log
    assert prepared.as_root(f"cat {KEYS}") == f"{FOREIGN}\n"
    assert prepared.as_root("ls -A /etc/sudoers.d | grep cloudpilot || true") == ""


def test_a_key_that_is_refused_at_once_is_no_proof_of_removal(
    prepared: Machine, server_id: UUID
) -> None:
    prepared.as_root(f"sed -i /cloudpilot-/d {KEYS}")
    run = work(ask(server_id, uninstalls.prove, keep=False))
    assert (run.status, run.error_code) == (Status.FAILED, "SSH_AUTH_FAILED")
    assert "paste its last line" in (run.error_detail or "")
    assert row(server_id).removed_at is None
