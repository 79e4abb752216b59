"""From where a backup can be restored, and what that takes."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot.domain import backups, chains
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.restores import Restore, RestoreStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import ACTIVE
from cloudpilot.errors import InvalidState
from cloudpilot.excludes import distinct
from cloudpilot.kinds import RunKind


def places(session: Session, backup: Backup) -> list[UUID | None]:
    """From where it, and all that it continues, can be read: vaults, and None for its server. A
    snapshot is read by nobody but its cloud."""
    if backup.is_snapshot:
        return []
    line = chains.needed(session, backup)
    whole = len(line) == backup.level + 1
    stored = [
        {copy.vault_id for copy in one.copies if copy.status is CopyStatus.STORED} for one in line
    ]
    there = set.intersection(*stored) if whole else set()
    server = session.get_one(Server, backup.server_id)
    if server.removed_at:
        there.discard(None)
    return sorted(there, key=lambda vault_id: (vault_id is not None, str(vault_id)))


def archives(session: Session, restore: Restore) -> list[tuple[Backup, Copy]]:
    """What it is read from, the full backup first; raises InvalidState if a part is not there."""
    backup = backups.find(session, restore.backup_id)
    line = chains.needed(session, backup)
    if restore.vault_id not in places(session, backup):
        raise InvalidState("A part of this backup is not where it was to be read from any more.")
    return [
        (one, next(copy for copy in one.copies if _is_read(copy, restore.vault_id))) for one in line
    ]


def _is_read(copy: Copy, vault_id: UUID | None) -> bool:
    return copy.vault_id == vault_id and copy.status is CopyStatus.STORED


def is_foreign(session: Session, backup: Backup, server: Server) -> bool:
    """Whether what it holds brings no rights to that server: it was made on another one, or it, or
    what it continues, may be anybody's."""
    return backup.server_id != server.id or is_unverified(session, backup)


def is_unverified(session: Session, backup: Backup) -> bool:
    """Whether it, or what it continues, was adopted without a signature."""
    return any(one.is_unverified for one in chains.needed(session, backup))


def needed(session: Session, backup: Backup) -> int:
    """Bytes that it takes unpacked, all levels that are unpacked one after the other included."""
    return sum(one.tar_size or one.size or 0 for one in chains.needed(session, backup))


def names(session: Session, backup: Backup) -> int:
    """How many names are there at most while it is unpacked. Each increment names all folders
    again, whatever has changed: of these the most of one level."""
    counts = [one.counts for one in chains.needed(session, backup)]
    folders = [int(one.get("directories", 0)) for one in counts]
    others = sum(int(one.get("entries", 0)) for one in counts) - sum(folders)
    return others + max(folders)


def is_part(backup: Backup, paths: Sequence[str]) -> bool:
    """Whether these paths are less than it holds: then what they take is not known here."""
    if not paths:
        return False
    return backup.type.has_databases or set(distinct(paths)) != set(distinct(backup.paths))


def uses(session: Session, backup: Backup) -> bool:
    """Whether a restore reads it just now, or something is being made of it."""
    creating = (Run.backup_id == backup.id, Run.kind == RunKind.CREATE, Run.status.in_(ACTIVE))
    if session.scalar(select(Run.id).where(*creating).limit(1)):
        return True
    rows = select(Restore.backup_id).where(Restore.status == RestoreStatus.RUNNING)
    read = (backups.find(session, one) for one in session.scalars(rows))
    return any(backup.id in {one.id for one in chains.needed(session, each)} for each in read)
