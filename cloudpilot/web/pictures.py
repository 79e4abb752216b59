"""Where the parts of a picture lie; the templates draw them as SVG, in pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import history
from cloudpilot.domain.history import Day, Growth, Size, Store

WEEKS = 12
CELL, STEP = 12, 15  # a day's square, and from one to the next
LEFT, TOP = 30, 17  # room for the names of days and months
BARS = 60
BAR, BAR_STEP, TALL = 9, 12, 96
A_WEEK = 7


@dataclass(frozen=True, slots=True)
class Square:
    """One day of a calendar; `kind` is ok, warn, part (some failed), bad or none."""

    x: int
    y: int
    kind: str
    on: date
    day: Day


@dataclass(frozen=True, slots=True)
class Calendar:
    """A column for each week, Monday on top; months are where they begin, with their names."""

    width: int
    height: int
    squares: Sequence[Square]
    months: Sequence[tuple[int, str]]

    @property
    def busy(self) -> list[Square]:
        """Days on which a backup was asked for, the newest first."""
        return [square for square in reversed(self.squares) if square.kind != "none"]


@dataclass(frozen=True, slots=True)
class Bar:
    """One backup's size."""

    x: int
    y: int
    height: int
    size: Size


@dataclass(frozen=True, slots=True)
class Bars:
    """Sizes over time, the oldest on the left."""

    width: int
    height: int
    bars: Sequence[Bar]
    growth: Growth | None

    @property
    def largest(self) -> int:
        """In bytes."""
        return max(bar.size.size for bar in self.bars)


def calendar(days: Mapping[date, Day], first: date, last: date) -> Calendar:
    """The days from `first`, a Monday, to `last`."""
    squares, months = [], []
    for number in range((last - first).days + 1):
        on = first + timedelta(days=number)
        week, weekday = divmod(number, A_WEEK)
        x = LEFT + week * STEP
        day = days.get(on, Day())
        squares.append(Square(x, TOP + weekday * STEP, kind_of(day), on, day))
        if on.day <= A_WEEK and weekday == 0:
            months.append((x, f"{on:%b}"))
    weeks = (len(squares) + A_WEEK - 1) // A_WEEK
    return Calendar(LEFT + weeks * STEP, TOP + A_WEEK * STEP, squares, months)


def kind_of(day: Day) -> str:
    """How a day went.

    >>> [kind_of(Day(*one)) for one in ((0, 0, 0), (2, 0, 0), (2, 1, 0), (2, 1, 1), (0, 0, 1))]
    ['none', 'ok', 'warn', 'part', 'bad']
    """
    if day.failed:
        return "part" if day.completed or day.warned else "bad"
    return "warn" if day.warned else "ok" if day.completed else "none"


def bars(found: Sequence[Size]) -> Bars | None:
    """One bar for each, as high as it is large; None for nothing."""
    largest = max((size.size for size in found), default=0)
    if not largest:
        return None
    drawn = []
    for number, size in enumerate(found):
        height = max(1, round(size.size * TALL / largest))
        drawn.append(Bar(number * BAR_STEP, TALL - height, height, size))
    return Bars(len(drawn) * BAR_STEP - BAR_STEP + BAR, TALL, drawn, history.growth(found))


def share(store: Store, width: int) -> int:
    """How much of `width` the backups take of what they and the free room are together.

    >>> share(Store(UUID(int=0), "web-1", used=30, free=90), 100)
    25
    """
    return width if not store.free else max(1, store.used * width // (store.used + store.free))


def first_day(today: date) -> date:
    """The Monday on which a calendar begins that ends today.

    >>> first_day(date(2026, 11, 25))
    datetime.date(2026, 9, 7)
    """
    return today - timedelta(days=today.weekday() + (WEEKS - 1) * A_WEEK)


def of_panel(session: Session) -> Calendar:
    """How the backups of all sites went, day by day."""
    today = clock.now().date()
    return calendar(history.days(session, first_day(today), today), first_day(today), today)


def of_site(session: Session, site_id: UUID) -> dict[str, Calendar | Bars | None]:
    """For a site's page: how its backups went day by day, and how large they were."""
    today = clock.now().date()
    days = history.days_of(session, site_id, first_day(today))
    sizes = history.sizes(session, site_id, BARS)
    return {"calendar": calendar(days, first_day(today), today), "bars": bars(sizes)}
