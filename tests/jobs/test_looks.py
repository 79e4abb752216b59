"""jobs.looks: of several processes that look, which one takes what."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Never
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import update

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import runs
from cloudpilot.domain.copies import Copy
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.engine.address import Address
from cloudpilot.errors import SshUnreachable
from cloudpilot.jobs import looks, queue
from cloudpilot.jobs.on_server import Login
from cloudpilot.kinds import Place
from cloudpilot.secrets import Secret
from tests.support.rows import add_run, add_server, add_site


@pytest.mark.parametrize(
    ("seconds", "is_taken"),
    [
        (-0.5, False),  # who is connected goes first
        (-5, True),
        (20, False),
        (5 * 3600, True),  # our clock has been set back since
    ],
)
def test_who_is_not_connected_takes_what_nobody_else_has_taken(
    core: Flask, make_run: UUID, monkeypatch: pytest.MonkeyPatch, seconds: float, is_taken: bool
) -> None:
    monkeypatch.setattr(queue, "lookers", lambda: 2)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    with transaction() as session:
        due_at = now + timedelta(seconds=seconds)
        runs.find(session, make_run).move(session, Status.RUNNING, next_look_at=due_at)
    with transaction() as session:
        taken = looks._taken(session, 10, silent=False)
    assert [run.id for run in taken] == ([make_run] if is_taken else [])


def test_a_process_of_which_a_look_hangs_for_good_ends(
    core: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is replaced, by one whose connections are new."""
    ended, goes_on = [], Event()
    monkeypatch.setattr(os, "kill", lambda *words: ended.append(words))
    monkeypatch.setattr(looks, "_in_hand", {looks._pool.submit(goes_on.wait): looks._Asked(False)})
    looks.look_round()
    assert ended == []
    monkeypatch.setattr(looks, "STUCK_SECONDS", 0)
    looks.look_round()
    assert ended == [(os.getpid(), signal.SIGTERM)]
    goes_on.set()


@pytest.fixture
def two_runs(core: Flask) -> tuple[UUID, UUID]:
    """Of two servers, both due, the first one for longer."""
    with transaction() as session:
        made = []
        for number in (1, 2):
            server = add_server(session, f"server {number}")
            run = add_run(session, server, add_site(session, server))
            due_at = clock.now() - timedelta(seconds=10 / number)
            run.move(session, Status.RUNNING, next_look_at=due_at)
            made.append(run.id)
    return made[0], made[1]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[UUID]]:
    """The runs that a round looks at, in this order; nobody is asked anything."""
    found: list[UUID] = []
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(looks, "_pool", pool)
        monkeypatch.setattr(looks, "_look", lambda _, run: found.append(run.id))
        yield found


def no_login(server: Server) -> Login:
    """Of a server that nobody reaches."""
    return Login(
        server.id, Address(server.host, server.port, server.username, ()), Secret("no key")
    )


@pytest.mark.parametrize("watched", [0, 1])
def test_what_somebody_watches_comes_first(
    two_runs: tuple[UUID, UUID], asked: list[UUID], watched: int
) -> None:
    queue.watch(two_runs[watched])
    looks.look_round()
    assert asked == [two_runs[watched], two_runs[1 - watched]]


def test_a_run_without_a_place_keeps_no_other_from_being_looked_at(
    two_runs: tuple[UUID, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[UUID] = []

    def unreachable(who: Login) -> Never:
        opened.append(who.server_id)
        raise SshUnreachable("It is away.")

    monkeypatch.setattr(looks, "login_of", no_login)
    monkeypatch.setattr(looks._connections, "get", unreachable)
    with transaction() as session:
        gone, other = (runs.find(session, run_id) for run_id in two_runs)
        session.execute(
            update(Copy).where(Copy.backup_id == gone.backup_id).values(place=Place.VAULT)
        )
    looks.look_round()
    with reading() as session:
        codes = [runs.find(session, run_id).error_code for run_id in two_runs]
    assert (codes, opened) == (["RUN_LOST", "SSH_UNREACHABLE"], [other.server_id])
