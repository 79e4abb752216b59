"""What pages show of schedules: each a fixed number of queries, however many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session, aliased, raiseload

from cloudpilot import clock
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.slots import Slot, SlotStatus
from cloudpilot.domain.status import StatusEvent

PAGE = 50
LATE_SHOWN = 10
EVENTS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Row:
    """A schedule, what it is of, and its newest slot; `last` is None before its first."""

    schedule: Schedule
    server: Server
    site: Site | None
    last: Slot | None

    @property
    def title(self) -> str:
        """What it backs up, in words."""
        return _title(self.site.name if self.site else "", self.server.name, self.schedule.paths)

    @property
    def state(self) -> str:
        """paused, late, failed (the newest slot), running, waiting, ok, or new."""
        if self.schedule.is_paused:
            return "paused"
        if self.schedule.is_late:
            return "late"
        by_status = {
            None: "new",
            SlotStatus.WAITING: "waiting",
            SlotStatus.STARTED: "running",
            SlotStatus.COMPLETED: "ok",
        }
        return by_status.get(self.last.status if self.last else None, "failed")


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one page, its number from 1, and whether another follows."""

    rows: Sequence[Row]
    number: int
    has_more: bool


def page(session: Session, number: int) -> Page:
    """Late ones first, then by when they come next; paused ones last."""
    rank = case((Schedule.late_at <= clock.now(), 0), (Schedule.next_run_at.is_(None), 2), else_=1)
    rows = _rows().order_by(rank, Schedule.next_run_at, Schedule.id)
    found = _found(session, rows.offset((number - 1) * PAGE).limit(PAGE + 1))
    return Page(found[:PAGE], number, len(found) > PAGE)


def one(session: Session, schedule: Schedule) -> Row:
    """One schedule."""
    return _found(session, _rows().where(Schedule.id == schedule.id))[0]


def of_site(session: Session, site_id: UUID) -> list[Row]:
    """The schedules of a site."""
    return _found(session, _rows().where(Schedule.site_id == site_id).order_by(Schedule.created_at))


def of_paths(session: Session, server_id: UUID) -> list[Row]:
    """The schedules of a server's own paths."""
    own = _rows().where(Schedule.server_id == server_id, Schedule.site_id.is_(None))
    return _found(session, own.order_by(Schedule.created_at))


def of_vault(session: Session, vault_id: UUID) -> list[Row]:
    """The schedules whose backups go to that vault."""
    return _found(
        session, _rows().where(Schedule.vault_id == vault_id).order_by(Schedule.created_at)
    )


def late(session: Session) -> tuple[int, list[Row]]:
    """How many are late, and those that have been for the longest."""
    is_late = Schedule.late_at <= clock.now()
    count = session.scalar(select(func.count()).select_from(Schedule).where(is_late)) or 0
    if not count:
        return 0, []
    rows = _rows().where(is_late).order_by(Schedule.late_at, Schedule.id)
    return count, _found(session, rows.limit(LATE_SHOWN))


def backups_of(session: Session, found: Sequence[Slot]) -> dict[UUID, Backup]:
    """By slot: the newest backup that was made for it."""
    rows = select(Backup).where(Backup.slot_id.in_([slot.id for slot in found]))
    made = session.scalars(rows.options(raiseload(Backup.copies)).order_by(Backup.created_at))
    return {backup.slot_id: backup for backup in made if backup.slot_id}


def lateness_of(session: Session, schedule_id: UUID) -> list[StatusEvent]:
    """When it became late, and on time again, the newest first."""
    rows = select(StatusEvent).where(StatusEvent.subject_id == schedule_id)
    return list(session.scalars(rows.order_by(StatusEvent.id.desc()).limit(EVENTS_SHOWN)))


def usual_zone(session: Session) -> str:
    """The time zone of the newest schedule, for the next one; UTC for the first."""
    rows = select(Schedule.zone).order_by(Schedule.created_at.desc(), Schedule.id).limit(1)
    return session.scalar(rows) or "UTC"


def title(session: Session, schedule: Schedule) -> str:
    """What it backs up, in words."""
    site = session.get(Site, schedule.site_id) if schedule.site_id else None
    server = session.get_one(Server, schedule.server_id)
    return _title(site.name if site else "", server.name, schedule.paths)


def _title(site: str, server: str, paths: Sequence[str]) -> str:
    if site:
        return f"{site} on {server}"
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0] if paths else 'paths'}{more} on {server}"


def _rows() -> Any:
    newest = aliased(Slot)
    last = select(func.max(newest.due_at)).where(newest.schedule_id == Schedule.id)
    its_last = and_(
        Slot.schedule_id == Schedule.id, Slot.due_at == last.correlate(Schedule).scalar_subquery()
    )
    return (
        select(Schedule, Server, Site, Slot)
        .join(Server, Server.id == Schedule.server_id)
        .outerjoin(Site, Site.id == Schedule.site_id)
        .outerjoin(Slot, its_last)
        .where(Schedule.removed_at.is_(None))
    )


def _found(session: Session, rows: Any) -> list[Row]:
    return [Row(*row) for row in session.execute(rows)]
