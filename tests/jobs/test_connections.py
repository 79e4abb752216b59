"""jobs.connections: sessions are kept, and what is kept has a bound."""

import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import enumerate as threads
from uuid import UUID, uuid4

import pytest
from flask import Flask

from cloudpilot.jobs import connections
from cloudpilot.jobs.connections import Connections
from cloudpilot.jobs.on_server import Login
from tests.support.openssh import Sshd
from tests.support.until import until


@pytest.fixture
def kept() -> Iterator[Connections]:
    found = Connections()
    yield found
    for server_id in list(found._open):
        found.forget(server_id)


def login(sshd: Sshd, server_id: UUID | None = None) -> Login:
    """To one more server, by that name or another."""
    keys = (sshd.fingerprint,)
    return Login(server_id or uuid4(), sshd.address, sshd.private_key, approved=keys)


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.monotonic() + seconds
    monkeypatch.setattr(connections.time, "monotonic", lambda: now)


def test_a_session_is_kept_until_nobody_has_used_it_for_a_while(
    kept: Connections, server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = login(server)
    ssh = kept.get(who)
    kept.close_idle()
    assert kept.get(who) is ssh
    later(monkeypatch, connections.IDLE_SECONDS + 1)
    kept.close_idle()
    assert not kept.has(who.server_id)
    assert not ssh.alive


def test_a_server_whose_row_has_changed_gets_a_new_one(kept: Connections, server: Sshd) -> None:
    who = login(server)
    ssh = kept.get(who)
    address = replace(who.address, may_be_private=not who.address.may_be_private)
    changed = replace(who, address=address)
    if address.may_be_private:
        assert kept.get(changed) is not ssh
    kept.forget(who.server_id)
    assert not ssh.alive


def test_of_too_many_those_go_that_came_last(
    kept: Connections, server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked in turn, those used longest ago are the next whose turn it is."""
    monkeypatch.setattr(connections, "AT_MOST", 3)
    everybody = [login(server) for _ in range(5)]
    for who in everybody:
        kept.get(who)
    kept.close_idle()
    assert all(kept.has(who.server_id) for who in everybody)  # they may be in use
    later(monkeypatch, connections.BUSY_SECONDS + 1)
    kept.close_idle()
    assert [kept.has(who.server_id) for who in everybody] == [True, True, True, False, False]


def test_two_who_come_at_once_have_one(kept: Connections, server: Sshd) -> None:
    who, before = login(server), set(threads())
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: kept.get(who), range(8)))
    assert {kept.get(who)} == {ssh for ssh in found if ssh.alive}
    kept.forget(who.server_id)
    until(lambda: {one.name for one in {*threads()} - before}, lambda left: not left)


def test_no_more_are_kept_than_files_may_be_open(
    core: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def most(limit: int) -> int:
        monkeypatch.setattr(connections.resource, "getrlimit", lambda _: (limit, limit))
        return connections.most()

    few, half = connections.FILES_BESIDE, connections.FILES_BESIDE // 2
    assert most(1024) == half
    assert most(few + 900) == 900
    assert most(100_000) == most(resource.RLIM_INFINITY) == connections.AT_MOST
