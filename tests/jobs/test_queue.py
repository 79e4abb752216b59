"""jobs.queue: a doorbell that rings after the commit, speaks JSON, and may be away."""

import zlib
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import rq
from flask import Flask
from redis import Redis
from rq import SimpleWorker
from sqlalchemy.exc import OperationalError

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import pace, runs
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.jobs import lifecycle, opening, queue, workers
from cloudpilot.jobs.queue import LOOKS, PATIENT, PLANNED, WORK, JsonJob, JsonQueue
from cloudpilot.kinds import RunKind, VaultKind
from cloudpilot.options import JOB_SECONDS, LONGEST_LEASE, LONGEST_LOOK
from cloudpilot.vaults import registry
from tests.support.rows import add_person, add_run, add_server, add_site
from tests.support.vaulting import add_vault

PICKLE = b"\x80"  # what a pickle of protocol 2 and later begins with


def queued(name: str) -> list[JsonJob]:
    return JsonQueue(name, connection=queue.redis()).jobs  # type: ignore[return-value]


def everything_in(redis: Redis) -> list[bytes]:
    """Every value in Redis."""
    found: list[bytes] = []
    for key in redis.scan_iter():
        kind = redis.type(key)
        if kind == b"hash":
            found += redis.hgetall(key).values()  # type: ignore[operator]
        elif kind == b"string":
            found.append(redis.get(key))  # type: ignore[arg-type]
        elif kind == b"list":
            found += redis.lrange(key, 0, -1)  # type: ignore[operator]
    return found


