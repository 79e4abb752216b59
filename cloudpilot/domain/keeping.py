"""What is kept at each vault and in each cloud, and what was done there last.

`where` is the column that names one: Copy.vault_id or Copy.cloud_id, or the same of Run.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.runs import Run

COPIES_SHOWN = 5
RUNS_SHOWN = 5
Where = InstrumentedAttribute[UUID | None]


@dataclass(frozen=True, slots=True)
class Kept:
    """How many backups are stored there, and their bytes."""

    backups: int = 0
    size: int = 0


def kept(session: Session, where: Where) -> dict[UUID, Kept]:
    """By vault or cloud; those in which nothing is stored are not in it."""
    rows = (
        select(where, func.count(), func.coalesce(func.sum(Copy.size), 0))
        .where(Copy.status == CopyStatus.STORED, where.is_not(None))
        .group_by(where)
    )
    found = session.execute(rows)
    return {its_id: Kept(count, int(size or 0)) for its_id, count, size in found if its_id}


def copies(session: Session, where: Where, its_id: UUID) -> list[tuple[Copy, Backup]]:
    """The last backups that came there or were to, the newest first."""
    rows = (
        select(Copy, Backup)
        .join(Backup, Backup.id == Copy.backup_id)
        .where(where == its_id, Copy.status != CopyStatus.GONE)
        .order_by(Backup.created_at.desc(), Copy.id)
    )
    return [(copy, backup) for copy, backup in session.execute(rows.limit(COPIES_SHOWN))]


def runs(session: Session, where: Where, its_id: UUID) -> list[Run]:
    """The last pieces of work there, the newest first."""
    rows = select(Run).where(where == its_id)
    return list(session.scalars(rows.order_by(Run.created_at.desc(), Run.id).limit(RUNS_SHOWN)))
