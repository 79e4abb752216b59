"""How a run's row follows its work; the only module that moves a run between states."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

from flask import current_app
from rq.timeouts import JobTimeoutException
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, leases, outcomes, pace, runs
from cloudpilot.domain.archives import Made
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import ACTIVE, IllegalStep, LostRace, Status
from cloudpilot.errors import (
    CloudPilotError,
    CloudThrottled,
    CloudUnreachable,
    NotCompleted,
    ObjectLocked,
    RunLost,
    RunStopped,
    SecretKeyWrong,
    SnapshotFailed,
    SnapshotMissing,
    Unexpected,
    UploadIncomplete,
    VaultUnreachable,
)
from cloudpilot.jobs import endings, queue
from cloudpilot.jobs.endings import Ending
from cloudpilot.kinds import RunKind
from cloudpilot.options import JOB_SECONDS
from cloudpilot.reports import Report
from cloudpilot.secrets import CannotOpenError
from cloudpilot.settings import Settings

log = logging.getLogger(__name__)

# What ends a proof: the vault does not have what was sent, or nobody wants it any more.
ASKED_AT_LEAST = 10  # times in a row, before a server counts as silent for good
SAID_NO = (UploadIncomplete, NotCompleted, RunStopped)


def settings() -> Settings:
    """This application's settings."""
    found: Settings = current_app.extensions["settings"]
    return found


def current(run_id: UUID) -> Run:
    """The run as it stands, for reading."""
    with reading() as session:
        return runs.find(session, run_id)


def take(run_id: UUID, *statuses: Status) -> Run | None:
    """The run for this job alone, if it is due in one of these states.

    Where a job may take longer, so does its lease.
    """
    with transaction() as session:
        times = queue.SECONDS_BY_KIND[runs.find(session, run_id).kind] / JOB_SECONDS
        length = timedelta(seconds=settings().lease_seconds * times)
        return leases.lease(session, run_id, *statuses, length=length)


def begin(run: Run) -> None:
    """The server is at it."""
    with transaction() as session:
        row = runs.find(session, run.id)
        if row.status is Status.RUNNING:
            return
        row.move(session, Status.RUNNING, started_at=clock.now())
        if row.kind in {RunKind.MAKE, RunKind.SNAPSHOT} and row.backup_id:
            for following in outcomes.started(session, backups.find(session, row.backup_id)):
                queue.ring(session, following)


def settle(run: Run, report: Report, pause: timedelta) -> None:
    """Write down what the work said; if it is over, how it ended.

    While it goes on one statement does; what others have seen since this run was read stays.
    """
    with transaction() as session:
        next_look_at = clock.now() + pause
        if not report.over:
            runs.note(session, run, report, next_look_at=next_look_at)
            return
        row = runs.find(session, run.id)
        ended_at = runs.ended_at(row, report)
        runs.note(session, row, report, next_look_at=next_look_at)
        session.refresh(row)
        if row.status is Status.RUNNING:
            _end(session, row, report, at=ended_at)


def complete(run: Run, report: Report) -> None:
    """It is over and well; for work that this job has done itself."""
    settle(run, report, timedelta(0))


def fail(run_id: UUID, error: CloudPilotError, *, leave: bool = False) -> None:
    """It is over and not well; if it has ended meanwhile, that end stands.

    leave  do not have removed what may lie on the server
    """
    with transaction() as session:
        row = runs.find(session, run_id)
        if row.status in ACTIVE:
            _end(session, row, Report(error=error, over=True), leave=leave)


def wait(run: Run, error: CloudPilotError) -> None:
    """Its server could not be asked: ask again later, less often each time; what a lock forbids,
    when it has ended."""
    first = timedelta(seconds=settings().retry_seconds)
    with transaction() as session:
        row = runs.find(session, run.id)
        goes_on = row.kind.goes_on_alone and row.status is Status.RUNNING
        pause = pace.back_off(row.attempts, first, running=goes_on)
        again = clock.now() + pause
        if isinstance(error, CloudThrottled):
            again = max(again, clock.now() + timedelta(seconds=error.seconds))
        if isinstance(error, ObjectLocked) and error.until:
            again = max(again, error.until)
        runs.put_off(session, row, error, next_look_at=again)


