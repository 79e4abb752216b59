"""What a lane does while something is killed: how it is begun, when it is over, what is then true.

Whatever was begun has ended when no run is active any more. It is *well* if it is what was asked
for; killed at the server it may have failed instead, with that as its reason and nothing left.
"""

import hashlib
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.clouds.naming import name_of
from cloudpilot.db import reading, transaction
from cloudpilot.domain import deletions, restore_kept, restore_plans, schedules, slots, starting
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus, Offsite
from cloudpilot.domain.people import Person
from cloudpilot.domain.restore_plans import Asked
from cloudpilot.domain.restores import Restore, RestoreStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import ACTIVE, Status
from cloudpilot.jobs import queue
from cloudpilot.kinds import BackupType
from tests.chaos.cells import Task
from tests.chaos.lane import Lane
from tests.support import clouding, uploading
from tests.support.restores import begin as begin_restore
from tests.support.rows import add_run
from tests.support.schedules import add_schedule
from tests.support.tree import Entry, entries
from tests.support.until import until

KILLED_THERE = {"RUN_LOST", "RUN_KILLED"}  # how a run may fail whose processes were killed
CHAIN = Path(__file__).parents[2] / "docs/increments.md"
SNAPSHOT_SECONDS = 1
SECONDS = 120  # within which everything has to end


@dataclass
class Doing:
    """One task at work.

    failed  what it failed with, if it may and did
    """

    lane: Lane
    backup_id: UUID | None = None
    restore_id: UUID | None = None
    schedule_id: UUID | None = None
    before: dict[bytes, Entry] = field(default_factory=dict)
    wanted: dict[bytes, Entry] = field(default_factory=dict)
    failed: str | None = None
    began: float = 0  # by time.monotonic

    def is_over(self) -> bool:
        """Whether nothing is under way any more."""
        return bool(self.lane.ask(lambda: not active(), otherwise=False))

    def details(self) -> str:
        """What is under way, when it is due, and what waits in the queues."""
        runs = "; ".join(
            f"{run.kind}:{run.status}:{run.stage} due in"
            f" {(run.next_look_at - clock.now()).total_seconds():.0f} s,"
            f" {run.attempts} attempts, {run.error_code}"
            for run in active()
        )
        names = (queue.WORK, queue.PLANNED, queue.PATIENT, queue.LOOKS, queue.TICKS)
        waiting = {name: queue.JsonQueue(name, connection=queue.redis()).count for name in names}
        return f"{runs}; queues {waiting}"

    def backup(self) -> Backup:
        assert self.backup_id
        return uploading.found(self.backup_id)

    def stage(self) -> str:
        """Where it is: the kind, status and stage of what is active."""
        return str(self.lane.ask(_stage, otherwise="?"))


def active() -> Sequence[Run]:
    """Runs that have not ended."""
    with reading() as session:
        return list(session.scalars(select(Run).where(Run.status.in_(ACTIVE)).order_by(Run.id)))


def _stage() -> str:
    return ", ".join(
        f"{run.kind}:{run.status}{f':{run.stage}' if run.stage else ''}" for run in active()
    )


def settled(doing: Doing) -> None:
    """Wait until nothing is under way; nobody disturbs it."""
    until(lambda: (doing.is_over(), doing.stage()), lambda found: found[0], seconds=SECONDS)


# Backups


def nothing(_doing: Doing) -> None:
    """Needs nothing."""


def back_up(doing: Doing, *, to_vault: bool = False) -> None:
    world = doing.lane.world
    with transaction() as session:
        server = session.get_one(Server, world.server_id)
        site = session.get_one(Site, world.site_id)
        run = add_run(session, server, site, BackupType.FULL)
        doing.backup_id = run.backup_id
        if to_vault:
            session.get_one(Backup, run.backup_id).vault_id = doing.lane.vault_id
        queue.ring(session, run)


def back_up_to_vault(doing: Doing) -> None:
    back_up(doing, to_vault=True)


def backup_faults(doing: Doing) -> list[str]:
    backup = doing.backup()
    if backup.status is Status.FAILED:
        doing.failed = backup.error_code
        gone = [copy for copy in backup.copies if copy.status is not CopyStatus.GONE]
        return [f"it has failed, and has {copy.status} copies" for copy in gone]
    if backup.status is not Status.COMPLETED:
        return [f"the backup is {backup.status}"]
    assert backup.server_copy
    archive = Path(backup.server_copy.path)
    if not archive.is_file():
        return [f"{archive} is not there"]
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if (found, archive.stat().st_size) != (backup.sha256, backup.size):
        return ["the archive is not what its row says"]
    return []


