"""The background processes.

worker.py          serves all queues: one process that looks, and some that do the rest
worker.py looks    only the first
worker.py work     only one of the second
worker.py asked    only one that does what somebody waits for, and nothing else
worker.py clock    rings for what is due (rq-scheduler)

Each may be started as often as wanted, on as many machines as wanted, and killed at any time.
"""

import gc
import logging
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from redis.exceptions import RedisError
from rq import SimpleWorker, Worker

from cloudpilot import create_core, domain, redis_server
from cloudpilot.db import db
from cloudpilot.jobs import leaving, looks, runs, waiting, workers  # noqa: F401  (before the fork: their pages are shared)
from cloudpilot.jobs.queue import LOOKS, PATIENT, PLANNED, TICKS, WORK, JsonJob, JsonQueue
from cloudpilot.log import configure
from cloudpilot.scheduling import tick  # noqa: F401
from cloudpilot.scheduling.scheduler import Clock
from cloudpilot.settings import MisconfiguredError, Settings, from_environment

WORKERS = 2  # that do all kinds of work, beside the one that looks and the one that is kept free
WORKER_OPTIONS: dict[str, Any] = {
    "worker_ttl": 30,
    "job_monitoring_interval": 3,
    "maintenance_interval": 15,
}
FILES = 8192  # that the process that looks may have open
PAUSE_SECONDS, LONGEST_PAUSE = 1, 5  # before a process that died is replaced
LIVED_SECONDS = 10  # who has lived for so long did not die of how it began

log = logging.getLogger("worker")


def _may_open_many() -> None:
    """Each server that is looked at is an open file; most systems allow 1,024 unless asked."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wished = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    if now != resource.RLIM_INFINITY and now < wished:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wished, most))


def serve_looks(settings: Settings) -> None:
    """Ticks and looks, until SIGTERM."""
    _may_open_many()
    _serve(settings, workers.Looking, TICKS, LOOKS)
    looks.end(leaving.JOB_SECONDS)
    sys.stderr.flush()
    os._exit(0)  # a look that hangs would keep the process


def serve_work(settings: Settings) -> None:
    """Starts, stops, checks, deletions: each in a process of its own."""
    os.register_at_fork(after_in_child=_forget_connections)
    _serve(settings, workers.Forking, WORK, PLANNED, PATIENT)


def serve_asked(settings: Settings) -> None:
    """The same of what somebody waits for: however long the rest takes, this one is free."""
    os.register_at_fork(after_in_child=_forget_connections)
    _serve(settings, workers.Forking, WORK)


def serve_clock(settings: Settings) -> None:
    """The clock."""
    Clock(redis_server.client(settings, **redis_server.IMPATIENT)).serve()


def _serve(settings: Settings, kind: type[Worker | SimpleWorker], *queues: str) -> None:
    waiting.in_one_line()
    waiting.for_redis(settings)
    app = create_core(settings)
    connection = app.extensions["redis"]
    with app.app_context():
        kind(
            [JsonQueue(name, connection=connection) for name in queues],
            connection=connection,
            job_class=JsonJob,
            queue_class=JsonQueue,
            serializer="json",
            log_job_description=False,
            **WORKER_OPTIONS,
        ).work(logging_level=None)


def _forget_connections() -> None:
    """A forked job must not talk over its parent's database connections."""
    db.engine.dispose(close=False)


@dataclass(slots=True)
class _Post:
    """One of the children, and when another takes its place."""

    start: Callable[[Settings], None]
    child: BaseProcess | None = None
    pause: float = 0
    changes_at: float = 0  # time.monotonic: of a child, its start; of none, the next one's

    def fill(self, settings: Settings) -> None:
        """Begin a child if there is none and it is time for one."""
        if self.child is None and time.monotonic() >= self.changes_at:
            self.child, self.changes_at = _child(self.start, settings), time.monotonic()

    def leave(self) -> None:
        """It has died. What ends by itself again and again has a reason that stays for a while."""
        if self.child is None or self.child.is_alive():
            return
        self.child.join()
        has_lived = time.monotonic() - self.changes_at > LIVED_SECONDS
        again = has_lived or (self.child.exitcode or 0) < 0  # killed: that is nothing of ours
        self.pause = PAUSE_SECONDS if again else min(2 * self.pause or PAUSE_SECONDS, LONGEST_PAUSE)
        self.child, self.changes_at = None, time.monotonic() + self.pause


def serve_all(settings: Settings) -> None:
    """All of it as children of this process; one that dies is replaced."""
    domain.load()
    gc.collect()
    gc.freeze()  # or the first collection in each child would copy what they share
    posts = [_Post(start) for start in (serve_looks, serve_asked, *[serve_work] * WORKERS)]
    told: set[BaseProcess] = set()
    ends_at = 0.0  # time.monotonic; 0: nobody wants it to end

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal ends_at
        ends_at = ends_at or time.monotonic() + leaving.END_SECONDS

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while True:
        for post in posts:
            post.leave()
            if not ends_at:
                post.fill(settings)
        children = [post.child for post in posts if post.child]
        if ends_at:
            if not children:
                return
            _tell(children, told, is_late=time.monotonic() > ends_at)
        wait([child.sentinel for child in children], timeout=PAUSE_SECONDS / 4)


def _tell(children: Iterable[BaseProcess], told: set[BaseProcess], *, is_late: bool) -> None:
    """Ask each once to end; when it is late, do not ask."""
    for child in children:
        if is_late:
            child.kill()
        elif child not in told:
            told.add(child)
            child.terminate()


def _played(role: Callable[[Settings], None], settings: Settings) -> None:
    """A role until its end. What ends it otherwise is one line of the log, and status 1."""
    try:
        role(settings)
    except RedisError as error:
        waiting.told.tell(f"Redis does not answer: {type(error).__name__}")
    except MisconfiguredError as fault:
        log.error("%s", fault)  # noqa: TRY400  (it says all that there is to say)
    except Exception:
        log.exception("%s has ended", role.__name__)
    else:
        return
    sys.stderr.flush()
    os._exit(1)  # a look that hangs would keep the process


def _child(start: Callable[[Settings], None], settings: Settings) -> BaseProcess:
    parent = os.getpid()

    def run() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to pass on
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        leaving.end_with_parent(parent)
        _played(start, settings)

    child = multiprocessing.get_context("fork").Process(target=run, name=start.__name__)
    child.start()
    return child


ROLES = {
    "": serve_all,
    "looks": serve_looks,
    "work": serve_work,
    "asked": serve_asked,
    "clock": serve_clock,
}


def main(arguments: list[str]) -> None:
    """Start what the command line names."""
    role = ROLES.get(arguments[0] if arguments else "")
    if role is None:
        sys.exit(f"usage: worker.py [{'|'.join(name for name in ROLES if name)}]")
    configure()
    try:
        settings = from_environment(os.environ)
        configure(known=settings.secrets())
        redis_server.check(settings)
    except MisconfiguredError as faults:
        sys.exit(str(faults))
    _played(role, settings)


if __name__ == "__main__":
    main(sys.argv[1:])
