"""Stored archives that are where they were put, and those that are not: what Checks have seen.

Only existence and size are compared; nobody reads an archive for it. One that comes back, since its
disk is mounted again, is stored again.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import goodness
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import LostRace, Status
from cloudpilot.errors import ArchiveMissing
from cloudpilot.kinds import Place

AT_MOST = 500  # copies of each kind that one Check looks for
STORED = (CopyStatus.STORED, CopyStatus.MISSING)  # as far as we know, or as we knew


def looked_for(session: Session, server_id: UUID) -> list[Copy]:
    """What a Check of that server looks for: the newest AT_MOST copies, the newest of each site,
    and those that were missing."""
    rows = select(Copy).join(Backup, Backup.id == Copy.backup_id)
    rows = rows.where(
        Copy.server_id == server_id, Copy.place == Place.SERVER, Copy.size.is_not(None)
    )
    there = rows.where(Copy.status.in_(STORED))
    missing = rows.where(Copy.status == CopyStatus.MISSING)
    of_sites = there.where(Backup.id.in_(_newest_of_sites(session, server_id)))
    newest_first = (Backup.created_at.desc(), Backup.id.desc())
    found: dict[UUID, Copy] = {}
    for each in (there, missing, of_sites):
        for copy in session.scalars(each.order_by(*newest_first).limit(AT_MOST)):
            found[copy.id] = copy
    return list(found.values())


def _newest_of_sites(session: Session, server_id: UUID) -> list[UUID]:
    newest = goodness.newest_of_site(Backup.id, goodness.reads(Backup.status, Status.COMPLETED))
    rows = select(newest).where(Site.server_id == server_id, Site.removed_at.is_(None))
    return [backup_id for backup_id in session.scalars(rows) if backup_id]


def note(session: Session, seen: Mapping[UUID, str | None]) -> None:
    """Write down what was seen of each copy: why it counts as missing, or None if it is there."""
    now = clock.now()
    rows = select(Copy).where(Copy.id.in_(seen), Copy.status.in_(STORED))
    for copy in session.scalars(rows.order_by(Copy.id)).all():
        try:
            _note(session, copy, seen[copy.id])
        except LostRace:
            continue  # somebody has it deleted at this very moment
        if seen[copy.id] is None:
            copy.seen_at = now


def _note(session: Session, copy: Copy, why: str | None) -> None:
    if why is None and copy.status is CopyStatus.MISSING:
        copy.move(session, CopyStatus.STORED, missing_at=None, missing_why=None)
    elif why and copy.status is CopyStatus.STORED:
        because = ArchiveMissing(why)
        missing_at = clock.now()
        copy.move(
            session, CopyStatus.MISSING, because=because, missing_at=missing_at, missing_why=why
        )
    elif why:
        copy.missing_why = why


def missing(session: Session, limit: int) -> list[Backup]:
    """Backups of which a copy is missing, those found out last first."""
    rows = (
        select(Backup)
        .join(Copy, Copy.backup_id == Backup.id)
        .join(Server, Server.id == Backup.server_id)
        .where(Copy.status == CopyStatus.MISSING, Server.removed_at.is_(None))
    )
    found = session.scalars(rows.order_by(Copy.missing_at.desc(), Backup.id).limit(limit))
    return list(dict.fromkeys(found))
