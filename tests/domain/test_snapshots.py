"""Snapshots as rows: asked for, scheduled, kept and expired as every other backup."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import (
    failures,
    removals,
    requests,
    restore_plans,
    restore_sources,
    runs,
    scheduled,
    snapshots,
    starting,
    subjects,
    wellness,
)
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.destinations import Destination
from cloudpilot.domain.requests import Wish
from cloudpilot.domain.runs import Run
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.slots import Slot, SlotStatus
from cloudpilot.domain.status import Status
from cloudpilot.errors import (
    BackupInProgress,
    CloudUnreachable,
    InvalidConfig,
    InvalidState,
    NotCompleted,
    SnapshotFailed,
    SnapshotNotDownloadable,
    SnapshotRestore,
)
from cloudpilot.kinds import BackupType, Compression, Place, RunKind
from cloudpilot.scheduling import tick
from tests.support import clouding
from tests.support.rows import add_person, add_run, add_server, add_site
from tests.support.schedules import add_schedule
from tests.support.time import Moment
from tests.support.vaulting import add_vault

DAY = timedelta(days=1)
PARTS = [{"id": "snap-1", "disk": "/dev/sda", "size": 100}]


@pytest.fixture
def server_id(core: Flask, moment: Moment) -> UUID:
    """A machine of a cloud, at the real instant."""
    moment.at = datetime.now(UTC)
    with transaction() as session:
        server = add_server(session)
        clouding.linked(session, server)
        return server.id


def asked(server_id: UUID) -> UUID:
    with transaction() as session:
        return clouding.ask(session, session.get_one(Server, server_id))


def finish(backup_id: UUID, error: SnapshotFailed | None = None, *, leave: bool = False) -> None:
    """The run that makes it is over."""
    with transaction() as session:
        run = session.scalars(
            select(Run).where(Run.backup_id == backup_id, Run.kind == RunKind.SNAPSHOT)
        ).one()
        backup = session.get_one(Backup, backup_id)
        if not backup.status.is_final:
            run.move(session, Status.RUNNING)
            backup.move(session, Status.RUNNING)
        if error is None:
            snapshots.is_begun(session, run, f"ref {backup_id}")
            snapshots.describe(session, run, snapshots.Found(100, PARTS, "About $1."))
        snapshots.ended(session, run, error, leave=leave)
        run.move(session, Status.FAILED if error else Status.COMPLETED)


def backup_of(backup_id: UUID) -> Backup:
    with reading() as session:
        return session.get_one(Backup, backup_id, populate_existing=True)


def wish(server: Server, **what: object) -> Wish:
    values: dict[str, object] = {
        "site": None, "paths": [], "excludes": [], "compression": Compression.GZIP,
        "type": BackupType.SNAPSHOT,
    } | what  # fmt: skip
    return Wish(server, **values)  # type: ignore[arg-type]


def test_what_it_cannot_be_is_refused(server_id: UUID) -> None:
    with transaction() as session:
        server = session.get_one(Server, server_id)
        site, vault = add_site(session, server), add_vault(session)
        with pytest.raises(InvalidConfig, match="whole server"):
            requests.backup_now(session, wish(server, site=site), None)
        there = Destination(vault)
        with pytest.raises(SnapshotNotDownloadable):
            requests.backup_now(session, wish(server, destination=there), None)
        with pytest.raises(InvalidConfig, match="which machine"):
            requests.backup_now(session, wish(add_server(session, "other")), None)
        clouding.ask(session, server)
        with pytest.raises(BackupInProgress):
            clouding.ask(session, server)


def test_a_whole_one_is_stored_at_its_cloud_and_nowhere_else(server_id: UUID) -> None:
    backup_id = asked(server_id)
    finish(backup_id)
    backup = backup_of(backup_id)
    [copy] = backup.copies
    assert (copy.place, copy.status, copy.size) == (Place.CLOUD, CopyStatus.STORED, 100)
    assert (backup.counts, backup.tools["price"]) == ({"disks": 1}, "About $1.")
    assert (backup.archive.startswith("snapshot-"), "." in backup.archive) == (True, False)
    with reading() as session:
        assert restore_sources.places(session, backup) == []
        assert snapshots.cloud_of(backup) == copy.cloud_id
        with pytest.raises(SnapshotRestore):
            restore_plans.refuse_snapshot(backup)
        assert [item.places for item in map(subjects.item_of, [backup])] == [{str(copy.cloud_id)}]


def test_an_end_that_is_told_twice_changes_nothing(server_id: UUID) -> None:
    backup_id = asked(server_id)
    finish(backup_id)
    with transaction() as session:
        run = session.scalars(select(Run)).one()
        assert snapshots.ended(session, run, SnapshotFailed("Late."), leave=False) == []
    assert backup_of(backup_id).status is Status.COMPLETED


@pytest.mark.parametrize("leave", [True, False])
def test_a_failed_one_is_removed_unless_nobody_knows_what_it_is(
    server_id: UUID, leave: bool
) -> None:
    backup_id = asked(server_id)
    with transaction() as session:
        session.scalars(select(Run)).one().sent_at = datetime.now(UTC)
    finish(backup_id, SnapshotFailed("No."), leave=leave)
    with reading() as session:
        removing = session.scalars(select(Run).where(Run.kind == RunKind.DELETE)).all()
    assert [run.cloud_id is not None for run in removing] == ([] if leave else [True])
    assert backup_of(backup_id).error_code == SnapshotFailed.code


def test_a_failure_is_told_until_another_snapshot_is_whole(server_id: UUID, moment: Moment) -> None:
    """A backup of the server's databases has no paths either, and makes nothing good."""
    failed = asked(server_id)
    finish(failed, SnapshotFailed("No."), leave=True)
    moment.pass_by(minutes=1)
    with transaction() as session:
        server = session.get_one(Server, server_id)
        dumped = requests.new_backup(wish(server, type=BackupType.DATABASE), None)
        dumped.status = Status.COMPLETED
        session.add(dumped)
    with reading() as session:
        assert [one.id for one in failures.not_made_good(session, 10)] == [failed]
        assert not wellness.is_well(session)
    finish(asked(server_id))
    with reading() as session:
        assert failures.not_made_good(session, 10) == []


