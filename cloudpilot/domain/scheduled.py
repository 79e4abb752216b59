"""What pages show of schedules: each a fixed number of queries, however many there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased, raiseload

from cloudpilot import clock
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.cursor import Cursor
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.slots import Slot, SlotStatus
from cloudpilot.domain.status import StatusEvent
from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import BackupType

PAGE = 50
PARTS = ("late", "next", "paused")  # of the list of all
LATE_SHOWN = 10
EVENTS_SHOWN = 10
DOUBTED_AT_MOST = 100


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
    def doubts(self) -> Sequence[dict[str, Any]]:
        """What stands in the way of its next backup, the worst first; see foresight.Doubt."""
        return self.schedule.doubts or () if self.schedule.next_run_at else ()

    @property
    def will_fail(self) -> bool:
        """Whether its next backup will not be made."""
        return any(one["level"] == "failed" for one in self.doubts)

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
class Place:
    """The place of a row in the list of all, as it stands in a URL: in which part, and there behind
    which row.

    >>> str(Place.parse("next_2026-01-02T03:04:05+00:00_00000000-0000-0000-0000-000000000001"))
    'next_2026-01-02T03:04:05+00:00_00000000-0000-0000-0000-000000000001'
    """

    part: str
    row: Cursor

    def __str__(self) -> str:
        return f"{self.part}_{self.row}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Raises InvalidConfig."""
        part, _, row = text.partition("_")
        if part not in PARTS:
            raise InvalidConfig(Cursor.DAMAGED)
        return cls(part, Cursor.parse(row))

    @classmethod
    def of(cls, schedule: Schedule) -> "Place":
        """Of that row."""
        part = "paused" if schedule.next_run_at is None else "next"
        part = "late" if schedule.is_late else part
        at = {"late": schedule.late_at, "next": schedule.next_run_at}.get(part)
        return cls(part, Cursor(at or schedule.created_at, schedule.id))


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one page, and behind which row the next one begins (None: this is the last)."""

    rows: Sequence[Row]
    following: Place | None


def page(session: Session, after: Place | None = None) -> Page:
    """Late ones first, then by when they come next; paused ones last. However many there are, what
    is read are the rows of the page, by an index."""
    parts = PARTS[PARTS.index(after.part) :] if after else PARTS
    ids: list[UUID] = []
    for part in parts:
        behind = after.row if after and after.part == part else None
        rows = _part(part, behind).limit(PAGE + 1 - len(ids))
        ids += session.scalars(rows)
        if len(ids) > PAGE:
            break
    found = {row.schedule.id: row for row in _found(session, _rows().where(Schedule.id.in_(ids)))}
    shown = [found[one] for one in ids[:PAGE] if one in found]
    more = shown and len(ids) > PAGE
    return Page(shown, Place.of(shown[-1].schedule) if more else None)


def _part(part: str, after: Cursor | None) -> Select[Any]:
    """The ids of one part of the list, in its order."""
    now = clock.now()
    if part == "paused":
        rows = select(Schedule.id).where(Schedule.next_run_at.is_(None))
        rows = rows.where(Schedule.id > after.id) if after else rows
        return rows.where(Schedule.removed_at.is_(None)).order_by(Schedule.id)
    at, condition = {
        "late": (Schedule.late_at, Schedule.late_at <= now),
        "next": (Schedule.next_run_at, Schedule.late_at > now),
    }[part]
    rows = select(Schedule.id).where(condition, at.is_not(None))
    if after:
        rows = rows.where(at >= after.at, or_(at > after.at, Schedule.id > after.id))
    return rows.order_by(at, Schedule.id)


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
    rows = _rows().where(is_late).order_by(Schedule.late_at, Schedule.id)
    shown = _found(session, rows.limit(LATE_SHOWN))
    if len(shown) < LATE_SHOWN:
        return len(shown), shown
    return session.scalar(select(func.count()).select_from(Schedule).where(is_late)) or 0, shown


def doubted(session: Session) -> list[Row]:
    """Those whose next backup will fail, or nearly, the next one first."""
    rows = _rows().where(Schedule.doubted_at.is_not(None), Schedule.next_run_at.is_not(None))
    return _found(session, rows.order_by(Schedule.next_run_at, Schedule.id).limit(DOUBTED_AT_MOST))


def backups_of(session: Session, found: Sequence[Slot]) -> dict[UUID, Backup]:
    """By slot: the newest backup that was made for it."""
    rows = select(Backup).where(Backup.slot_id.in_([slot.id for slot in found]))
    made = session.scalars(rows.options(raiseload(Backup.copies)).order_by(Backup.created_at))
    return {backup.slot_id: backup for backup in made if backup.slot_id}


def on_time(session: Session) -> Mapping[UUID, list[BackupType]]:
    """By site: of which types those of its schedules are that are on time."""
    found: dict[UUID, list[BackupType]] = {}
    rows: Select[Any, BackupType] = select(Schedule.site_id, Schedule.type).where(
        Schedule.site_id.is_not(None),
        Schedule.next_run_at.is_not(None),
        Schedule.good_at.is_not(None),
        or_(Schedule.late_at.is_(None), Schedule.late_at > clock.now()),
    )
    for site_id, kind in session.execute(rows):
        found.setdefault(site_id, []).append(kind)
    return found


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
    if not paths:  # snapshots
        return f"The machine {server}"
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more} on {server}"


@cache  # of its making, which takes longer than asking where there is nothing
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
