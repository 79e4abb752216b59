"""Lists: one page at a time, newest first."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot.domain import cursor
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.cursor import PAGE, Cursor, Page
from cloudpilot.domain.restores import Restore, RestoreStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import ACTIVE


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


def restores(session: Session, after: Cursor | None = None, size: int = PAGE) -> Page:
    """Restores that were begun."""
    begun = Restore.status != RestoreStatus.PLANNED
    return _page(session, Restore, {}, after, size, begun)


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
    return cursor.page(session, rows, (kind.created_at, kind.id), after, size)
