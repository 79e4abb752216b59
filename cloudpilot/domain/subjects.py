"""Subjects: backups that may stand in for each other, as retention sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import String, cast, select
from sqlalchemy.orm import Session, load_only

from cloudpilot import clock
from cloudpilot.domain import goodness, restorable
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.restorable import SERVER, Item, Outcome
from cloudpilot.domain.status import Status
from cloudpilot.errors import RunStopped
from cloudpilot.kinds import BackupType

LOOKED_AT = 50  # earlier backups, for what size is usual
OUTCOMES = {Status.COMPLETED: Outcome.COMPLETED, Status.FAILED: Outcome.FAILED}
_READ = (
    Backup.id,
    Backup.created_at,
    Backup.expires_at,
    Backup.schedule_id,
    Backup.server_id,
    Backup.site_id,
    Backup.server_name,
    Backup.site_name,
    Backup.status,
    Backup.error_code,
    Backup.size,
    Backup.usual_size,
    Backup.chain_id,
    Backup.level,
    Backup.pinned_at,
    Backup.warning_count,
    Backup.counts,
    Backup.vault_id,
    Backup.judge_at,
    Backup.kept_because,
    Backup.delete_requested_at,
    Backup.deleted_at,
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What backups are of: one type of a site, or of the same paths of a server.

    paths  as the column has them; None of a site
    """

    server_id: UUID
    site_id: UUID | None
    type: BackupType
    paths: str | None = None

    def rows(self) -> Any:
        """The query of its backups, but for those that are deleted or being deleted, and those that
        were adopted: whoever writes to a vault must not have others count as old."""
        rows = select(Backup).where(
            Backup.server_id == self.server_id,
            Backup.site_id == self.site_id if self.site_id else Backup.site_id.is_(None),
            cast(Backup.type, String) == self.type.value,
            Backup.adopted_at.is_(None),
            Backup.deleted_at.is_(None),
            Backup.delete_requested_at.is_(None),
        )
        if self.paths is not None:
            rows = rows.where(cast(Backup.paths, String) == self.paths)
        return rows.options(load_only(*_READ))


def due(session: Session, limit: int) -> list[Subject]:
    """Those of which a backup is to be judged now, the longest overdue first."""
    paths = cast(Backup.paths, String)
    rows = (
        select(Backup.server_id, Backup.site_id, Backup.type, paths)
        .where(
            Backup.judge_at <= clock.now(),
            Backup.adopted_at.is_(None),
            Backup.deleted_at.is_(None),
            Backup.delete_requested_at.is_(None),
        )
        .order_by(Backup.judge_at)
        .limit(limit)
    )
    found = (
        Subject(server_id, site_id, kind, None if site_id else own)
        for server_id, site_id, kind, own in session.execute(rows)
    )
    return list(dict.fromkeys(found))


def of_site(session: Session, site_id: UUID) -> list[Subject]:
    """The types of which a site has backups."""
    rows = select(Backup.server_id, Backup.type).where(
        Backup.site_id == site_id, Backup.deleted_at.is_(None)
    )
    return [
        Subject(server_id, site_id, kind) for server_id, kind in session.execute(rows.distinct())
    ]


def backups(session: Session, subject: Subject) -> Sequence[Backup]:
    """All of its backups that are left; of their columns, those that retention asks for."""
    found: Sequence[Backup] = session.scalars(subject.rows()).all()
    return found


def usual_size(session: Session, backup: Backup) -> int | None:
    """Bytes that are usual of a full backup of the same, as far as the last ones say."""
    paths = select(cast(Backup.paths, String)).where(Backup.id == backup.id)
    own = None if backup.site_id else session.scalar(paths)
    rows = Subject(backup.server_id, backup.site_id, backup.type, own).rows()
    rows = rows.where(Backup.id != backup.id, Backup.status == Status.COMPLETED, Backup.level == 0)
    rows = rows.where(Backup.method == backup.method)  # an archive is smaller than what is in it
    before = session.scalars(rows.order_by(Backup.created_at.desc()).limit(LOOKED_AT))
    return restorable.usual([item_of(one) for one in before])


def item_of(backup: Backup) -> Item:
    """A row as retention sees it."""
    stored = [copy for copy in backup.copies if copy.status is CopyStatus.STORED]
    wanted = backup.vault_id
    return Item(
        id=backup.id,
        created_at=backup.created_at,
        expires_at=backup.expires_at,
        outcome=OUTCOMES.get(backup.status, Outcome.ACTIVE),
        schedule_id=backup.schedule_id,
        places=frozenset(str(copy.vault_id or copy.cloud_id or SERVER) for copy in stored),
        size=backup.size,
        usual=backup.usual_size,
        chain=backup.chain_id,
        level=backup.level,
        stopped=backup.error_code == RunStopped.code,
        pinned=backup.pinned_at is not None,
        seriously_warned=goodness.is_serious(backup),
        required_offsite_missing=wanted is not None
        and all(copy.vault_id != wanted for copy in stored),
    )