def test_what_somebody_has_stopped_is_not_ordered(server_id: UUID) -> None:
    asked(server_id)
    with transaction() as session:
        run = session.scalars(select(Run)).one()
        runs.request_stop(session, run)
        assert not snapshots.is_ordered(session, run, "a ref")
        assert run.options == {}


def test_a_snapshot_that_waits_for_its_cloud_keeps_its_server(server_id: UUID) -> None:
    asked(server_id)
    with transaction() as session:
        server = session.get_one(Server, server_id)
        run = removals.keeps_server(session, server)
        assert run
        runs.put_off(session, run, CloudUnreachable("Away."), next_look_at=datetime.now(UTC))
        assert removals.pending(run) == "A snapshot of web-1 is waiting for the cloud."


def test_what_is_no_snapshot_is_said(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session)
        run = add_run(session, server, add_site(session, server))
        backup = session.get_one(Backup, run.backup_id)
        with pytest.raises(InvalidState, match="no snapshot"):
            snapshots.copy_of(backup)
        with pytest.raises(InvalidState, match="no backup"):
            snapshots.of_run(session, Run(kind=RunKind.CHECK, subject=""))
        lost = Backup(id=uuid4(), copies=[Copy(place=Place.CLOUD, name="")])
        with pytest.raises(InvalidState, match="no cloud"):
            snapshots.cloud_of(lost)


