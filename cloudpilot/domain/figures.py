"""What a monitor counts: a few queries over indexes, however many backups there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloudpilot.domain import protection, scheduled
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.keeping import Kept
from cloudpilot.domain.protection import State
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.kinds import Place, RunKind

PLACES = {Place.SERVER: Copy.server_id, Place.VAULT: Copy.vault_id, Place.CLOUD: Copy.cloud_id}


@dataclass(frozen=True, slots=True)
class Figures:
    """Counted at one moment.

    runs      by what is done and how it stands or ended
    backups   by how they ended, deleted ones among them
    stored    what lies where, by kind of place
    sites     how many stand how
    oldest    of the newest good backup of each site, when the oldest was asked for
    late      schedules
    """

    runs: Mapping[tuple[RunKind, Status], int]
    backups: Mapping[Status, int]
    stored: Mapping[Place, Kept]
    sites: Mapping[State, int]
    oldest: datetime | None
    late: int


def counted(session: Session) -> Figures:
    """All of it."""
    runs = select(Run.kind, Run.status, func.count()).group_by(Run.kind, Run.status)
    backups = select(Backup.status, func.count()).group_by(Backup.status)
    standings = protection.standings(session)
    return Figures(
        {(kind, status): count for kind, status, count in session.execute(runs)},
        dict(session.execute(backups).all()),
        {place: _stored(session, place) for place in PLACES},
        protection.numbers(standings),
        min((one.good_at for one in standings if one.good_at), default=None),
        scheduled.late(session)[0],
    )


def _stored(session: Session, place: Place) -> Kept:
    rows = select(func.count(), func.coalesce(func.sum(Copy.size), 0))
    count, size = session.execute(
        rows.where(PLACES[place].is_not(None), Copy.status == CopyStatus.STORED)
    ).one()
    return Kept(count, int(size or 0))
