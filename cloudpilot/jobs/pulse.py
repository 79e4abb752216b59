"""Who of the panel's processes has been seen, and how long ago, as marks in Redis tell it.

A mark is a key that lives for a week; its age is what is missing of the week. So all ages are by
one clock, that of Redis, and the clocks of the machines may differ. Where there is no mark, as in a
Redis that was emptied, one is set by who misses it: from then on it is waited for.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from flask import current_app
from redis import Redis
from redis.exceptions import RedisError

from cloudpilot import clock, redis_server
from cloudpilot.jobs.queue import LOOKS, PATIENT, PLANNED, TICKS, WORK

KEEP_MS = 7 * 24 * 3600 * 1000
BANNER_SECONDS = 60  # a restart of everything takes less
MONITOR_SECONDS = 180  # who is woken at night can wait for a restart that is slow
TIMEOUTS = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5, "health_check_interval": 0}
SLOW_SECONDS, REST_SECONDS = 0.2, 5  # who has waited so long in vain spares others the same
QUEUES = (WORK, PLANNED, PATIENT, LOOKS, TICKS)
_EXTENSION = "cloudpilot.pulse"


class Part(StrEnum):
    """What must be seen again and again."""

    LOOKS = "looks"  # the worker that looks at what runs, and does the clock's ticks
    WORK = "work"  # those that do what is planned
    ASKED = "asked"  # those that do what somebody waits for: all of WORK, and one that is kept free
    CLOCK = "clock"
    TICK = "tick"  # a tick that has come to its end


@dataclass(frozen=True, slots=True)
class Pulse:
    """What two round trips to Redis have found.

    ages     seconds since each part was seen
    queues   how many jobs wait in each queue
    workers  how many serve each queue; one that was killed counts for a minute and a half
    distrust what is wrong with the certificate of Redis, if that is why it was not asked
    """

    is_there: bool
    ages: Mapping[Part, float] = field(default_factory=dict)
    queues: Mapping[str, int] = field(default_factory=dict)
    workers: Mapping[str, int] = field(default_factory=dict)
    distrust: str | None = None

    def silent(self, seconds: float) -> dict[Part, datetime]:
        """The parts that were not seen for longer than that, and when they were seen last."""
        now = clock.now()
        late = {part: age for part, age in self.ages.items() if age > seconds}
        return {part: now - timedelta(seconds=age) for part, age in late.items()}


# Who serves a queue is of that part; who serves two is of both.
PART_OF_QUEUE = {LOOKS: Part.LOOKS, PLANNED: Part.WORK, WORK: Part.ASKED}


def note(connection: Redis, part: Part) -> None:
    """It has just been seen."""
    connection.set(_key(part), 1, px=KEEP_MS)


def note_worker(connection: Redis, queues: Iterable[str]) -> None:
    """Who serves these queues has just been seen."""
    for name in queues:
        if name in PART_OF_QUEUE:
            note(connection, PART_OF_QUEUE[name])


def take() -> Pulse:
    """How it stands now. Never raises: a Redis that does not answer is an answer."""
    app: Any = current_app
    if _EXTENSION not in app.extensions:
        settings = app.extensions["settings"]
        app.extensions[_EXTENSION] = _Line(redis_server.client(settings, **TIMEOUTS))
    line: _Line = app.extensions[_EXTENSION]
    return line.asked()


def is_well(seconds: float) -> bool:
    """Whether every part has been seen within so many seconds, as far as Redis can say."""
    found = take()
    return found.is_there and not found.silent(seconds)


class _Line:
    """A connection of its own: a page must not wait for Redis as long as a job may, and not every
    page for one that is silent."""

    def __init__(self, connection: Redis) -> None:
        self._connection = connection
        self._last = Pulse(False)
        self._rests_until = 0.0  # time.monotonic

    def asked(self) -> Pulse:
        """What it says; while it rests, what it said last."""
        began = time.monotonic()
        if began < self._rests_until:
            return self._last
        try:
            self._last = _asked(self._connection)
        except RedisError as error:
            self._last = Pulse(False, distrust=redis_server.distrust(error))
            if time.monotonic() - began > SLOW_SECONDS:
                self._rests_until = time.monotonic() + REST_SECONDS
        return self._last


def _asked(connection: Redis) -> Pulse:
    with connection.pipeline(transaction=False) as asked:
        for part in Part:
            asked.pttl(_key(part))
        for name in QUEUES:
            asked.llen(f"rq:queue:{name}")
        for name in QUEUES:
            asked.smembers(f"rq:workers:{name}")
        answers = asked.execute()
    numbers: Sequence[int] = answers[: len(Part) + len(QUEUES)]
    left = dict(zip(Part, numbers, strict=False))
    missed = [part for part, milliseconds in left.items() if milliseconds < 0]
    ages = {part: (KEEP_MS - ms) / 1000 if ms >= 0 else 0.0 for part, ms in left.items()}
    waiting = dict(zip(QUEUES, numbers[len(Part) :], strict=True))
    signed_on: Sequence[Collection[bytes]] = answers[len(numbers) :]
    return Pulse(True, ages, waiting, _alive(connection, signed_on, missed))


def _alive(
    connection: Redis, signed_on: Sequence[Collection[bytes]], missed: Sequence[Part]
) -> dict[str, int]:
    """How many serve each queue: who was killed has not signed off, but its own key goes when
    nothing is heard of it. The same round trip marks what was missed."""
    with connection.pipeline(transaction=False) as asked:
        for keys in signed_on:
            asked.exists(*keys or ("rq:workers:nobody",))
        for part in missed:
            asked.set(_key(part), "missed", nx=True, px=KEEP_MS)
        counts: Sequence[int] = asked.execute()
    return dict(zip(QUEUES, counts, strict=False))


def _key(part: Part) -> str:
    return f"cloudpilot:seen:{part}"
