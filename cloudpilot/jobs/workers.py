"""What takes jobs out of the queues: in its own process, or in one that it forks for each."""

import os
import signal
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import FrameType

from flask import Flask, current_app
from redis import Redis
from redis.client import Pipeline
from rq import Queue, SimpleWorker, Worker
from rq.executions import Execution
from rq.job import Job
from sqlalchemy.exc import SQLAlchemyError

from cloudpilot.jobs import leaving, opening, pulse

TWICE_SECONDS = 1  # a platform and a parent may both say it: that is once


class _Seen:
    """What both kinds of worker share: that they are there can be seen."""

    connection: Redis
    max_connection_wait_time = 5.0  # seconds until a Redis that was away is asked again

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        super().heartbeat(timeout, pipeline)  # type: ignore[misc]
        pulse.note_worker(self.connection, self.queue_names())  # type: ignore[attr-defined]


class Looking(_Seen, SimpleWorker):
    """Ticks and looks: in this very process, since connections must outlive a job."""

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """In a context of its own: what an interrupted job leaves there is not the next one's."""
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        with app.app_context():
            return super().perform_job(job, queue, execution)


class Forking(_Seen, Worker):
    """Loads the libraries that its vaults need before it forks: else each job would, which takes a
    second. A panel without vaults loads none.

    On SIGTERM its job may go on for a moment, is then interrupted, and in the end killed.
    """

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        with suppress(SQLAlchemyError):  # the job will say so
            opening.load()
        super().fork_work_horse(job, queue)

    def setup_work_horse_signals(self) -> None:
        """In the job's process."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _end_the_job_soon)
        signal.signal(signal.SIGUSR1, _end_the_job)
        leaving.end_with_parent(self.pid or os.getppid())

    def handle_warm_shutdown_request(self) -> None:
        """Told to end: so is the job. It is in a process group of its own."""
        if self.horse_pid:
            self.kill_horse(signal.SIGTERM)

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Asked again and again while a job runs."""
        asked = self._shutdown_requested_date
        if asked and datetime.now(UTC) - asked > timedelta(seconds=leaving.KILL_SECONDS):
            self.kill_horse()
        super().maintain_heartbeats(job, execution)


def _end_the_job_soon(_signal: int, _frame: FrameType | None) -> None:
    def now(_signal: int, frame: FrameType | None) -> None:
        if time.monotonic() - first > TWICE_SECONDS:
            _end_the_job(_signal, frame)

    first = time.monotonic()
    signal.signal(signal.SIGTERM, now)
    soon = threading.Timer(leaving.JOB_SECONDS, os.kill, (os.getpid(), signal.SIGUSR1))
    soon.daemon = True
    soon.start()


def _end_the_job(_signal: int, _frame: FrameType | None) -> None:
    raise leaving.WorkerEndsError
