"""rq-scheduler as our clock: its ticks come back by themselves after Redis was emptied."""

from datetime import UTC, datetime
from typing import Any

from redis import Redis
from rq_scheduler import Scheduler

from cloudpilot.jobs.queue import TICKS, JsonJob, JsonQueue

TICK = "cloudpilot.scheduling.tick.tick"
TICK_ID = "cloudpilot-tick"
TICK_SECONDS = 1
POLL_SECONDS = 0.5
JOB_SECONDS = 60


class Clock(Scheduler):  # type: ignore[misc]  # the package has no types
    """Schedules one job, the tick; what people schedule are rows that the tick reads."""

    def __init__(self, connection: Redis, name: str | None = None) -> None:
        super().__init__(
            queue_name=TICKS,
            connection=connection,
            interval=POLL_SECONDS,
            job_class=JsonJob,
            queue_class=JsonQueue,
            name=name,
        )

    def enqueue_jobs(self) -> Any:
        """Put the tick back if it is gone, then move what is due to its queue."""
        if TICK_ID not in self:
            self.schedule(
                datetime.now(UTC).replace(tzinfo=None),  # rq-scheduler counts in naive UTC
                TICK,
                interval=TICK_SECONDS,
                id=TICK_ID,
                timeout=JOB_SECONDS,
            )
        if self.queue_class(TICKS, connection=self.connection).count:
            return []  # nobody has come for the last one yet: one is enough
        return super().enqueue_jobs()
