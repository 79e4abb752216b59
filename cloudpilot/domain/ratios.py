"""How much smaller an archive is expected to be than what it holds."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot.domain.backups import Backup
from cloudpilot.domain.status import Status


def expected_ratio(session: Session, backup: Backup) -> int:
    """What share of the tar, in percent, the archive will take: as the last one did, and 20 % more.

    100 where there is no last one to learn from.
    """
    rows = select(Backup.size, Backup.tar_size).where(
        Backup.site_id == backup.site_id,
        Backup.server_id == backup.server_id,
        Backup.status == Status.COMPLETED,
        Backup.compression == backup.compression,
        Backup.type == backup.type,
        Backup.tar_size.is_not(None),  # a tree has none
    )
    last = session.execute(rows.order_by(Backup.created_at.desc()).limit(1)).first()
    if not last or not last.size or not last.tar_size:
        return 100
    percent: int = -(-last.size * 120 // last.tar_size)
    return min(100, percent)
