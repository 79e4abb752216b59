"""domain.runs: claims, leases, progress that never goes back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import leases, runs
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.errors import (
    BackupInProgress,
    CloudPilotError,
    CloudThrottled,
    InvalidState,
    NotFound,
    ObjectLocked,
    SshUnreachable,
)
from cloudpilot.kinds import RunKind
from cloudpilot.reports import Report
from tests.support.rows import add_run, add_server, add_site

MINUTE = timedelta(minutes=1)


def note(session: Session, run: Run, report: Report) -> None:
    """As a look does; then the row is read again."""
    runs.note(session, run, report, next_look_at=clock.now())
    session.refresh(run)


def test_two_at_once_of_one_site_are_one(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session)
        server_id, site_id = server.id, add_site(session, server).id

    def ask(_number: int) -> bool:
        with core.app_context():
            try:
                with transaction() as session:
                    server = session.get_one(Server, server_id)
                    add_run(session, server, session.get_one(Site, site_id))
            except BackupInProgress:
                return False
            return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(ask, range(6))) == 1
    with reading() as session:
        assert session.scalar(select(func.count(Backup.id))) == 1


def test_once_it_has_ended_the_site_is_free_again(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session)
        site = add_site(session, server)
        add_run(session, server, site).move(session, Status.FAILED)
        add_run(session, server, site)


def test_another_fault_of_the_database_is_not_called_in_progress(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session)
        run = Run(
            id=add_run(session, server).id, kind=RunKind.CHECK, server_id=server.id, subject=""
        )
        session.expunge_all()
        with pytest.raises(Exception, match=r"UNIQUE|unique"):
            runs.add(session, run)


def test_a_due_run_is_taken_by_one_of_many(core: Flask, make_run: UUID) -> None:
    def take(_number: int) -> bool:
        with core.app_context(), transaction() as session:
            return leases.lease(session, make_run, Status.PENDING, length=MINUTE) is not None

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 1


def test_a_run_in_another_state_or_not_due_is_not_taken(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        assert leases.lease(session, make_run, Status.RUNNING, length=MINUTE) is None
        assert leases.due(session, 9, Status.PENDING, kinds=list(RunKind)) == [make_run]
        leases.lease(session, make_run, Status.PENDING, length=MINUTE)
        assert leases.due(session, 9, Status.PENDING, kinds=list(RunKind)) == []


@pytest.mark.parametrize("status", [Status.PENDING, Status.RUNNING])
@pytest.mark.parametrize(
    ("kind", "hours", "error", "is_due"),
    [
        (RunKind.MAKE, 3, None, True),
        (RunKind.UPLOAD, 3, SshUnreachable("No route."), True),
        (RunKind.CHECK, 3, None, True),
        (RunKind.VERIFY, 3, None, True),
        (RunKind.DELETE, 3, SshUnreachable("No route."), True),
        (RunKind.DELETE, 3, ObjectLocked("Until then."), False),  # its day is known
        (RunKind.DELETE, 3, CloudThrottled("Later.", 9), False),
        (RunKind.ROTATE, 3, None, False),  # twice at once it would do harm
        (RunKind.DELETE, 1, SshUnreachable("No route."), False),  # as far as we put it off
    ],
)
def test_a_clock_that_was_set_back_keeps_no_work_waiting(
    core: Flask,
    make_run: UUID,
    status: Status,
    kind: RunKind,
    hours: float,
    error: CloudPilotError | None,
    is_due: bool,
) -> None:
    with transaction() as session:
        run = runs.find(session, make_run)
        run.kind = kind
        if status is Status.RUNNING:
            run.move(session, status)
        runs.put_off(session, run, error, next_look_at=clock.now() + timedelta(hours=hours))
        due = leases.due(session, 9, status, kinds=list(RunKind))
        assert due == ([make_run] if is_due else [])
        assert (leases.lease(session, make_run, status, length=MINUTE) is not None) is is_due


def test_progress_never_goes_back_within_a_stage(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        run = runs.find(session, make_run)
        run.move(session, Status.RUNNING)
        seen = []
        for stage, done, total in [
            ("measure", 0, None),
            ("archive", 500, 1000),
            ("archive", 300, 1000),
            ("archive", 1200, 1000),
            ("finish", 0, None),
        ]:
            report = Report(stage=stage, done=done, total=total)
            note(session, run, report)
            seen.append((run.stage, run.done, run.total))
    assert seen == [
        ("measure", 0, None),
        ("archive", 500, 1000),
        ("archive", 500, 1000),
        ("archive", 1200, 1200),
        ("finish", 0, None),
    ]


def test_a_look_that_comes_late_takes_nothing_back(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        run = runs.find(session, make_run)
        run.move(session, Status.RUNNING)
    with transaction() as session:
        row = runs.find(session, make_run)
        note(session, row, Report(stage="archive", done=900, total=1000))
    for stage, done in [("archive", 900), ("finish", 500)]:  # by one who has read the row before
        with transaction() as session:
            report = Report(stage=stage, done=500, total=1000)
            runs.note(session, run, report, next_look_at=clock.now())
            session.expire_all()
            row = runs.find(session, make_run)
            assert (row.stage, row.done) == (stage, done)


def test_the_rate_gives_the_time_left(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        run = runs.find(session, make_run)
        run.move(session, Status.RUNNING)
        assert run.seconds_left is None
        for done in (0, 1000, 3000):
            run.seen_at = clock.now() - timedelta(seconds=10)
            session.flush()
            report = Report(stage="archive", done=done, total=10_000)
            note(session, run, report)
        assert run.rate in range(110, 121)  # 100 a second, then 200, smoothed
        assert run.seconds_left in range(58, 64)


def test_what_has_ended_takes_no_note_and_no_wish(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        run = runs.find(session, make_run)
        runs.request_stop(session, run)
        assert run.stop_requested_at is not None
        assert not runs.mark_sent(session, run)
        run.move(session, Status.FAILED)
        note(session, run, Report(stage="late", done=9))
        runs.put_off(session, run, SshUnreachable("late"), next_look_at=clock.now())
        assert (run.stage, run.done, run.error_code) == ("", 0, None)
        with pytest.raises(InvalidState):
            runs.request_stop(session, run)


def test_what_it_waits_for_is_said_until_it_answers(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        run = runs.find(session, make_run)
        assert runs.mark_sent(session, run)
        runs.put_off(session, run, SshUnreachable("No route."), next_look_at=clock.now())
        assert (run.attempts, run.error_code) == (1, "SSH_UNREACHABLE")
        assert "firewall" in run.remedy
        run.move(session, Status.RUNNING)
        note(session, run, Report(stage="archive"))
        assert (run.attempts, run.error_code) == (0, None)


def test_a_run_that_is_put_off_without_a_fault_has_none(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        run = runs.find(session, make_run)
        runs.put_off(session, run, None, next_look_at=clock.now())
        assert (run.attempts, run.error_code, repr(run)) == (0, None, "<Run make pending  0>")
        runs.put_off(session, run, SshUnreachable("No route."), next_look_at=clock.now())
        assert repr(run) == "<Run make pending  0 SSH_UNREACHABLE: No route.>"


def test_an_unknown_run_is_not_found(core: Flask, make_run: UUID) -> None:
    with reading() as session, pytest.raises(NotFound):
        runs.find(session, UUID(int=0))
