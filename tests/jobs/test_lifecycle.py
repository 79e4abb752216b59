"""jobs.lifecycle: how a row follows its work, and what a failure becomes."""

from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy.exc import IntegrityError, OperationalError

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, leases, runs
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import LostRace, Status
from cloudpilot.errors import (
    CloudPilotError,
    DiskFull,
    HostKeyChanged,
    PermissionDenied,
    SshUnreachable,
)
from cloudpilot.jobs import lifecycle, queue
from cloudpilot.jobs.queue import JsonQueue
from cloudpilot.kinds import Role, RunKind
from cloudpilot.reports import Report
from tests.domain.test_backups import RESULT
from tests.support.time import Moment, moment

__all__ = ["moment"]

NOW = timedelta(0)


def run_of(run_id: UUID) -> Run:
    with reading() as session:
        return runs.find(session, run_id)


def backup_of(run_id: UUID) -> Backup:
    with reading() as session:
        run = runs.find(session, run_id)
        assert run.backup_id
        return backups.find(session, run.backup_id)


@pytest.fixture
def started(core: Flask, make_run: UUID) -> Run:
    """A run whose work has been sent and seen."""
    with transaction() as session:
        assert runs.mark_sent(session, runs.find(session, make_run))
    lifecycle.begin(run_of(make_run))
    return run_of(make_run)


def test_a_backup_follows_its_run(started: Run) -> None:
    assert backup_of(started.id).status is Status.RUNNING
    lifecycle.begin(started)  # a second start changes nothing
    lifecycle.settle(started, Report(stage="finish", over=True, result=RESULT), NOW)
    assert run_of(started.id).status is backup_of(started.id).status is Status.COMPLETED


@pytest.mark.parametrize("error", [None, DiskFull("0 B left.")])
def test_what_is_seen_to_have_ended_later_has_ended_then(
    started: Run, moment: Moment, error: CloudPilotError | None
) -> None:
    """Nobody looked for two minutes; the work took seven seconds."""
    begun = run_of(started.id).started_at
    assert begun
    moment.at = begun + timedelta(seconds=117)
    report = Report(over=True, ended_ago=110, result=RESULT, error=error)
    lifecycle.settle(run_of(started.id), report, NOW)
    assert run_of(started.id).finished_at == begun + timedelta(seconds=7)
    assert backup_of(started.id).finished_at == begun + timedelta(seconds=7)


@pytest.mark.parametrize(("ago", "after"), [(0, 60), (10, 50), (30, 40), (10**8, 40)])
def test_nothing_has_ended_before_it_was_last_seen_at_work(
    started: Run, moment: Moment, ago: int, after: int
) -> None:
    """Whatever the server's clock did meanwhile."""
    begun = run_of(started.id).started_at
    assert begun
    moment.at = begun + timedelta(seconds=40)
    lifecycle.settle(run_of(started.id), Report(stage="archive"), NOW)
    moment.at = begun + timedelta(seconds=60)
    lifecycle.settle(run_of(started.id), Report(over=True, ended_ago=ago, result=RESULT), NOW)
    assert backup_of(started.id).seconds == after


@pytest.mark.parametrize("missing", ["sha256", "size", "tar_bytes"])
def test_an_end_without_a_whole_result_is_a_failure(started: Run, missing: str) -> None:
    result = {key: value for key, value in RESULT.items() if key != missing}
    lifecycle.settle(started, Report(over=True, result=result), NOW)
    assert run_of(started.id).error_code == backup_of(started.id).error_code == "COMMAND_FAILED"


def test_a_failure_has_its_leftovers_removed(started: Run) -> None:
    lifecycle.settle(started, Report(over=True, error=DiskFull("0 B left.")), NOW)
    backup = backup_of(started.id)
    with reading() as session:
        removal = backups.latest_run(session, backup, RunKind.DELETE)
    assert removal is not None
    rung = [job.args[0] for job in JsonQueue(queue.PLANNED, connection=queue.redis()).jobs]
    assert rung == [str(removal.id)]


def test_what_has_ended_is_not_ended_again(started: Run) -> None:
    lifecycle.fail(started.id, DiskFull("first"))
    lifecycle.fail(started.id, HostKeyChanged("second"))
    lifecycle.settle(started, Report(over=True, result=RESULT), NOW)
    assert run_of(started.id).error_detail == backup_of(started.id).error_detail == "first"


def fail_with(run: Run, error: Exception) -> None:
    with lifecycle.recorded(run):
        raise error


def test_what_may_pass_is_tried_again_and_then_fails(core: Flask, make_run: UUID) -> None:
    attempts = 0
    while run_of(make_run).status is Status.PENDING:
        attempts += 1
        fail_with(run_of(make_run), SshUnreachable("No route."))
    assert attempts == lifecycle.settings().start_attempts
    assert backup_of(make_run).error_code == "SSH_UNREACHABLE"
    assert [copy.status for copy in backup_of(make_run).copies] == [CopyStatus.GONE]


@pytest.mark.parametrize(
    ("error", "code"),
    [(HostKeyChanged("x"), "HOST_KEY_CHANGED"), (ZeroDivisionError(), "INTERNAL")],
)
def test_anything_else_fails_at_once(
    core: Flask, make_run: UUID, error: Exception, code: str
) -> None:
    fail_with(run_of(make_run), error)
    assert run_of(make_run).error_code == code
    assert backup_of(make_run).status is Status.FAILED


def test_what_nobody_thought_of_tells_no_secret(core: Flask, make_run: UUID) -> None:
    fail_with(run_of(make_run), RuntimeError("password=hunter2"))
    assert "hunter2" not in (run_of(make_run).error_detail or "")


