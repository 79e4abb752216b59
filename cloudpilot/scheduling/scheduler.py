"""rq-scheduler as our clock: its ticks come back by themselves after Redis was emptied."""

import logging
import signal
import time
from datetime import UTC, datetime
from types import FrameType
from typing import Any
from uuid import uuid4

from redis import Redis
from redis.exceptions import RedisError
from rq_scheduler import Scheduler

from cloudpilot.jobs import pulse
from cloudpilot.jobs.pulse import Part
from cloudpilot.jobs.queue import TICKS, JsonJob, JsonQueue

log = logging.getLogger(__name__)

TICK = "cloudpilot.scheduling.tick.tick"
TICK_ID = "cloudpilot-tick"
TICK_SECONDS = 1
POLL_SECONDS = 0.5
PAUSE_SECONDS = 1  # before a Redis that is away is asked again
JOB_SECONDS = 20  # a tick that hangs, as at a database that says nothing, is ended after that long


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
        self._ends = False

    def serve(self) -> None:
        """Tick until SIGTERM. A Redis that is away is waited for: a platform that sees a process
        end again and again starts it later and later."""
        while not self._ends:
            self.name = uuid4().hex  # the one before may not have been able to sign off
            try:
                self.run()
            except RedisError as error:
                if not self._ends:
                    log.warning("Redis does not answer: %s", type(error).__name__)
                    time.sleep(PAUSE_SECONDS)

    def _install_signal_handlers(self) -> None:
        """End at once. That it ends is written down on the way out, if Redis is there."""

        def stop(_signal: int, _frame: FrameType | None) -> None:
            self._ends = True
            raise SystemExit

        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)

    def enqueue_jobs(self) -> Any:
        """Put the tick back if it is gone, then move what is due to its queue."""
        pulse.note(self.connection, Part.CLOCK)
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