def test_of_a_whole_one_something_new_is_made_once_at_a_time(server_id: UUID) -> None:
    backup_id = asked(server_id)
    with transaction() as session:
        by = add_person(session)
        backup = session.get_one(Backup, backup_id)
        with pytest.raises(NotCompleted):
            snapshots.create(session, backup, "snap-1", "new", by)
    finish(backup_id)
    with transaction() as session:
        backup = session.get_one(Backup, backup_id)
        with pytest.raises(InvalidState, match="no such part"):
            snapshots.create(session, backup, "snap-2", "new", by)
        run = snapshots.create(session, backup, "snap-1", f" {'n' * 100} ", by)
        assert run.options == {"part": "snap-1", "name": "n" * snapshots.NAME_LENGTH}
        with pytest.raises(BackupInProgress):
            snapshots.create(session, backup, "snap-1", "new", by)
        assert snapshots.created(session, backup) == [run]


def test_those_that_no_list_has_are_looked_for(server_id: UUID) -> None:
    whole, making = asked(server_id), uuid4()
    finish(whole)
    making = asked(server_id)
    with reading() as session:
        server = session.get_one(Server, server_id)
        cloud = clouding.Cloud(id=server.cloud_id)
        known = snapshots.known(session, cloud)
    assert set(known) == {whole, making}
    assert [copy.backup_id for copy in snapshots.unlisted(known, {})] == [whole]
    assert [copy.backup_id for copy in snapshots.unlisted(known, {str(whole): set()})] == [whole]
    assert snapshots.unlisted(known, {str(whole): {"snap-1", "another"}}) == []


def test_a_schedule_makes_them_and_the_server_goes_on_with_its_own(
    server_id: UUID, moment: Moment
) -> None:
    """Its cloud makes it, so it takes no place among those that a server makes at once."""
    with transaction() as session:
        server = session.get_one(Server, server_id)
        server.backups_at_once = 1
        kinds = (BackupType.SNAPSHOT, BackupType.FILES, BackupType.SNAPSHOT)
        for kind in kinds:
            paths = ["/etc"] if kind is BackupType.FILES else []
            add_schedule(session, server, None, "* * * * *", type=kind, paths=paths)
    moment.pass_by(minutes=1)
    tick.ask_for_backups()
    with reading() as session:
        made = sorted(run.kind for run in session.scalars(select(Run)) if run.backup_id)
        waiting = session.scalars(select(Slot).where(Slot.status == SlotStatus.WAITING)).all()
    assert made == [RunKind.MAKE, RunKind.SNAPSHOT]
    assert [slot.why for slot in waiting] == ["Another backup of web-1 has not ended."]
    with reading() as session:
        assert starting.is_anything_due(session) is False


def test_a_schedule_whose_server_is_no_machine_any_more_fails_with_its_reason(
    server_id: UUID, moment: Moment
) -> None:
    with transaction() as session:
        server = session.get_one(Server, server_id)
        add_schedule(session, server, None, "* * * * *", type=BackupType.SNAPSHOT, paths=[])
        server.cloud_id = None
    moment.pass_by(minutes=1)
    tick.ask_for_backups()
    with reading() as session:
        slot = session.scalars(select(Slot)).one()
        schedule = session.scalars(select(Schedule)).one()
        assert scheduled.title(session, schedule) == "The machine web-1"
    assert (slot.status, slot.error_code) == (SlotStatus.FAILED, InvalidConfig.code)
    assert schedule.type is BackupType.SNAPSHOT


def test_it_expires_and_the_newest_good_one_stays(server_id: UUID, moment: Moment) -> None:
    first = asked(server_id)
    finish(first)
    moment.pass_by(minutes=1)
    second = asked(server_id)
    finish(second)
    moment.pass_by(days=31)
    for _ in range(2):
        tick.ask_for_expiry()
    assert backup_of(first).delete_requested_at
    kept = backup_of(second)
    assert kept.delete_requested_at is None
    assert "at aws" in kept.kept_because
    with reading() as session:
        [run] = session.scalars(select(Run).where(Run.kind == RunKind.DELETE)).all()
    assert (run.backup_id, run.cloud_id is None) == (first, False)