def give_up_if_silent(run: Run) -> None:
    """A running run whose server was asked for so long without an answer is lost.

    What it may have made is left alone: nobody knows what it is.
    """
    now, row = clock.now(), current(run.id)
    silence = now - (row.silent_since or now)
    # Our own clock may have been set forward: it takes questions as well as hours.
    if silence > timedelta(hours=settings().lost_after_hours) and row.attempts >= ASKED_AT_LEAST:
        hours = silence.total_seconds() / 3600
        who = "cloud" if run.cloud_id else "server"
        lost = RunLost(f"The {who} has not answered for {hours:.0f} hours.")
        fail(run.id, lost, leave=True)


@contextmanager
def recorded(run: Run) -> Iterator[None]:
    """A failure while a run is started becomes the run's; what may pass by itself is put off."""
    try:
        yield
    except JobTimeoutException as late:
        if run.vault_id is None and run.cloud_id is None:
            raise  # as below
        log.warning("run %s: %s", run.id, late)
        kind, who = (VaultUnreachable, "store") if run.vault_id else (CloudUnreachable, "cloud")
        _put_off_or_fail(run.id, kind(f"The {who} has not answered for as long as a job may take."))
    except DBAPIError:
        raise  # this job has failed, not the work: when the lease is over the next takes over
    except (IllegalStep, LostRace) as race:
        log.info("run %s: %s", run.id, race)
    except CloudPilotError as error:
        log.warning("run %s: %s: %s", run.id, error.code, error)
        _put_off_or_fail(run.id, error)
    except Exception as error:
        log.exception("run %s", run.id)
        _put_off_or_fail(run.id, unexpected(error))


def unexpected(error: Exception) -> CloudPilotError:
    """What nobody thought of, in a sentence that tells no secret; and a key that is wrong."""
    if isinstance(error, CannotOpenError):
        return SecretKeyWrong(f"With the panel's secret key it cannot be read: {error}")
    return Unexpected(f"{type(error).__name__}; the worker's log has the details.")


def _put_off_or_fail(run_id: UUID, error: CloudPilotError) -> None:
    """Work that goes on at the server is not failed by what keeps us from seeing it, and a
    deletion is tried until it is proven."""
    run = current(run_id)
    gone = isinstance(error, SnapshotMissing | SnapshotFailed)
    goes_on = run.kind.goes_on_alone and run.status is Status.RUNNING and not gone
    if goes_on or run.kind.is_tried_for_ever or _may_pass(run, error):
        wait(run, error)
        if goes_on and run.cloud_id:  # a server's runs are given up where they are looked at
            give_up_if_silent(run)
    else:
        fail(run_id, error)


def _may_pass(run: Run, error: CloudPilotError) -> bool:
    """Whether it is worth another try. All bytes have been sent when a vault is asked for its
    word, and what is given up is deleted: only the vault's no ends that, and time. An upload begins
    late rather than never: streamed, there is no backup without it."""
    waited = clock.now() - run.created_at
    is_early = waited < timedelta(hours=settings().lost_after_hours)
    if run.kind is RunKind.VERIFY:
        return is_early and not isinstance(error, SAID_NO)
    if run.kind is RunKind.UPLOAD and isinstance(error, VaultUnreachable):
        return is_early
    return error.transient and run.attempts + 1 < settings().start_attempts


def _end(
    session: Session,
    run: Run,
    report: Report,
    *,
    leave: bool = False,
    at: datetime | None = None,
) -> None:
    """Move the run and what hangs on it, in one transaction.

    at  when it ended, if that is known and not just now
    """
    made, error = _outcome(run, report)
    at = at or clock.now()
    run.move(
        session,
        Status.FAILED if error else Status.COMPLETED,
        because=error,
        finished_at=at,
        error_code=error.code if error else None,
        error_detail=str(error) if error else None,
    )
    leave = leave or run.of_old_panel
    stands = report.result.get("stands") == "1"
    ending = Ending(at, made, error, report.warnings, leave, stands)
    for following in endings.follow(session, run, ending):
        queue.ring(session, following)


def _outcome(run: Run, report: Report) -> tuple[Made | None, CloudPilotError | None]:
    """What was made, or why not: an end without a whole result is a failure."""
    if report.error or run.kind is not RunKind.MAKE:
        return None, report.error
    try:
        return Made.parse(report.result, report.census), None
    except CloudPilotError as unreadable:
        return None, unreadable