def upload_faults(doing: Doing) -> list[str]:
    faults = backup_faults(doing)
    backup, store = doing.backup(), doing.lane.store
    if faults or backup.status is not Status.COMPLETED:
        return faults
    if backup.offsite_status is not Offsite.UPLOADED:
        return [f"offsite it is {backup.offsite_status}"]
    [copy] = backup.in_vaults()
    found = [key for key in store.keys(str(backup.id)) if key.endswith(copy.name)]
    if len(found) != 1:
        return [f"{len(found)} archives are in the vault"]
    digest = hashlib.sha256(store.body(found[0])).hexdigest()
    return [] if digest == backup.sha256 else ["what is in the vault is something else"]


def delete(doing: Doing) -> None:
    backup_id = doing.backup_id
    with transaction() as session:
        backup = session.get_one(Backup, backup_id)
        by = session.scalars(select(Person)).one()
        for run in deletions.delete(session, backup, by):
            queue.ring(session, run)


def tidy(doing: Doing) -> None:
    """The backup is deleted, if there is one."""
    if doing.backup_id and doing.backup().status is Status.COMPLETED:
        delete(doing)
        settled(doing)


# Deletions


def a_backup_in_a_vault(doing: Doing) -> None:
    back_up_to_vault(doing)
    settled(doing)
    assert upload_faults(doing) == []


def delete_faults(doing: Doing) -> list[str]:
    backup = doing.backup()
    if backup.deleted_at is None:
        return ["the backup is not deleted"]
    left = [copy.status for copy in backup.copies if copy.status is not CopyStatus.GONE]
    return [f"a copy is {status}" for status in left]


# Increments


def a_base(doing: Doing) -> None:
    """A schedule of increments, and a whole backup that they continue; then the site changes."""
    world = doing.lane.world
    with transaction() as session:
        site = session.get_one(Site, world.site_id)
        server = session.get_one(Server, world.server_id)
        schedule = add_schedule(session, server, site, "0 0 1 1 *", incremental=True)
        doing.schedule_id = schedule.id
    increment(doing)
    settled(doing)
    assert backup_faults(doing) == []
    (world.files / "deep/0.html").unlink(missing_ok=True)
    (world.files / "deep/new.html").write_text(f"new in {doing.backup_id}")
    doing.before = entries(world.files)


def increment(doing: Doing) -> None:
    assert doing.schedule_id
    with transaction() as session:
        schedule = schedules.locked(session, doing.schedule_id)
        run = starting.start_now(session, slots.by_hand(session, schedule), schedule, None)
        doing.backup_id = run.backup_id
        queue.ring(session, run)


def increment_faults(doing: Doing) -> list[str]:
    faults = backup_faults(doing)
    backup = doing.backup()
    if faults or backup.status is not Status.COMPLETED:
        return faults
    if backup.base_id is None:
        return ["it is no increment"]
    with TemporaryDirectory(dir=doing.lane.world.root.parent) as folder:
        command = CHAIN.read_text().split("```sh\n")[1].split("```")[0]
        for one in (uploading.found(backup.base_id), backup):
            assert one.server_copy
            line = command.replace("ARCHIVE", f"'{one.server_copy.path}'")
            subprocess.run(["bash", "-euc", line], check=True, cwd=folder, capture_output=True)
        files = doing.lane.world.files
        restored = entries(Path(folder) / "files" / files.relative_to("/"))
    return [] if restored == doing.before else ["the chain gives another tree"]


def tidy_chain(doing: Doing) -> None:
    """All of it, from its end."""
    assert doing.schedule_id
    with reading() as session:
        mine = select(Backup.id).where(
            Backup.schedule_id == doing.schedule_id,
            Backup.status == Status.COMPLETED,
            Backup.deleted_at.is_(None),
        )
        made = list(session.scalars(mine.order_by(Backup.created_at.desc())))
    for doing.backup_id in made:
        delete(doing)
        settled(doing)
    with transaction() as session:
        schedules.remove(session, schedules.locked(session, doing.schedule_id))


