"""What the panel before this one had under way: looked at, and never a reason to delete anything.

It may have ended all of it after the export was made: what is not found may be a good backup.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import restore_steps, runs
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.restores import Restore, RestoreStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.slots import Slot
from cloudpilot.domain.status import Status
from cloudpilot.errors import RunLost, UploadIncomplete
from cloudpilot.jobs import lifecycle
from cloudpilot.jobs import runs as jobs
from cloudpilot.kinds import Privilege, RunKind
from cloudpilot.reports import Report
from cloudpilot.scheduling.tick import tick
from tests.domain.test_backups import RESULT
from tests.domain.test_rest import add_import
from tests.domain.test_restores import begun, planned, somebody
from tests.domain.test_uploads import add_archive, asked, backup_id
from tests.support.rows import add_run, add_server, add_site
from tests.support.schedules import add_schedule

__all__ = ["backup_id"]  # a fixture
NOW = timedelta(0)
GONE = Report(over=True, error=RunLost("Its directory on the server is gone."))


def brought_back(session: Session) -> None:
    """From here on it is another panel, which an owner has let begin."""
    add_import(session, begun_at=clock.now())


def all_runs() -> list[tuple[RunKind, Status]]:
    with reading() as session:
        rows = session.scalars(select(Run).order_by(Run.created_at, Run.id))
        return [(run.kind, run.status) for run in rows]


def made_by_old_panel(run_id: UUID) -> Run:
    """A backup is being made when the export is."""
    with transaction() as session:
        assert runs.mark_sent(session, runs.find(session, run_id))
    lifecycle.begin(lifecycle.current(run_id))
    with transaction() as session:
        brought_back(session)
    return lifecycle.current(run_id)


def test_a_backup_that_is_not_found_is_lost_and_nothing_is_removed(make_run: UUID) -> None:
    lifecycle.settle(made_by_old_panel(make_run), GONE, NOW)
    assert all_runs() == [(RunKind.MAKE, Status.FAILED)]
    with reading() as session:
        backup = session.scalars(select(Backup)).one()
        assert (backup.status, backup.error_code) == (Status.FAILED, "RUN_LOST")
        assert [copy.status for copy in backup.copies] == [CopyStatus.MAKING]


def test_a_backup_that_has_ended_well_counts(make_run: UUID) -> None:
    run = made_by_old_panel(make_run)
    lifecycle.settle(run, Report(stage="finish", over=True, result=RESULT), NOW)
    with reading() as session:
        assert session.scalars(select(Backup)).one().status is Status.COMPLETED


@pytest.mark.parametrize("streamed", [False, True])
def test_an_upload_that_is_not_found_is_neither_begun_again_nor_taken_back(
    backup_id: UUID, streamed: bool
) -> None:
    with transaction() as session:
        run = asked(session, backup_id)
        backup = session.get_one(Backup, backup_id)
        if streamed:
            backup.streamed, backup.finished_at = True, None
            session.connection().exec_driver_sql("UPDATE backups SET status = 'running'")
        brought_back(session)
    lifecycle.settle(run, GONE, NOW)
    kinds = [kind for kind, _ in all_runs()]
    assert kinds == [RunKind.MAKE, RunKind.UPLOAD]
    with reading() as session:
        backup = session.get_one(Backup, backup_id)
        assert {copy.status for copy in backup.copies} == {CopyStatus.STORED, CopyStatus.FAILED}
        assert backup.status is (Status.FAILED if streamed else Status.COMPLETED)


def test_a_proof_of_what_it_has_sent_takes_nothing_back(backup_id: UUID) -> None:
    with transaction() as session:
        run = asked(session, backup_id)
        add_archive(session, run)
        brought_back(session)
    lifecycle.settle(run, Report(over=True), NOW)
    with transaction() as session:
        proof = session.scalars(select(Run).where(Run.kind == RunKind.VERIFY)).one()
    lifecycle.fail(proof.id, UploadIncomplete("It is not open any more."))
    assert RunKind.ABANDON not in dict(all_runs())


def restorable(session: Session, backup_id: UUID) -> None:
    backup = session.get_one(Backup, backup_id)
    backup.paths = ["/srv/shop"]
    session.get_one(Server, backup.server_id).privilege = Privilege.FULL


def restore_there() -> Restore:
    with reading() as session:
        return session.scalars(select(Restore)).one()


@pytest.mark.parametrize("undoing", [False, True])
def test_a_restore_that_is_not_found_is_not_put_back(backup_id: UUID, undoing: bool) -> None:
    with transaction() as session:
        restorable(session, backup_id)
        restore, run = begun(session, backup_id)
        run.move(session, Status.RUNNING, sent_at=clock.now())
        if undoing:
            run.move(session, Status.FAILED)
            [run] = restore_steps.failed(session, run, RunLost("Rebooted."))
            run.move(session, Status.RUNNING, sent_at=clock.now())
        brought_back(session)
    before = all_runs()
    lifecycle.settle(run, GONE, NOW)
    assert len(all_runs()) == len(before)
    restore = restore_there()
    assert (restore.status, restore.error_code) == (RestoreStatus.FAILED, "RUN_LOST")
    assert "Whether it was done is not known" in (restore.error_detail or "")


def test_no_restore_begins_because_its_safe_mode_backup_is_made(backup_id: UUID) -> None:
    with transaction() as session:
        restorable(session, backup_id)
        restore = planned(session, backup_id)
        [run] = restore_steps.start(session, restore, "shop", somebody(session))
    lifecycle.settle(made_by_old_panel(run.id), Report(over=True, result=RESULT), NOW)
    assert RunKind.RESTORE not in dict(all_runs())
    restore = restore_there()
    assert (restore.status, restore.error_code) == (RestoreStatus.FAILED, "NOT_TAKEN_OVER")


def test_what_had_not_begun_is_dropped(make_run: UUID) -> None:
    with transaction() as session:
        brought_back(session)
    jobs.start(str(make_run))
    run = lifecycle.current(make_run)
    assert (run.status, run.error_code) == (Status.FAILED, "NOT_TAKEN_OVER")
    assert all_runs() == [(RunKind.MAKE, Status.FAILED)]


def due(session: Session, server: Server) -> Schedule:
    schedule = add_schedule(session, server, add_site(session, server), "0 3 * * *")
    schedule.next_run_at = clock.now() - timedelta(minutes=5)
    return schedule


def slots_made() -> int:
    with reading() as session:
        return len(session.scalars(select(Slot)).all())


def test_at_rest_a_tick_does_nothing_and_then_it_does(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session)
        due(session, server)
        server.next_check_at = clock.now()
        making = add_run(session, server)
        back = add_import(session)
    for _ in range(2):
        tick()
        jobs.start(str(making.id))
    assert (slots_made(), all_runs()) == (0, [(RunKind.MAKE, Status.PENDING)])
    with transaction() as session:
        session.get_one(type(back), back.id).begun_at = clock.now()
    tick()
    assert slots_made() == 1
    assert RunKind.CHECK in dict(all_runs())


def test_within_a_day_after_it_nothing_expires(
    core: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for: list[Any] = []
    for what in ("ask_for_removals", "ask_for_expiry", "ask_to_forget"):
        monkeypatch.setattr(f"cloudpilot.scheduling.tick.{what}", lambda: asked_for.append(1))
    with transaction() as session:
        back = add_import(session, begun_at=clock.now())
    tick()
    assert asked_for == []
    with transaction() as session:
        session.get_one(type(back), back.id).begun_at = clock.now() - timedelta(hours=25)
    tick()
    assert asked_for == [1, 1, 1]
