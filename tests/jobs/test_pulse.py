"""jobs.pulse: who was seen, how long ago, by the clock of Redis; and what a page waits for it."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from redis import Redis
from rq import SimpleWorker

from cloudpilot.jobs import pulse, queue, workers
from cloudpilot.jobs.pulse import BANNER_SECONDS, MONITOR_SECONDS, QUEUES, Part
from cloudpilot.jobs.queue import LOOKS, PATIENT, PLANNED, TICKS, WORK, JsonJob, JsonQueue
from cloudpilot.scheduling.scheduler import Clock
from worker import WORKER_OPTIONS


def age(part: Part, seconds: float) -> None:
    """It was seen so long ago."""
    key = f"cloudpilot:seen:{part}"
    queue.redis().set(key, 1, px=int(pulse.KEEP_MS - seconds * 1000))


@pytest.mark.parametrize("part", Part)
def test_who_was_seen_a_minute_ago_is_silent_for_the_banner_and_later_for_monitors(
    core: Flask, part: Part
) -> None:
    for each in Part:
        pulse.note(queue.redis(), each)
    assert pulse.is_well(1)
    age(part, BANNER_SECONDS + 1)
    found = pulse.take()
    assert list(found.silent(BANNER_SECONDS)) == [part]
    assert BANNER_SECONDS < found.ages[part] < BANNER_SECONDS + 5
    assert pulse.is_well(MONITOR_SECONDS)
    age(part, MONITOR_SECONDS + 1)
    assert not pulse.is_well(MONITOR_SECONDS)
    pulse.note(queue.redis(), part)
    assert pulse.is_well(1)


def test_in_an_emptied_redis_everybody_has_a_minute_from_the_first_look(core: Flask) -> None:
    assert pulse.is_well(BANNER_SECONDS)
    queue.redis().pexpire("cloudpilot:seen:work", pulse.KEEP_MS - 61_000)
    assert list(pulse.take().silent(BANNER_SECONDS)) == [Part.WORK]
    assert list(pulse.take().silent(BANNER_SECONDS)) == [Part.WORK]  # looking is not being seen


@pytest.mark.parametrize(
    ("kind", "queues", "parts"),
    [
        (workers.Looking, [TICKS, LOOKS], {Part.LOOKS}),
        (workers.Forking, [WORK, PLANNED, PATIENT], {Part.WORK, Part.ASKED}),
        (workers.Forking, [WORK], {Part.ASKED}),  # nothing that is planned is done by it
    ],
)
def test_a_worker_is_seen(
    core: Flask, kind: type[SimpleWorker], queues: list[str], parts: set[Part]
) -> None:
    redis = queue.redis()
    for each in Part:
        age(each, 300)
    kind(
        [JsonQueue(name, connection=redis) for name in queues],
        connection=redis,
        job_class=JsonJob,
        queue_class=JsonQueue,
        serializer="json",
    ).heartbeat()
    assert set(Part) - set(pulse.take().silent(60)) == parts


def test_the_clock_is_seen_and_then_a_tick(core: Flask) -> None:
    for each in Part:
        age(each, 300)
    Clock(queue.redis()).enqueue_jobs()
    assert set(Part) - set(pulse.take().silent(60)) == {Part.CLOCK}


def test_what_waits_is_counted(core: Flask) -> None:
    queue.ring_looks()
    assert pulse.take().queues == dict.fromkeys(QUEUES, 0) | {LOOKS: 1}


def test_workers_that_were_killed_are_not_counted(core: Flask) -> None:
    """They do not sign off; their keys are gone after a minute and a half."""
    redis = queue.redis()
    names = ("alive", "dead")
    both = [
        workers.Forking(
            [JsonQueue(name, connection=redis) for name in (WORK, PLANNED)],
            name=name,
            connection=redis,
            job_class=JsonJob,
            queue_class=JsonQueue,
            serializer="json",
            **WORKER_OPTIONS,
        )
        for name in names
    ]
    for each in both:
        each.register_birth()
        each.heartbeat()
    nobody = dict.fromkeys(QUEUES, 0)
    assert pulse.take().workers == nobody | {WORK: 2, PLANNED: 2}
    assert all(0 < redis.ttl(each.key) <= 90 for each in both)
    redis.delete(both[1].key)  # what its end is, when nothing was heard of it
    assert redis.scard(f"rq:workers:{WORK}") == 2
    assert pulse.take().workers == nobody | {WORK: 1, PLANNED: 1}


@pytest.fixture
def silent_redis(core: Flask) -> Iterator[Flask]:
    """One that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = core.extensions["settings"]
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}"
        core.extensions["settings"] = replace(settings, redis_url=url)
        yield core
        core.extensions.pop("cloudpilot.pulse")


def test_a_redis_that_hangs_costs_one_page_half_a_second_and_the_next_nothing(
    silent_redis: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    assert not pulse.take().is_there
    first = time.monotonic() - began
    assert first < 2
    assert not any(pulse.take().is_there for _ in range(100))
    assert time.monotonic() - began < first + 0.3
    monkeypatch.setattr(pulse, "REST_SECONDS", -1)
    line = silent_redis.extensions["cloudpilot.pulse"]
    line._rests_until, line._connection = 0, Redis.from_url(db_of(silent_redis))
    assert pulse.take().is_there


def db_of(app: Flask) -> str:
    """The session's real Redis."""
    pool = app.extensions["redis"].connection_pool
    return f"unix://{pool.connection_kwargs['path']}"


def test_a_page_pays_two_round_trips(core: Flask) -> None:
    for each in Part:
        pulse.note(queue.redis(), each)
    pulse.take()
    began = time.monotonic()
    for _ in range(100):
        pulse.take()
    assert time.monotonic() - began < 2  # milliseconds each
