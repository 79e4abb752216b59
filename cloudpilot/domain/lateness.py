"""When a schedule is late: it has had no good backup for longer than it should. Pure."""

from datetime import datetime, timedelta
from typing import Any, Protocol

from cloudpilot.domain import recurrence

NO_TIME = timedelta()
GRACE_AT_LEAST, GRACE_AT_MOST = timedelta(hours=1), timedelta(hours=12)


class Planned(Protocol):
    """A schedule."""

    cron: Any
    zone: Any
    spread_minutes: Any
    grace_minutes: Any


def late_at(planned: Planned, due_at: datetime, took: timedelta) -> datetime:
    """When it is late, if the backup of the slot that is due at `due_at` is the next good one.

    took  from the time when the last good one was due until it was complete; the next may take
          twice as long
    """
    grace = timedelta(minutes=planned.grace_minutes or 0)
    if planned.grace_minutes is None:
        half = recurrence.gap_after(planned.cron, planned.zone, due_at) / 2
        grace = min(max(half, GRACE_AT_LEAST), GRACE_AT_MOST)
    return due_at + timedelta(minutes=planned.spread_minutes) + grace + 2 * took
