"""Lists: one page at a time, newest first, by an index however many rows there are.

A page is found by the last row of the one before it (its time and id), never by counting rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from cloudpilot.domain.backups import Backup
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import ACTIVE
from cloudpilot.errors import InvalidConfig

PAGE = 50  # rows


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of a row in a list, as it stands in a URL.

    >>> Cursor.parse("2026-01-02T03:04:05+00:00_00000000-0000-0000-0000-000000000001").at.day
    2
    """

    at: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{self.at.isoformat()}_{self.id}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Raises InvalidConfig."""
        at, _, row_id = text.partition("_")
        try:
            cursor = cls(datetime.fromisoformat(at), UUID(row_id))
        except ValueError:
            raise InvalidConfig("This link to a page of the list is damaged.") from None
        if cursor.at.tzinfo is None or not 1970 < cursor.at.year < 9000:
            raise InvalidConfig("This link to a page of the list is damaged.")
        return cursor


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first, and where the next page begins (None: this is the last)."""

    rows: list[Any]
    following: Cursor | None


def backups(
    session: Session, filters: Mapping[str, object], after: Cursor | None = None, size: int = PAGE
) -> Page:
    """Backups that were not deleted.

    filters  columns and their values, e.g. {"server_id": …, "status": …}; None filters nothing
    """
    return _page(session, Backup, filters, after, size, Backup.deleted_at.is_(None))


def ended_runs(
    session: Session, filters: Mapping[str, object], after: Cursor | None = None, size: int = PAGE
) -> Page:
    """Runs that are over; the filters are those of `backups`."""
    return _page(session, Run, filters, after, size, Run.status.not_in(ACTIVE))


def _page(
    session: Session,
    kind: Any,
    filters: Mapping[str, object],
    after: Cursor | None,
    size: int,
    *conditions: Any,
) -> Page:
    rows = select(kind).where(*conditions)
    for column, value in filters.items():
        if value is not None:
            rows = rows.where(getattr(kind, column) == value)
    if after:
        older = and_(kind.created_at == after.at, kind.id < after.id)
        rows = rows.where(kind.created_at <= after.at, or_(kind.created_at < after.at, older))
    rows = rows.order_by(kind.created_at.desc(), kind.id.desc()).limit(size + 1)
    found = list(session.scalars(rows))
    more = found[size - 1] if len(found) > size else None
    return Page(found[:size], Cursor(more.created_at, more.id) if more else None)
