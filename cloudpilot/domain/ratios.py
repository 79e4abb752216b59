"""How large an archive is expected to become, from what the last one of the same became."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot.domain.backups import Backup
from cloudpilot.domain.status import Status

MARGIN = 110  # percent of the last one: sites change from day to day
RATIO_AT_MOST = 1000  # percent: a dump may be longer than what the database takes


@dataclass(frozen=True, slots=True)
class Ratio:
    """What share of what is measured, in percent, the archive will take.

    known  whether an earlier backup tells; else it is what is safe, all of it
    """

    percent: int = 100
    known: bool = False


def expected(session: Session, backup: Backup, *, full: bool = True) -> Ratio:
    """As small as the last one of the same kind became, and a margin more.

    full  whether it will hold all, not only what has changed: an increment may be packed much
          better or worse than all of a site
    """
    rows = select(Backup.size, Backup.tar_size, Backup.counts).where(
        Backup.site_id == backup.site_id,
        Backup.server_id == backup.server_id,
        Backup.status == Status.COMPLETED,
        Backup.adopted_at.is_(None),  # its sizes are told by whoever writes to the vault
        Backup.compression == backup.compression,
        Backup.type == backup.type,
        Backup.tar_size.is_not(None),  # a tree has none
        Backup.level == 0 if full else Backup.level >= 0,
    )
    last = session.execute(rows.order_by(Backup.created_at.desc()).limit(1)).first()
    # What was measured before and what came of it: dumps are not as long as their databases.
    measured = last and (last.counts.get("measured") or last.tar_size)
    if not last or not last.size or not measured:
        return Ratio()
    percent = -(-last.size * MARGIN // measured)
    most = RATIO_AT_MOST if backup.type.has_databases else 100
    return Ratio(min(most, percent), known=True)