def test_it_rings_after_the_commit(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        queue.ring(session, runs.find(session, make_run))
        assert queued(PLANNED) == []
    assert [(job.func_name, job.args) for job in queued(PLANNED)] == [
        (queue.START, [str(make_run)])
    ]


def test_libraries_are_loaded_before_a_job_is_forked_by_whom_has_vaults(
    core: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []
    monkeypatch.setattr(registry, "load", done.append)
    monkeypatch.setattr(rq.Worker, "fork_work_horse", lambda *_: done.append("forked"))
    workers.Forking.__new__(workers.Forking).fork_work_horse(None, None)  # type: ignore[arg-type]
    assert done == ["forked"]
    with transaction() as session:
        add_vault(session, "a", kind=VaultKind.AZURE_BLOB)
        add_vault(session, "b", kind=VaultKind.GCS, removed_at=clock.now())
    workers.Forking.__new__(workers.Forking).fork_work_horse(None, None)  # type: ignore[arg-type]
    assert done == ["forked", VaultKind.AZURE_BLOB, "forked"]


def test_a_database_that_is_away_keeps_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("", {}, Exception())

    forked: list[int] = []
    monkeypatch.setattr(opening, "load", away)
    monkeypatch.setattr(rq.Worker, "fork_work_horse", lambda *_: forked.append(1))
    workers.Forking.__new__(workers.Forking).fork_work_horse(None, None)  # type: ignore[arg-type]
    assert forked == [1]


def test_it_does_not_ring_for_what_was_not_committed(core: Flask, make_run: UUID) -> None:
    def fail() -> None:
        with transaction() as session:
            queue.ring(session, runs.find(session, make_run))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert queued(PLANNED) == []


def test_nothing_in_redis_is_a_pickle(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        queue.ring_stop(session, runs.find(session, make_run))
    queue.ring_looks()
    values = everything_in(queue.redis())
    assert values
    assert not [value for value in values if value.startswith(PICKLE)]


def test_a_pickle_in_redis_is_not_opened(core: Flask, tmp_path: Path) -> None:
    """Whoever reaches Redis must not reach our interpreter."""
    redis, trace = queue.redis(), tmp_path / "evil"
    bomb = zlib.compress(f"cos\nsystem\n(S'touch {trace}'\ntR.".encode())
    redis.hset("rq:job:evil", mapping={"data": bomb, "created_at": "", "origin": WORK})
    redis.rpush(f"rq:queue:{WORK}", "evil")
    SimpleWorker(
        [JsonQueue(WORK, connection=redis)],
        connection=redis,
        job_class=JsonJob,
        queue_class=JsonQueue,
        serializer="json",
    ).work(burst=True, logging_level="CRITICAL")
    assert redis.llen(f"rq:queue:{WORK}") == 0
    assert not trace.exists()


def test_while_redis_is_away_the_row_is_certain(core: Flask, make_run: UUID) -> None:
    core.extensions["redis"] = Redis.from_url("unix:///nonexistent/redis.sock")
    with transaction() as session:
        run = runs.find(session, make_run)
        run.subject = "committed"
        queue.ring(session, run)
    with reading() as session:
        assert runs.find(session, make_run).subject == "committed"
    queue.watch(make_run)
    assert queue.watched([make_run]) == set()


def test_a_run_that_was_rung_for_is_not_rung_for_at_every_tick(make_run: UUID) -> None:
    for _ in range(5):
        queue.ring_again(make_run)
    assert len(queued(PLANNED)) == 1
    queue.redis().flushall()
    queue.ring_again(make_run)
    assert len(queued(PLANNED)) == 1


def test_as_many_rings_as_are_due_are_enough(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session)
        sites = [add_site(session, server, f"s{number}") for number in range(9)]
        ids = [add_run(session, server, site).id for site in sites]
    queue.ring_again(*ids)
    assert len(queued(PLANNED)) == 9
    for name in queue.redis().keys("cloudpilot:rung:*"):
        queue.redis().delete(name)
    queue.ring_again(*ids)
    assert len(queued(PLANNED)) == 9
    queue.redis().lpop(f"rq:queue:{PLANNED}")
    queue.ring_again(*ids)
    assert len(queued(PLANNED)) == 17


def test_what_a_person_waits_for_has_a_queue_of_its_own(core: Flask, make_run: UUID) -> None:
    def rung(**columns: object) -> tuple[int, int, int]:
        queue.redis().flushall()
        with transaction() as session:
            run = runs.find(session, make_run)
            for column, value in columns.items():
                setattr(run, column, value)
            queue.ring(session, run)
        work, planned, patient = (len(queued(name)) for name in (WORK, PLANNED, PATIENT))
        return work, planned, patient

    with transaction() as session:
        somebody = add_person(session).id
    assert rung() == (0, 1, 0)
    assert rung(requested_by=somebody) == (1, 0, 0)
    assert rung(attempts=1) == (0, 0, 1)  # its server did not answer
    assert rung(attempts=0, kind=RunKind.CHECK) == (1, 0, 0)
    assert rung(requested_by=None) == (0, 0, 1)  # the daily Check
    assert rung(kind=RunKind.UNDO) == (1, 0, 0)
    assert rung(attempts=1) == (1, 0, 0)  # a site is down: no Check goes first


def test_what_may_take_minutes_has_minutes_and_a_lease_that_is_longer(core: Flask) -> None:
    """Else another worker would begin the same beside it."""
    with transaction() as session:
        run = runs.add(session, Run(kind=RunKind.CHECK_VAULT, claim="c", subject="a vault"))
        queue.ring(session, run)
    seconds = queue.SECONDS_BY_KIND[RunKind.CHECK_VAULT]
    assert [job.timeout for job in queued(PATIENT)] == [seconds]
    queue.redis().flushall()
    queue.ring_again(run.id)
    assert [job.timeout for job in queued(PATIENT)] == [seconds]
    taken = lifecycle.take(run.id, Status.PENDING)
    assert taken
    assert (taken.next_look_at - clock.now()).total_seconds() > seconds + 5


def test_no_setting_has_fresh_work_on_a_server_taken_for_a_clock_that_was_set_back() -> None:
    """Else a second job would take what one has for itself, or a run be looked at without end."""
    kinds = [kind for kind in RunKind if kind.is_on_server]
    times = max(queue.SECONDS_BY_KIND[kind] for kind in kinds) / JOB_SECONDS
    longest = max(times * LONGEST_LEASE, LONGEST_LOOK)
    assert timedelta(seconds=longest) + timedelta(minutes=5) < pace.FARTHEST
    of_all = max(queue.SECONDS_BY_KIND.values()) / JOB_SECONDS * LONGEST_LEASE
    longest_of_all = max(timedelta(seconds=of_all), pace.BACK_OFF_AT_MOST)
    assert longest_of_all + timedelta(minutes=30) < pace.FARTHEST_OF_ALL


def test_rounds_of_looks_do_not_pile_up(core: Flask) -> None:
    for _ in range(5):
        queue.ring_looks()
    assert len(queued(LOOKS)) == 1


def test_who_is_watched_is_known_for_a_few_seconds(core: Flask) -> None:
    seen, unseen = uuid4(), uuid4()
    queue.watch(seen)
    assert queue.watched([seen, unseen]) == {seen}
    assert queue.watched([]) == set()
    assert 0 < queue.redis().ttl(f"cloudpilot:watched:{seen}") <= queue.WATCHED_SECONDS
