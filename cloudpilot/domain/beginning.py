"""Beginning after an import: what is the old panel's, and what happens once that one is gone."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import rest
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.panel_exports import PanelExport
from cloudpilot.domain.people import Person
from cloudpilot.domain.rest import Import
from cloudpilot.domain.runs import Run
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import ACTIVE, Status
from cloudpilot.domain.vaults import Vault


@dataclass(frozen=True, slots=True)
class Ahead:
    """What waits for it.

    schedules  how many are due at once
    under_way  runs that were under way when the export was made, and are looked at
    dropped    runs that had not begun then, and do not
    deletions  deletions that were under way or wanted, and go on
    expired    backups that have had their days, and are judged a day later
    """

    schedules: int
    under_way: int
    dropped: int
    deletions: int
    expired: int


def take_over(session: Session, made_at: datetime, panel: str) -> Import:
    """All that is there was brought back just now from what another panel had exported; this one
    is at rest. What that one was asked for is marked, since no clock tells it from our own."""
    back = Import(made_at=made_at, panel=panel, imported_at=clock.now())
    session.add(back)
    for table in (Run, VaultObject, PanelExport):
        session.execute(update(table).values(of_old_panel=True))
    session.flush()
    return back


def ahead(session: Session) -> Ahead:
    """What would happen now."""
    ends = Run.kind.in_(rest.ENDED_ANYWAY)
    return Ahead(
        schedules=_count(session, Schedule.id, Schedule.next_run_at <= clock.now()),
        under_way=_count(session, Run.id, Run.status == Status.RUNNING, ~ends),
        dropped=_count(session, Run.id, Run.status == Status.PENDING, ~ends),
        deletions=_count(session, Run.id, Run.status.in_(ACTIVE), ends),
        expired=_count(
            session,
            Backup.id,
            Backup.status == Status.COMPLETED,
            Backup.expires_at <= clock.now(),
            Backup.deleted_at.is_(None),
            Backup.pinned_at.is_(None),
        ),
    )


def begin(session: Session, by: Person) -> Import:
    """The old panel is gone: everything goes on, and everything is checked at once.

    Raises InvalidState if this panel is not at rest.
    """
    back = rest.begin(session, by)
    for table in (Server, Vault, Cloud):
        known: Any = table
        there = update(known).where(known.removed_at.is_(None))
        session.execute(there.values(next_check_at=clock.now()))
    # How long nobody has answered was counted by the old panel.
    anew = {"silent_since": None, "attempts": 0, "next_look_at": clock.now()}
    session.execute(update(Run).where(Run.status.in_(ACTIVE)).values(anew))
    return back


def _count(session: Session, column: Any, *conditions: Any) -> int:
    return session.scalar(select(func.count(column)).where(*conditions)) or 0
