"""Pages of a list: each found by the last row of the one before it (its time and id), by an index
however many rows there are, never by counting rows."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Select, and_, or_
from sqlalchemy.orm import Session

from cloudpilot.errors import InvalidConfig

PAGE = 50  # rows


def number(text: str) -> int:
    """The id of a row that has a number; raises ValueError."""
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValueError(text)
    return int(text)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of a row in a list, as it stands in a URL.

    >>> Cursor.parse("2026-01-02T03:04:05+00:00_00000000-0000-0000-0000-000000000001").at.day
    2
    >>> str(Cursor.parse("2026-01-02T03:04:05+00:00_17", number))
    '2026-01-02T03:04:05+00:00_17'
    """

    DAMAGED: ClassVar[str] = "This link to a page of the list is damaged."

    at: datetime
    id: UUID | int

    def __str__(self) -> str:
        return f"{self.at.isoformat()}_{self.id}"

    @classmethod
    def parse(cls, text: str, kind: Callable[[str], UUID | int] = UUID) -> "Cursor":
        """Raises InvalidConfig; `kind` reads the id, and raises ValueError."""
        at, _, row_id = text.partition("_")
        try:
            cursor = cls(datetime.fromisoformat(at), kind(row_id))
        except ValueError:
            raise InvalidConfig(cls.DAMAGED) from None
        if cursor.at.tzinfo is None or not 1970 < cursor.at.year < 9000:
            raise InvalidConfig(cls.DAMAGED)
        return cursor


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first, and where the next page begins (None: this is the last)."""

    rows: list[Any]
    following: Cursor | None


def page(
    session: Session, rows: Select[Any], key: tuple[Any, Any], after: Cursor | None, size: int
) -> Page:
    """One page of `rows`; it begins after the row at `after`.

    key  the columns of a row's time and id
    """
    at, row_id = key
    if after:
        older = and_(at == after.at, row_id < after.id)
        rows = rows.where(at <= after.at, or_(at < after.at, older))
    found = list(session.scalars(rows.order_by(at.desc(), row_id.desc()).limit(size + 1)))
    more = found[size - 1] if len(found) > size else None
    following = Cursor(getattr(more, at.key), getattr(more, row_id.key)) if more else None
    return Page(found[:size], following)
