"""What was backed up day by day, how large it was, and how much room it takes on each server."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    String,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.orm import Session

from cloudpilot.db import UtcDateTime
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.goodness import has_ended, has_failed, newest_of_site, reads
from cloudpilot.domain.servers import Checkup, Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status

A_MONTH = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Day:
    """How many backups that were asked for on one day, by UTC, ended how."""

    completed: int = 0  # without a warning
    warned: int = 0  # completed with warnings
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Size:
    """How large one backup's archive was, in bytes."""

    at: datetime
    size: int
    backup_id: UUID
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class Growth:
    """By how much the newest backup is larger than the one that it is compared with."""

    percent: int  # negative: it is smaller
    over: timedelta


@dataclass(frozen=True, slots=True)
class Store:
    """A server's room in bytes: what our archives take, what was free at its last Check."""

    server_id: UUID
    name: str
    used: int
    free: int | None


def days(session: Session, first: date, last: date) -> Mapping[date, Day]:
    """Each day from `first` to `last`: how many backups ended how; what was found in a vault did
    not end here.

    Counted range by range in the indexes: grouping as many rows takes thirty times as long.
    """
    starts = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    bounds = {f"day_{n}": _midnight(first, n) for n in range(len(starts) + 1)}
    finds = session.scalar(select(Backup.id).where(Backup.adopted_at.is_not(None)).limit(1))
    found = session.execute(_counted(len(starts), finds is not None), bounds)
    return {starts[n]: Day(good - warned, warned, bad) for n, good, warned, bad in found}


@cache
def _counted(days: int, are_finds: bool) -> Select[Any]:
    """For so many days: its number, and how many are completed, of them with warnings, and failed.

    Made and compiled once: that takes as long as the counting. Parameters: day_0, day_1, …, where
    each day begins and the last one ends.

    are_finds  there are backups that were found in a vault, so the indexes alone do not say it all
    """
    bounds = [bindparam(f"day_{n}", type_=UtcDateTime) for n in range(days + 1)]
    # No union: PostgreSQL plans one of so many for longer than it counts. Both databases call the
    # columns so.
    rows = ", ".join(f"({n}, :day_{n}, :day_{n + 1})" for n in range(days))
    names = (
        column("column1", Integer),
        column("column2", UtcDateTime),
        column("column3", UtcDateTime),
    )
    day = text(f"VALUES {rows}").bindparams(*bounds).columns(*names).cte("day")
    number, start, end = day.c

    def count(*conditions: ColumnElement[bool]) -> Any:
        within = (Backup.created_at >= start, Backup.created_at < end)
        made = (Backup.adopted_at.is_(None),) if are_finds else ()
        rows = select(func.count()).select_from(Backup).where(*within, *made, *conditions)
        return rows.correlate(day).scalar_subquery()

    completed = count(Backup.status == Status.COMPLETED)
    warned = count(literal_column("backups.warning_count > 0"))  # as the index says it
    failed = count(*has_failed())
    return select(number, completed, warned, failed)


def days_of(session: Session, site_id: UUID, first: date) -> Mapping[date, Day]:
    """The days from `first` on at which a backup of the site was asked for that has ended."""
    rows = select(Backup.created_at, Backup.status, Backup.warning_count).where(
        Backup.site_id == site_id, Backup.created_at >= _midnight(first), *has_ended()
    )
    found: dict[date, Counter[str]] = {}
    for at, status, warnings in session.execute(rows):
        how = "failed" if status is Status.FAILED else "warned" if warnings else "completed"
        found.setdefault(at.date(), Counter())[how] += 1
    return {day: Day(**counted) for day, counted in found.items()}


def _midnight(day: date, later: int = 0) -> datetime:
    return datetime.combine(day + timedelta(days=later), time(), UTC)


def sizes(session: Session, site_id: UUID, limit: int) -> list[Size]:
    """The latest completed backups of a site, the oldest first, deleted ones too; what is larger
    for being packed in another way is left out."""
    columns = Backup.created_at, Backup.size, Backup.id, Backup.deleted_at, Backup.method
    rows = select(*columns).where(
        Backup.site_id == site_id,
        cast(Backup.status, String) == Status.COMPLETED.value,
        Backup.adopted_at.is_(None),
        Backup.size.is_not(None),
        Backup.level == 0,  # an increment says little of how large the site is
    )
    rows = rows.order_by(Backup.created_at.desc(), Backup.id.desc()).limit(limit)
    read = session.execute(rows).all()
    alike = (row for row in read if row.method is read[0].method)
    found = [Size(at, size or 0, row, bool(gone)) for at, size, row, gone, _ in alike]
    return found[::-1]


def growth(found: Sequence[Size]) -> Growth | None:
    """The newest against the last one that is a month older, or else the oldest.

    None while there is nothing to compare: less than two, or all of one day.
    """
    if not found:
        return None
    newest = found[-1]
    older = [size for size in found if newest.at - size.at >= A_MONTH]
    base = older[-1] if older else found[0]
    over = newest.at - base.at
    if over < timedelta(days=1) or base.size == 0:
        return None
    return Growth(round((newest.size - base.size) * 100 / base.size), over)


def stores(session: Session, server_id: UUID | None = None, *, limit: int = 1) -> list[Store]:
    """The servers whose backups have the least room, the tightest first; or that one alone."""
    there = Copy.status.in_((CopyStatus.STORED, CopyStatus.DELETING))
    sizes_of = select(func.sum(Copy.size)).where(Copy.server_id == Server.id, there)
    used = cast(sizes_of.correlate(Server).scalar_subquery(), BigInteger)
    checkup = select(Checkup.facts["free"].as_float()).where(Checkup.server_id == Server.id)
    free = checkup.order_by(Checkup.at.desc()).limit(1).correlate(Server).scalar_subquery()
    rows = select(Server.id, Server.name, used, free).where(Server.removed_at.is_(None))
    if server_id:
        rows = rows.where(Server.id == server_id)
    found = [
        Store(row, name, size, None if left is None else int(left))
        for row, name, size, left in session.execute(rows)
        if size
    ]
    return sorted(found, key=_tightness)[:limit]


def largest_last(session: Session, server_id: UUID) -> tuple[str, int] | None:
    """The site of that server whose newest completed backup is the largest, and its bytes."""
    completed = reads(Backup.status, Status.COMPLETED)
    taken = func.coalesce(Backup.own_size, Backup.size)  # on the server
    made = (completed, Backup.adopted_at.is_(None), Backup.size.is_not(None))
    size = newest_of_site(taken, *made)
    rows = select(Site.name, size).where(Site.server_id == server_id, Site.removed_at.is_(None))
    found = [(name, int(count)) for name, count in session.execute(rows) if count]
    return max(found, key=lambda one: one[1], default=None)


def _tightness(store: Store) -> tuple[float, str]:
    """How often what is there already would fit once more; what is not known comes last."""
    return (float("inf") if store.free is None else store.free / store.used, store.name)
