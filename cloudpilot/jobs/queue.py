"""The queue: a doorbell. It may ring twice or not at all; the rows say what there is to do."""

from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Any
from uuid import UUID

from flask import current_app
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer
from sqlalchemy.orm import Session

from cloudpilot.db import after_commit, reading
from cloudpilot.domain import leases, turns
from cloudpilot.domain.runs import Run
from cloudpilot.domain.turns import Turn
from cloudpilot.kinds import RunKind
from cloudpilot.options import JOB_SECONDS
from cloudpilot.settings import Settings

# Starts, stops, checks, deletions, for forking workers, in this order.
WORK, PLANNED, PATIENT = (turn.value for turn in Turn)
LOOKS = "looks"  # look_round: one process that keeps its connections
TICKS = "ticks"  # what the clock asks for; milliseconds each

START = "cloudpilot.jobs.runs.start"
STOP = "cloudpilot.jobs.runs.stop"
LOOK_ROUND = "cloudpilot.jobs.looks.look_round"

# A store may take minutes to make an object of ten thousand parts, or to list and delete many; one
# that takes a connection and never answers is given up by a call after three (connections).
SECONDS_BY_KIND = defaultdict(
    lambda: JOB_SECONDS,
    {
        RunKind.CHECK: 100,
        RunKind.CHECK_VAULT: 150,
        RunKind.ADOPT: 240,
        RunKind.SIGN: 240,
        RunKind.SURVEY: 240,
        RunKind.LIST: 240,
        RunKind.UPLOAD: 240,
        RunKind.VERIFY: 600,
        RunKind.ABANDON: 240,
        RunKind.DELETE: 240,
        RunKind.SNAPSHOT: 240,
        RunKind.CHECK_CLOUD: 240,
        RunKind.CREATE: 240,
        RunKind.EXPORT: 600,
    },
)
QUEUED_SECONDS = 300  # a ring that nobody has heard by then is not worth hearing
WATCHED_SECONDS = 6  # a page asks every two


class JsonJob(Job):
    """A job whose arguments are JSON: whoever reaches Redis must not reach our interpreter."""

    def __init__(
        self,
        id: str | None = None,  # noqa: A002  (rq's own name for it)
        connection: Redis | None = None,
        serializer: Any = None,
    ) -> None:
        super().__init__(id, connection, serializer or JSONSerializer)


class JsonQueue(Queue):
    """A queue of JsonJobs, however it is made."""

    job_class = JsonJob

    def __init__(self, *args: Any, **options: Any) -> None:
        options["serializer"] = JSONSerializer
        options["job_class"] = JsonJob
        super().__init__(*args, **options)


def redis() -> Redis:
    """This application's Redis."""
    connection: Redis = current_app.extensions["redis"]
    return connection


def ring(session: Session, run: Run) -> None:
    """Have `run` started as soon as the transaction is committed."""
    after_commit(session, partial(_start, run))


def ring_stop(session: Session, run: Run) -> None:
    """Have the wish to stop `run` passed on as soon as the transaction is committed."""
    after_commit(session, partial(_send, WORK, STOP, run.id, JOB_SECONDS))


def ring_again(*run_ids: UUID) -> None:
    """Have due runs started, but those that were rung for just now, by a mark in Redis.

    Where a queue is as long as what is due, all of that may be in it: more rings would only make
    it longer.
    """
    settings: Settings = current_app.extensions["settings"]
    pause = max(1, int(settings.lease_seconds / 2))
    with reading() as session:
        due = leases.some(session, run_ids)
    for name in (WORK, PLANNED, PATIENT):
        of_queue = [run for run in due if turns.of(run) == name]
        if JsonQueue(name, connection=redis()).count < len(of_queue):
            for run in of_queue:
                if redis().set(f"cloudpilot:rung:{run.id}", 1, nx=True, ex=pause):
                    _start(run)


def ring_looks() -> None:
    """Have a round of looks done, unless one is waiting to be done."""
    queue = JsonQueue(LOOKS, connection=redis())
    if queue.count == 0:
        queue.enqueue_call(LOOK_ROUND, timeout=JOB_SECONDS, result_ttl=0, ttl=QUEUED_SECONDS)


def lookers() -> int:
    """How many processes look; this one, if Redis cannot say."""
    try:
        return int(Worker.count(connection=redis(), queue=JsonQueue(LOOKS, connection=redis())))
    except RedisError:
        return 1


def watch(*run_ids: UUID) -> None:
    """Somebody is looking at these runs. Never raises: a page does not need Redis."""
    try:
        with redis().pipeline(transaction=False) as marks:
            for run_id in run_ids:
                marks.set(f"cloudpilot:watched:{run_id}", 1, ex=WATCHED_SECONDS)
            marks.execute()
    except RedisError:
        return


def watched(run_ids: Iterable[UUID]) -> set[UUID]:
    """Which of these somebody is looking at; nobody, if Redis cannot say."""
    ids = list(run_ids)
    try:
        marks = redis().mget([f"cloudpilot:watched:{run_id}" for run_id in ids]) if ids else []
    except RedisError:
        return set()
    return {run_id for run_id, mark in zip(ids, marks, strict=True) if mark}


def _start(run: Run) -> None:
    _send(turns.of(run).value, START, run.id, SECONDS_BY_KIND[run.kind])


def _send(queue: str, job: str, run_id: UUID, seconds: int) -> None:
    """The row is certain, the ring is not: if Redis is away now, the clock rings again."""
    try:
        JsonQueue(queue, connection=redis()).enqueue_call(
            job,
            args=(str(run_id),),
            timeout=seconds,
            result_ttl=0,
            failure_ttl=3600,
            ttl=QUEUED_SECONDS,
        )
    except RedisError as error:
        current_app.logger.warning("not rung for %s: %s", run_id, type(error).__name__)
