"""rq-scheduler as our clock: its ticks come back by themselves after Redis was emptied."""

import logging
import signal
import time
from datetime import UTC, datetime
from types import FrameType
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq_scheduler import Scheduler

from cloudpilot.jobs.queue import TICKS, JsonJob, JsonQueue

TICK = "cloudpilot.scheduling.tick.tick"
TICK_ID = "cloudpilot-tick"
TICK_SECONDS = 1
POLL_SECONDS = 0.5
JOB_SECONDS = 60
PAUSE_SECONDS = 1  # while Redis is away
TIMEOUT_SECONDS = 5  # for an answer: a connection may be dead and nobody told

log = logging.getLogger(__name__)


def serve(redis_url: str) -> None:
    """Ring until the process is told to end. Without Redis it waits, as workers do: a platform
    leaves a process that keeps dying alone for many minutes."""
    timeouts = {"socket_connect_timeout": TIMEOUT_SECONDS, "socket_timeout": TIMEOUT_SECONDS}
    clock = Clock(Redis.from_url(redis_url, retry=Retry(NoBackoff(), 0), **timeouts))
    clock.heed_signals()
    while not clock.is_stopped:
        try:
            clock.run()
        except RedisError as error:
            log.error("the clock has lost Redis: %s", error)  # noqa: TRY400  (it is said in a line)
            time.sleep(PAUSE_SECONDS)
            clock = clock.successor()


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
        self.is_stopped = False

    def successor(self) -> "Clock":
        """Another one under another name: Redis may still hold this one's."""
        following = Clock(self.connection)
        following.is_stopped = self.is_stopped
        return following

    def heed_signals(self) -> None:
        """End when told to. The package's own handlers ask Redis first, which may be away."""
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGTERM, self._stop)

    _install_signal_handlers = heed_signals

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.is_stopped = True
        raise SystemExit

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