def test_a_lost_race_changes_nothing(core: Flask, make_run: UUID) -> None:
    fail_with(run_of(make_run), LostRace("This is no longer pending."))
    assert run_of(make_run).status is Status.PENDING


def test_a_server_that_was_asked_for_too_long_in_vain_loses_its_run(started: Run) -> None:
    """Not one that nobody asked: a panel that was down knows nothing about the work."""
    hours = lifecycle.settings().lost_after_hours
    long_ago = clock.now() - timedelta(hours=hours + 1)
    with transaction() as session:
        runs.find(session, started.id).started_at = long_ago
    lifecycle.wait(started, SshUnreachable("No route."))
    lifecycle.give_up_if_silent(run_of(started.id))
    assert run_of(started.id).status is Status.RUNNING
    with transaction() as session:
        runs.find(session, started.id).silent_since = long_ago
    lifecycle.give_up_if_silent(run_of(started.id))
    assert run_of(started.id).status is Status.RUNNING  # asked once: our clock may be wrong
    for _ in range(lifecycle.ASKED_AT_LEAST):
        lifecycle.wait(run_of(started.id), SshUnreachable("No route."))
    lifecycle.give_up_if_silent(run_of(started.id))
    assert run_of(started.id).error_code == "RUN_LOST"
    # What it may have made is left alone: nobody has seen what it is.
    assert [copy.status for copy in backup_of(started.id).copies] == [CopyStatus.MAKING]


@pytest.mark.parametrize("hours", [-30, -5, -1, 5, 30])
def test_a_clock_of_ours_that_jumps_neither_hides_nor_ends_the_work(
    started: Run, moment: Moment, hours: int
) -> None:
    """By hours, forwards and backwards, between two looks that get no answer."""
    moment.at = clock_before = started.created_at
    lifecycle.settle(started, Report(stage="archive"), timedelta(seconds=5))
    lifecycle.wait(run_of(started.id), SshUnreachable("No route."))
    moment.pass_by(hours=hours)
    length = timedelta(seconds=lifecycle.settings().lease_seconds)
    with transaction() as session:
        due = leases.due(session, 10, Status.RUNNING, kinds=[RunKind.MAKE])
        assert due == [started.id]
        assert leases.lease(session, started.id, Status.RUNNING, length=length)
        assert leases.lease(session, started.id, Status.RUNNING, length=length) is None
    lifecycle.wait(run_of(started.id), SshUnreachable("No route."))
    lifecycle.give_up_if_silent(run_of(started.id))
    assert run_of(started.id).status is Status.RUNNING
    moment.at = clock_before + timedelta(seconds=60)  # somebody has set it right
    with transaction() as session:
        assert leases.due(session, 10, Status.RUNNING, kinds=[RunKind.MAKE]) == [started.id]


def test_an_answer_ends_the_silence(started: Run) -> None:
    lifecycle.wait(started, SshUnreachable("No route."))
    assert run_of(started.id).silent_since is not None
    lifecycle.settle(run_of(started.id), Report(stage="archive"), NOW)
    assert run_of(started.id).silent_since is None


@pytest.mark.parametrize("error", [SshUnreachable("x"), HostKeyChanged("x"), ZeroDivisionError()])
def test_work_that_goes_on_is_not_failed_by_what_we_cannot_see(
    started: Run, error: Exception
) -> None:
    for _ in range(lifecycle.settings().start_attempts + 1):
        fail_with(run_of(started.id), error)
    assert run_of(started.id).status is backup_of(started.id).status is Status.RUNNING


def test_a_database_that_fails_a_job_does_not_fail_the_work(core: Flask, make_run: UUID) -> None:
    failure = OperationalError("UPDATE runs", {}, Exception("the server closed the connection"))
    with pytest.raises(OperationalError):
        fail_with(run_of(make_run), failure)
    assert run_of(make_run).status is Status.PENDING


@pytest.mark.parametrize("error", [SshUnreachable("x"), PermissionDenied("x"), ZeroDivisionError()])
def test_a_deletion_is_tried_until_it_is_proven(started: Run, error: Exception) -> None:
    lifecycle.fail(started.id, DiskFull("0 B left."))
    backup = backup_of(started.id)
    with reading() as session:
        removal = backups.latest_run(session, backup, RunKind.DELETE)
    assert removal is not None
    for _ in range(lifecycle.settings().start_attempts + 1):
        fail_with(run_of(removal.id), error)
    assert run_of(removal.id).status is Status.PENDING


def test_no_parameter_of_a_statement_reaches_a_message(core: Flask) -> None:
    twice = Person(email="a@b", name="x", role=Role.OWNER, password_hash="hash-of-a-password")
    again = Person(email="a@b", name="x", role=Role.OWNER, password_hash="hash-of-a-password")

    def add() -> None:
        with transaction() as session:
            session.add_all([twice, again])

    with pytest.raises(IntegrityError) as failure:
        add()
    assert "hash-of-a-password" not in str(failure.value)


def test_a_job_takes_a_run_for_itself(core: Flask, make_run: UUID) -> None:
    assert lifecycle.take(make_run, Status.PENDING) is not None
    assert lifecycle.take(make_run, Status.PENDING) is None


def test_each_failure_has_a_sentence_for_its_page(started: Run) -> None:
    error: CloudPilotError = SshUnreachable("No route.")
    lifecycle.wait(started, error)
    waiting = run_of(started.id)
    assert (waiting.status, waiting.error_detail) == (Status.RUNNING, "No route.")
    assert waiting.next_look_at > clock.now()