# Restores


def a_changed_site(doing: Doing) -> None:
    """A backup, and a site that has changed since."""
    world = doing.lane.world
    back_up(doing)
    settled(doing)
    assert backup_faults(doing) == []
    doing.wanted = entries(world.files)
    (world.files / "deep/1.html").write_text("defaced")
    (world.files / "shell.php").write_text("<?php")
    doing.before = entries(world.files)
    doing.restore_id = _planned(doing)
    settled(doing)


def _planned(doing: Doing) -> UUID:
    with transaction() as session:
        backup = session.get_one(Backup, doing.backup_id)
        by = session.scalars(select(Person)).one()
        asked = Asked(
            backup=backup,
            server=session.get_one(Server, backup.server_id),
            vault_id=None,
            paths=backup.paths,
            safe=False,
        )
        restore = restore_plans.plan(session, asked, by)
        restore_plans.look(session, restore, by)
        return restore.id


def restore(doing: Doing) -> None:
    assert doing.restore_id
    begin_restore(doing.restore_id)


def _restored(doing: Doing) -> Restore:
    with reading() as session:
        return session.get_one(Restore, doing.restore_id, populate_existing=True)


def restore_faults(doing: Doing) -> list[str]:
    row, files = _restored(doing), doing.lane.world.files
    there = entries(files)
    if row.status is RestoreStatus.COMPLETED:
        return [] if there == doing.wanted else ["it is restored, and the site is something else"]
    if row.status is RestoreStatus.FAILED:
        doing.failed = row.error_code
        faults = [] if there == doing.before else ["it has failed, and the site is not as it was"]
        beside = sorted(path.name for path in files.parent.glob(".cloudpilot-*"))
        return faults + [f"beside the site is {name}" for name in beside]
    return [f"the restore is {row.status}"]


def tidy_restore(doing: Doing) -> None:
    if _restored(doing).is_kept:
        with transaction() as session:
            row = session.get_one(Restore, doing.restore_id)
            run = restore_kept.forget(session, row, None)
            queue.ring(session, run)
        settled(doing)
    tidy(doing)


# Snapshots


def snapshot(doing: Doing) -> None:
    with transaction() as session:
        server = session.get_one(Server, doing.lane.world.server_id)
        doing.backup_id = clouding.ask(session, server)
        run = session.scalars(select(Run).where(Run.backup_id == doing.backup_id)).one()
        queue.ring(session, run)


def snapshot_faults(doing: Doing) -> list[str]:
    backup, fake = doing.backup(), doing.lane.fake
    named = [one.values["name"] for one in fake.snapshots.values()]
    made = named.count(name_of(str(backup.id)))
    if backup.status is not Status.COMPLETED:
        return [f"the snapshot is {backup.status}: {backup.error_code}"]
    return [] if made == 1 else [f"the cloud has {made} snapshots"]


def make_snapshot(doing: Doing) -> None:
    """The cloud takes its time."""
    if time.monotonic() - doing.began > SNAPSHOT_SECONDS:
        with doing.lane.fake.lock:
            doing.lane.fake.finish(name_of(str(doing.backup_id)), "completed")


@dataclass(frozen=True)
class Known:
    """One task.

    seconds  that it takes, about, when nobody disturbs it
    prepare  makes what it needs
    begin    asks for it
    faults   what is wrong at its end
    tidy     takes away what it has made
    help     is called again and again while it goes on
    """

    seconds: float
    prepare: Callable[[Doing], None]
    begin: Callable[[Doing], None]
    faults: Callable[[Doing], list[str]]
    tidy: Callable[[Doing], None]
    help: Callable[[Doing], None] = nothing


TASKS = {
    Task.BACKUP: Known(2.5, nothing, back_up, backup_faults, tidy),
    Task.UPLOAD: Known(4, nothing, back_up_to_vault, upload_faults, tidy),
    Task.INCREMENT: Known(1.5, a_base, increment, increment_faults, tidy_chain),
    Task.RESTORE: Known(1.5, a_changed_site, restore, restore_faults, tidy_restore),
    Task.SNAPSHOT: Known(3, nothing, snapshot, snapshot_faults, tidy, make_snapshot),
    Task.DELETE: Known(0.6, a_backup_in_a_vault, delete, delete_faults, nothing),
}
