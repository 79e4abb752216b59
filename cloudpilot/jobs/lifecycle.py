"""How a run's row follows its work; the only module that moves a run between states."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from flask import current_app
from rq.timeouts import JobTimeoutException
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, pace, runs
from cloudpilot.domain.archives import Made
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import ACTIVE, IllegalStep, LostRace, Status
from cloudpilot.errors import CloudPilotError, RunLost, Unexpected
from cloudpilot.jobs import queue
from cloudpilot.kinds import RunKind
from cloudpilot.reports import Report
from cloudpilot.settings import Settings

log = logging.getLogger(__name__)


def settings() -> Settings:
    """This application's settings."""
    found: Settings = current_app.extensions["settings"]
    return found


def current(run_id: UUID) -> Run:
    """The run as it stands, for reading."""
    with reading() as session:
        return runs.find(session, run_id)


def take(run_id: UUID, *statuses: Status) -> Run | None:
    """The run for this job alone, if it is due in one of these states."""
    with transaction() as session:
        length = timedelta(seconds=settings().lease_seconds)
        return runs.lease(session, run_id, *statuses, length=length)


def begin(run: Run) -> None:
    """The server is at it."""
    with transaction() as session:
        row = runs.find(session, run.id)
        if row.status is Status.RUNNING:
            return
        row.move(session, Status.RUNNING, started_at=clock.now())
        if row.kind is RunKind.MAKE and row.backup_id:
            backups.started(session, backups.find(session, row.backup_id))


def settle(run: Run, report: Report, pause: timedelta) -> None:
    """Write down what the work said; if it is over, how it ended."""
    with transaction() as session:
        row = runs.find(session, run.id)
        runs.note(session, row, report, next_look_at=clock.now() + pause)
        if row.status is Status.RUNNING and report.over:
            _end(session, row, report)


def complete(run: Run, report: Report) -> None:
    """It is over and well; for work that this job has done itself."""
    settle(run, report, timedelta(0))


def fail(run_id: UUID, error: CloudPilotError) -> None:
    """It is over and not well; if it has ended meanwhile, that end stands."""
    with transaction() as session:
        row = runs.find(session, run_id)
        if row.status in ACTIVE:
            _end(session, row, Report(error=error, over=True))


def wait(run: Run, error: CloudPilotError) -> None:
    """Its server could not be asked: ask again later, less often each time."""
    pause = pace.back_off(run.attempts, timedelta(seconds=settings().retry_seconds))
    with transaction() as session:
        row = runs.find(session, run.id)
        runs.put_off(session, row, error, next_look_at=clock.now() + pause)


def give_up_if_silent(run: Run) -> None:
    """A running run whose server has not answered for so long is lost."""
    silence = clock.now() - (run.seen_at or run.started_at or run.created_at)
    if silence > timedelta(hours=settings().lost_after_hours):
        hours = silence.total_seconds() / 3600
        fail(run.id, RunLost(f"The server has not answered for {hours:.0f} hours."))


@contextmanager
def recorded(run: Run) -> Iterator[None]:
    """A failure while a run is started becomes the run's; what may pass by itself is put off."""
    try:
        yield
    except JobTimeoutException:
        raise  # this job's time is over, not the work's: the next one takes over
    except (IllegalStep, LostRace) as race:
        log.info("run %s: %s", run.id, race)
    except CloudPilotError as error:
        log.warning("run %s: %s: %s", run.id, error.code, error)
        if error.transient and run.attempts + 1 < settings().start_attempts:
            wait(run, error)
        else:
            fail(run.id, error)
    except Exception as error:
        log.exception("run %s", run.id)
        fail(run.id, Unexpected(f"{type(error).__name__}; the worker's log has the details."))


def _end(session: Session, run: Run, report: Report) -> None:
    """Move the run and what hangs on it, in one transaction."""
    made = None
    error = report.error
    if run.kind is RunKind.MAKE and error is None:
        try:
            made = Made.parse(report.result)
        except CloudPilotError as unreadable:
            error = unreadable
    run.move(
        session,
        Status.FAILED if error else Status.COMPLETED,
        because=error,
        finished_at=clock.now(),
        error_code=error.code if error else None,
        error_detail=str(error) if error else None,
    )
    if run.kind is RunKind.DELETE and error is None:
        backups.removed(session, run)
    if run.kind is RunKind.MAKE and run.backup_id:
        _end_backup(session, run, report, made, error)


def _end_backup(
    session: Session, run: Run, report: Report, made: Made | None, error: CloudPilotError | None
) -> None:
    backup = backups.find(session, run.backup_id) if run.backup_id else None
    if backup is None:
        return
    if made:
        count = report.result.get("warnings", "0")
        number = int(count) if count.isdigit() else 0
        backups.completed(session, backup, made, list(report.warnings), number)
    elif error:
        removal = backups.failed(session, backup, error, sent=run.sent_at is not None)
        if removal:
            queue.ring(session, removal)
