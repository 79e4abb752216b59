"""What must be true after each kill: nothing is left over, and nothing has happened twice."""

import os
from collections import Counter
from pathlib import Path

from sqlalchemy import select

from cloudpilot.clouds.naming import name_of
from cloudpilot.db import reading
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.restores import Restore
from cloudpilot.domain.status import Status, StatusEvent
from cloudpilot.kinds import BackupType
from tests.chaos.lane import Lane
from tests.chaos.tasks import Doing
from tests.support import uploading


def left_over(doing: Doing) -> list[str]:
    """What is there that nothing needs: on the server, in the vault, in the panel."""
    lane = doing.lane
    world = lane.world
    with reading() as session:
        copies = select(Copy).where(Copy.status == CopyStatus.STORED)
        stored = list(session.scalars(copies))
        kept = {str(copy.backup_id) for copy in stored if copy.server_id}
        kept |= {str(row) for row in session.scalars(_kept_restores())}
        of_vault = [copy.id for copy in stored if copy.vault_id]
        known = select(VaultObject.key).where(VaultObject.copy_id.in_(of_vault))
        keys = set(session.scalars(known))
    there = {name for name in world.left_over() if _is_kept(name)}
    faults = [f"on the server: {name}" for name in sorted(there ^ kept)]
    faults += [f"in the vault: {key}" for key in sorted(_keys(lane) ^ keys)]
    faults += [f"open at the vault: {key}" for key in lane.store.open()]
    faults += [f"at work: {line}" for line in world.working()]
    faults += [f"unfinished: {path}" for path in _unfinished(world.root)]
    faults += [f"temporary: {path.name}" for path in lane.temporary.iterdir()]
    faults += [f"in memory: {path}" for path in _in_memory()]
    faults += [f"a signed address: {path}" for path in _signed(world.root)]
    snapshots = [one.values["name"] for one in lane.fake.snapshots.values()]
    faults += [f"at the cloud: {name}" for name in snapshots if not _is_known(name)]
    return faults


def _is_kept(name: str) -> bool:
    return not name.startswith(".") and name != "state"  # of tar, for increments


def _kept_restores() -> object:
    return select(Restore.id).where(Restore.kept_until.is_not(None))


def _keys(lane: Lane) -> set[str]:
    listed = lane.store.s3.list_objects_v2(Bucket=lane.store.bucket).get("Contents", [])
    return {one["Key"].removeprefix(f"{uploading.PREFIX}/") for one in listed}


def _unfinished(root: Path) -> list[Path]:
    """Drafts, and the folders in which runs work: at the end of each it has gone."""
    names = ("work", "reserve")
    found = root.rglob("*") if root.exists() else ()
    return [path for path in found if path.name in names or ".new" in path.name]


def _signed(root: Path) -> list[Path]:
    """Files at the server with a signature in them."""
    small = (path for path in root.rglob("*") if path.is_file() and path.stat().st_size < 2**20)
    return [path for path in small if b"X-Amz-Signature" in path.read_bytes()]


def _in_memory() -> list[Path]:
    """What processes that are dead have left of a login."""
    found = Path("/dev/shm").glob(f"cloudpilot-{os.geteuid()}.*")
    return [path for path in found if not Path("/proc", path.name.split(".")[1]).exists()]


def _is_known(name: str) -> bool:
    with reading() as session:
        made = select(Backup.id).where(
            Backup.deleted_at.is_(None), Backup.status == Status.COMPLETED
        )
        return name in {name_of(str(backup_id)) for backup_id in session.scalars(made)}


def twice(doing: Doing) -> list[str]:
    """What was done more than once: a step of the backup, or the packing of it."""
    with reading() as session:
        rows = select(StatusEvent.new).where(StatusEvent.subject_id == doing.backup_id)
        steps = list(session.scalars(rows.order_by(StatusEvent.id)))
        backup = session.get(Backup, doing.backup_id) if doing.backup_id else None
    faults = [] if len(set(steps)) == len(steps) else [f"it was {', '.join(steps)}"]
    packed = doing.lane.journal.read_text().split() if doing.lane.journal.exists() else []
    faults += [
        f"{run} has packed more than once" for run, count in Counter(packed).items() if count > 1
    ]
    made = backup if backup and backup.status is Status.COMPLETED else None
    if made and made.type is not BackupType.SNAPSHOT and str(made.id) not in str(packed):
        faults.append("who packs is not noted")  # else nothing could be found here
    return faults
