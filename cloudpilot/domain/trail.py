"""Reading the audit log: the newest first, a page at a time, by an index."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from cloudpilot.domain.audit import Action, AuditEntry
from cloudpilot.errors import InvalidConfig

PAGE = 50  # entries
LAST_DAY = date(8999, 12, 31)  # there is a day after it, in every time zone
GROUPS = tuple(sorted({action.partition(".")[0] for action in Action}))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are asked for; None asks for all."""

    person_id: UUID | None = None  # who acted
    group: str | None = None  # one of GROUPS
    subject_id: UUID | None = None
    first_day: date | None = None  # days are UTC days
    last_day: date | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """Of the rows that are meant."""
        if self.person_id:
            yield AuditEntry.person_id == self.person_id
        if self.subject_id:
            yield AuditEntry.subject_id == self.subject_id
        if self.group:
            yield AuditEntry.action.startswith(f"{self.group}.", autoescape=True)
        if self.first_day:
            yield AuditEntry.at >= _midnight(min(self.first_day, LAST_DAY))
        if self.last_day:
            yield AuditEntry.at < _midnight(min(self.last_day, LAST_DAY)) + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Place:
    """The place of an entry in the log, as it stands in a URL.

    >>> str(Place.parse("2026-01-02T03:04:05+00:00_17"))
    '2026-01-02T03:04:05+00:00_17'
    """

    at: datetime
    id: int

    def __str__(self) -> str:
        return f"{self.at.isoformat()}_{self.id}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Raises InvalidConfig."""
        at, _, number = text.partition("_")
        damaged = InvalidConfig("This link to a page of the list is damaged.")
        if not (number.isascii() and number.isdigit() and len(number) < 19):
            raise damaged
        try:
            place = cls(datetime.fromisoformat(at), int(number))
        except ValueError:
            raise damaged from None
        if place.at.tzinfo is None or not 1970 < place.at.year < 9000:
            raise damaged
        return place


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, and where the next page begins (None: this is the last)."""

    rows: list[AuditEntry]
    following: Place | None


def page(session: Session, wanted: Wanted, after: Place | None = None, size: int = PAGE) -> Page:
    """One page; it begins after the entry at `after`."""
    rows = select(AuditEntry).where(*wanted.conditions())
    if after:
        older = and_(AuditEntry.at == after.at, AuditEntry.id < after.id)
        rows = rows.where(AuditEntry.at <= after.at, or_(AuditEntry.at < after.at, older))
    rows = rows.order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(size + 1)
    found = list(session.scalars(rows))
    more = found[size - 1] if len(found) > size else None
    return Page(found[:size], Place(more.at, more.id) if more else None)


def valid_group(text: str) -> str:
    """One of GROUPS; raises ValueError."""
    if text not in GROUPS:
        raise ValueError(text)
    return text


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
