"""jobs.looks: of several processes that look, which one takes what."""

import os
import signal
from datetime import timedelta
from threading import Event
from uuid import UUID

import pytest
from flask import Flask

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain import runs
from cloudpilot.domain.status import Status
from cloudpilot.jobs import looks, queue


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
