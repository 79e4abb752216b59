"""Reading the audit log: the newest first, a page at a time, by an index."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from cloudpilot.domain import cursor
from cloudpilot.domain.audit import Action, AuditEntry
from cloudpilot.domain.cursor import PAGE, Cursor, Page

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


def page(session: Session, wanted: Wanted, after: Cursor | None = None, size: int = PAGE) -> Page:
    """One page of entries; it begins after the one at `after`."""
    rows = select(AuditEntry).where(*wanted.conditions())
    return cursor.page(session, rows, (AuditEntry.at, AuditEntry.id), after, size)


def valid_group(text: str) -> str:
    """One of GROUPS; raises ValueError."""
    if text not in GROUPS:
        raise ValueError(text)
    return text


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
