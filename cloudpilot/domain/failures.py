"""Backups that failed, or did not get to their vault, and were not made good since.

What was found in a vault makes none good: who writes there must not hide a failure.
"""

from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import String, and_, bindparam, cast, or_, select
from sqlalchemy.orm import Session, aliased, raiseload

from cloudpilot import clock
from cloudpilot.db import UtcDateTime
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.goodness import has_databases, has_failed, has_files, is_snapshot, reads
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.errors import RunStopped

LATELY = timedelta(days=7)
# Made once: what SQLAlchemy finds out about their columns takes as long as the rest of a query.
_NEWER, _OTHER = aliased(Backup), aliased(Copy)
_BEGIN = bindparam("begin", type_=UtcDateTime)


def not_made_good(session: Session, limit: int) -> list[Backup]:
    """Backups that failed lately and after which nothing newer of the same has ended, the newest
    first; without their copies. Files and databases may be made good by two backups."""
    rows = _not_made_good().limit(limit)
    return list(session.scalars(rows, {"begin": clock.now() - LATELY}))


@cache
def _not_made_good() -> Any:
    """Made once: that takes longer than asking where nothing failed. Parameter: begin."""
    newer = _NEWER
    same_paths = and_(
        Backup.site_id.is_(None),
        newer.site_id.is_(None),
        newer.server_id == Backup.server_id,
        cast(newer.paths, String) == cast(Backup.paths, String),
        is_snapshot(newer) == is_snapshot(),  # both have no paths, as databases of a server
    )
    later = select(newer.id).where(
        newer.created_at > Backup.created_at,
        newer.adopted_at.is_(None),
        newer.deleted_at.is_(None),
        reads(newer.status, Status.COMPLETED) | reads(newer.status, Status.FAILED),
        newer.error_code.is_distinct_from(RunStopped.code),
    )
    of_site = later.where(newer.site_id == Backup.site_id)
    files = of_site.where(has_files(newer)).exists()
    dumps = of_site.where(has_databases(newer)).exists()
    of_same = and_(
        Backup.site_id.is_not(None), or_(~has_files(), files), or_(~has_databases(), dumps)
    )
    superseded = or_(of_same, later.where(same_paths).exists())
    rows = select(Backup).options(raiseload(Backup.copies))
    rows = rows.outerjoin(Site, Site.id == Backup.site_id).join(
        Server, Server.id == Backup.server_id
    )
    rows = rows.where(
        *has_failed(),
        Backup.created_at >= _BEGIN,
        Backup.deleted_at.is_(None),
        Site.removed_at.is_(None),
        Server.removed_at.is_(None),
        ~superseded,
    )
    return rows.order_by(Backup.created_at.desc())


def not_offsite(session: Session, limit: int) -> list[Backup]:
    """Backups that failed lately to get to a vault, without a newer one of the same that has got
    there, the newest first."""
    rows = _not_offsite().limit(limit)
    return list(dict.fromkeys(session.scalars(rows, {"begin": clock.now() - LATELY})))


@cache
def _not_offsite() -> Any:
    newer, other = _NEWER, _OTHER
    same = or_(
        newer.site_id == Backup.site_id,
        and_(
            newer.site_id.is_(None),
            newer.server_id == Backup.server_id,
            cast(newer.paths, String) == cast(Backup.paths, String),
        ),
    )
    arrived = (
        select(newer.id)
        .join(other, other.backup_id == newer.id)
        .where(
            same,
            newer.created_at > Backup.created_at,
            newer.adopted_at.is_(None),
            other.vault_id == Copy.vault_id,
            other.status == CopyStatus.STORED,
        )
    )
    rows = (
        select(Backup)
        .join(Copy, Copy.backup_id == Backup.id)
        .join(Server, Server.id == Backup.server_id)
        .outerjoin(Site, Site.id == Backup.site_id)
        .where(
            Copy.status == CopyStatus.FAILED,
            Copy.vault_id.is_not(None),
            reads(Backup.status, Status.COMPLETED),
            Backup.created_at >= _BEGIN,
            Backup.deleted_at.is_(None),
            Server.removed_at.is_(None),
            Site.removed_at.is_(None),
            ~arrived.exists(),
        )
    )
    return rows.order_by(Backup.created_at.desc(), Backup.id)
