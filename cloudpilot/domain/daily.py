"""The daily Check of each server: when it is due, and who of several clocks asks for it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import String, cast, func, or_, select, update
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import checkups, requests
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.errors import BackupInProgress

AGAIN = timedelta(hours=1)  # after a Check that failed; doubled with each further one
DOUBLINGS_AT_MOST = 10
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


def slot(server_id: UUID, after: datetime, every: timedelta) -> datetime:
    """The next time of day that is this server's own: by its id, so they spread over the day.

    >>> day, noon = timedelta(days=1), datetime(2026, 1, 2, 12, tzinfo=UTC)
    >>> first = slot(UUID(int=5), noon, day)
    >>> noon < first <= noon + day, slot(UUID(int=5), first, day) - first == day
    (True, True)
    """
    own = timedelta(seconds=server_id.int % int(every.total_seconds()))
    since = (after - _EPOCH - own) // every
    return _EPOCH + own + (since + 1) * every


def due(session: Session, limit: int) -> list[UUID]:
    """Servers to be checked now, the longest overdue first, and those without a time of theirs."""
    rows = select(Server.id).where(*_is_due())
    return list(session.scalars(rows.order_by(Server.next_check_at).limit(limit)))


def claim(session: Session, server_id: UUID, every: timedelta) -> Run | None:
    """The daily Check's run; None if another clock was first, or a Check is under way.

    A server that is new here is given its time and checked then. Until a Check has succeeded (see
    `slot`) it is tried again in an hour, in two, in four, and at last once each `every`.
    """
    server = session.get_one(Server, server_id, populate_existing=True)
    now = clock.now()
    is_new = server.next_check_at is None
    when = slot(server.id, now, every) if is_new else now + _pause(session, server, every)
    ours = update(Server).where(Server.id == server_id, *_is_due())
    taken = session.execute(
        ours.values(next_check_at=when).returning(Server.id),
        execution_options={"synchronize_session": False},
    )
    if taken.first() is None or is_new:
        return None
    try:
        return requests.check(session, server, by=None)
    except BackupInProgress:
        return None


def _pause(session: Session, server: Server, every: timedelta) -> timedelta:
    failed = (
        select(func.count())
        .select_from(Run)
        .where(Run.server_id == server.id, *checkups.is_failed_check())
    )
    if server.checked_at:
        failed = failed.where(Run.created_at > server.checked_at)
    times = min(session.scalar(failed) or 0, DOUBLINGS_AT_MOST)
    return min(every, AGAIN * (1 << times))


def _is_due() -> tuple[Any, ...]:
    """Ready: a host key has been approved."""
    return (
        or_(Server.next_check_at.is_(None), Server.next_check_at <= clock.now()),
        Server.removed_at.is_(None),
        cast(Server.host_keys, String) != "[]",
    )
