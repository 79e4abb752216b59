"""A Redis that is away: a worker waits for it, and says so once in a while."""

import logging
import sys
import threading
import time

from redis.exceptions import RedisError

from cloudpilot import redis_server
from cloudpilot.settings import Settings

log = logging.getLogger(__name__)

PAUSE_SECONDS, LONGEST_SECONDS = 1, 4  # before it is asked again; each pause is twice the last one
TELL_SECONDS = 60  # each of several workers says it; a platform keeps every line
_RQ = logging.getLogger("rq.worker")


class Told(logging.Filter):
    """What RQ says because Redis does not answer, a line every other second and tracebacks, becomes
    one line in a while."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0  # time.monotonic

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether RQ says it itself: it is not about Redis."""
        error = sys.exc_info()[1]  # RQ does not always hand it on
        if not isinstance(error, RedisError):
            return True
        self.tell(f"Redis does not answer: {type(error).__name__}")
        return False

    def tell(self, sentence: str) -> None:
        """Say it, unless that was done a moment ago."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + TELL_SECONDS
            log.warning(sentence)


told = Told()


def in_one_line() -> None:
    """From now on, for what this process and its threads say."""
    _RQ.addFilter(told)  # which is there only once, however often it is added
    threading.excepthook = _in_a_thread


def for_redis(settings: Settings) -> None:
    """Come back when it answers; raises MisconfiguredError if it shows what is not believed."""
    pause = PAUSE_SECONDS
    while trouble := redis_server.check(settings):
        told.tell(trouble)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_SECONDS)


def _in_a_thread(ended: threading.ExceptHookArgs) -> None:
    if isinstance(ended.exc_value, RedisError):
        told.tell(f"Redis does not answer: {type(ended.exc_value).__name__}")
    elif ended.exc_value is not None:
        log.error("a thread has ended", exc_info=ended.exc_value)
