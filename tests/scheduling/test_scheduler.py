"""The clock: its tick comes back, comes once, and is no pickle."""

from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from redis import Redis

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain import outcomes, runs
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.jobs import queue
from cloudpilot.jobs.queue import LOOKS, PATIENT, PLANNED, TICKS, JsonQueue
from cloudpilot.kinds import RunKind
from cloudpilot.scheduling.scheduler import TICK, TICK_ID, Clock
from cloudpilot.scheduling.tick import STARTS_A_TICK, tick
from tests.jobs.test_queue import PICKLE, everything_in
from tests.support import redis as private_redis
from tests.support.database import SECRET_KEY
from tests.support.panel import running
from tests.support.until import until


def waiting(name: str) -> list[str]:
    return [job.func_name for job in JsonQueue(name, connection=queue.redis()).jobs]


@pytest.fixture
def ours(core: Flask) -> Clock:
    return Clock(core.extensions["redis"])


def test_it_registers_its_tick_and_rings(ours: Clock) -> None:
    until(lambda: ours.enqueue_jobs() and waiting(TICKS), bool, seconds=5)
    assert waiting(TICKS) == [TICK]
    assert TICK_ID in ours


def test_an_emptied_redis_gets_its_tick_back(ours: Clock) -> None:
    ours.enqueue_jobs()
    queue.redis().flushall()
    assert TICK_ID not in ours
    ours.enqueue_jobs()
    assert TICK_ID in ours


def test_ticks_that_nobody_comes_for_do_not_pile_up(ours: Clock) -> None:
    def ring() -> int:
        ours.connection.zadd(ours.scheduled_jobs_key, {TICK_ID: 0})
        ours.enqueue_jobs()
        return len(waiting(TICKS))

    ours.enqueue_jobs()
    assert [ring() for _ in range(5)] == [1] * 5


def test_what_it_leaves_in_redis_is_no_pickle(ours: Clock) -> None:
    ours.enqueue_jobs()
    values = everything_in(queue.redis())
    assert values
    assert not [value for value in values if value.startswith(PICKLE)]


def test_a_tick_rings_for_what_is_due_and_for_nothing_else(core: Flask, make_run: UUID) -> None:
    tick()
    tick()
    assert waiting(PLANNED) == [queue.START]
    assert waiting(LOOKS) == []
    with transaction() as session:
        run = runs.find(session, make_run)
        run.move(session, Status.RUNNING, next_look_at=clock.now() + timedelta(seconds=20))
    tick()
    assert waiting(LOOKS) == []
    with transaction() as session:
        runs.find(session, make_run).next_look_at = clock.now()
    tick()
    tick()
    assert waiting(LOOKS) == [queue.LOOK_ROUND]


def test_a_backup_is_rung_for_however_many_checks_wait(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        long_ago = clock.now() - timedelta(hours=1)
        checks = [Run(kind=RunKind.CHECK, subject="", next_look_at=long_ago) for _ in range(600)]
        session.add_all(checks)
    tick()
    assert waiting(PLANNED) == [queue.START]
    assert waiting(PATIENT) == [queue.START] * STARTS_A_TICK


def test_direct_work_that_a_killed_job_left_is_taken_up_again(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        run = runs.find(session, make_run)
        run.kind = RunKind.CHECK
        run.move(session, Status.RUNNING)
    tick()
    assert waiting(PATIENT) == [queue.START]
    assert waiting(LOOKS) == []


def test_a_removal_that_another_clock_has_begun_ends_no_tick(
    core: Flask, make_run: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction() as session:
        backup = session.get_one(Backup, runs.find(session, make_run).backup_id)
        outcomes.remove_uploaded(session, backup)
        backup.copies[0].remove_at = clock.now()
    monkeypatch.setattr(outcomes, "deletions", lambda *_: [])  # read before the other's commit
    tick()
    assert queue.START in waiting(PLANNED)


def test_a_redis_that_restarts_does_not_end_the_clock(
    core: Flask, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """A platform that sees a process end again and again starts it later and later."""
    home = tmp_path_factory.mktemp("r")
    environ = {
        "DATABASE_URL": core.extensions["settings"].database_url,
        "REDIS_URL": f"unix://{home}/redis.sock",
        "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
    }
    with running(environ, tmp_path) as processes:
        for begun in (False, True):
            with private_redis.running(home) as url, Redis.from_url(url) as redis:
                redis.delete("cloudpilot:seen:clock")
                if not begun:
                    processes.start("clock")
                until(partial(redis.exists, "cloudpilot:seen:clock"), bool)
        assert processes.stop("clock") == 0
