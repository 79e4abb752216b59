"""jobs.work: how often a server is asked while work begins and ends."""

import time
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import update

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import runs
from cloudpilot.domain.copies import Copy
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.engine import detached
from cloudpilot.errors import DiskFull, RunLost
from cloudpilot.jobs import lifecycle, work
from cloudpilot.kinds import Place
from cloudpilot.reports import Report

NEARLY = Report(stage="archive", done=990, total=1_000)
OVER = Report(stage="archive", done=1_000, total=1_000, over=True, error=DiskFull("1 GB is free."))


@pytest.fixture
def run(core: Flask, make_run: UUID) -> Run:
    """Work that has been seen, at a hundred bytes a second."""
    with transaction() as session:
        row = runs.find(session, make_run)
        runs.mark_sent(session, row)
    lifecycle.begin(row)
    with transaction() as session:
        row = runs.find(session, make_run)
        row.stage, row.rate = "archive", 100
    return row


def looked(run: Run, monkeypatch: pytest.MonkeyPatch, *said: Report) -> tuple[int, Run]:
    """How often the server was asked in one look, and what the row says then."""
    left = list(said)
    monkeypatch.setattr(detached, "look", lambda *_: left.pop(0) if len(left) > 1 else left[0])
    pauses: list[float] = []
    monkeypatch.setattr(work.time, "sleep", pauses.append)
    work.look(None, run, work.place(run), watched=False, since=time.monotonic())  # type: ignore[arg-type]
    with reading() as session:
        return 1 + len(pauses), runs.find(session, run.id)


def test_what_is_about_to_end_is_seen_to_end(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    times, row = looked(run, monkeypatch, NEARLY, NEARLY, OVER)
    assert (times, row.status) == (3, Status.FAILED)


def test_it_is_not_waited_for_long(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    times, row = looked(run, monkeypatch, NEARLY)
    assert (times, row.status, row.done) == (1 + len(work.LAST_LOOKS), Status.RUNNING, 990)
    assert sum(work.LAST_LOOKS) < 2


@pytest.mark.parametrize(
    "report",
    [
        Report(stage="archive", done=100, total=1_000),  # nine seconds are left
        Report(stage="archive", done=990),  # of nobody knows how many
        Report(stage="finish", done=990, total=1_000),  # another stage has another rate
    ],
)
def test_anything_else_is_looked_at_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, report: Report
) -> None:
    assert looked(run, monkeypatch, report)[0] == 1


def test_what_lacks_requests_is_not_kept_waiting(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    wants = Report(stage="archive", done=990, total=1_000, wants=(("archive", 65),))
    assert looked(run, monkeypatch, wants)[0] == 1


def test_work_whose_place_is_gone_is_lost(run: Run) -> None:
    assert work.place(run).run_id == str(run.id)
    with transaction() as session:
        session.execute(update(Copy).values(place=Place.VAULT))
    with pytest.raises(RunLost):
        work.place(run)


@pytest.mark.parametrize(
    ("spent", "least", "most"), [(0.0, 0.5, 0.7), (0.1, 0.5, 0.6), (5.0, 0.5, 0.5)]
)
def test_the_next_look_is_counted_from_when_this_one_was_asked(
    run: Run, spent: float, least: float, most: float
) -> None:
    assert lifecycle.settings().look_seconds == 1
    for _ in range(20):
        paused = work.pause(run, watched=True, spent=timedelta(seconds=spent))
        assert least <= paused.total_seconds() <= most


def test_runs_that_are_due_together_are_not_for_long(run: Run) -> None:
    run.started_at = clock.now() - timedelta(hours=1)
    longest = lifecycle.settings().look_seconds_at_most
    paused = [work.pause(run, watched=False).total_seconds() for _ in range(50)]
    assert longest * 0.8 - 0.3 <= min(paused) < max(paused) - longest / 10
    assert max(paused) <= longest - 0.3
