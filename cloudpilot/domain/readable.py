"""What a server can still send: backups whose archive or tree is there and not about to go."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import ACTIVE, Status
from cloudpilot.errors import InvalidState, NotCompleted, SnapshotNotDownloadable
from cloudpilot.kinds import RunKind


def refuse_others(session: Session, backup: Backup) -> None:
    """Raises NotCompleted, SnapshotNotDownloadable, or InvalidState if no server can send its
    archive any more."""
    refuse_snapshot(backup)
    if backup.status is not Status.COMPLETED:
        raise NotCompleted("Only a completed backup can be uploaded.")
    local, server = backup.server_copy, session.get_one(Server, backup.server_id)
    if server.removed_at:
        raise InvalidState(f"CloudPilot cannot reach {server.name} any more.")
    there = local is not None and local.status is CopyStatus.STORED
    if not there or _is_being_removed(session, backup):
        raise InvalidState("It is not on the server any more, or about to go: it cannot be sent.")


def refuse_snapshot(backup: Backup) -> None:
    """Raises SnapshotNotDownloadable for what its cloud gives to nobody as a file."""
    if backup.is_snapshot:
        raise SnapshotNotDownloadable("A snapshot stays at its cloud: there is no file of it.")


def _is_being_removed(session: Session, backup: Backup) -> bool:
    """Whether what the server has of it goes at this moment."""
    rows = select(Run.id).where(
        Run.backup_id == backup.id,
        Run.kind == RunKind.DELETE,
        Run.vault_id.is_(None),
        Run.status.in_(ACTIVE),
    )
    return session.scalar(rows.limit(1)) is not None
