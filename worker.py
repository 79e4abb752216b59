"""The background processes.

worker.py          serves all queues: one process that looks, and some that do the rest
worker.py looks    only the first
worker.py work     only one of the second
worker.py asked    only one that does what somebody waits for, and nothing else
worker.py clock    rings for what is due (rq-scheduler)

Each may be started as often as wanted, on as many machines as wanted, and killed at any time.
"""

import gc
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from rq import SimpleWorker, Worker

from cloudpilot import create_core, domain, log, redis_server
from cloudpilot.db import db
from cloudpilot.jobs import leaving, looks, runs, workers  # noqa: F401  (before the fork: their pages are shared)
from cloudpilot.jobs.queue import LOOKS, PATIENT, PLANNED, TICKS, WORK, JsonJob, JsonQueue
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
PAUSE_SECONDS = 1  # before a process that died is replaced


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


def serve_all(settings: Settings) -> None:
    """All of it as children of this process; one that dies is replaced."""
    domain.load()
    gc.collect()
    gc.freeze()  # or the first collection in each child would copy what they share
    starts: list[Callable[[Settings], None]] = [serve_looks, serve_asked, *[serve_work] * WORKERS]
    children = {_child(start, settings): start for start in starts}
    told: set[BaseProcess] = set()
    ends_at = 0.0  # time.monotonic; 0: nobody wants it to end

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal ends_at
        ends_at = ends_at or time.monotonic() + leaving.END_SECONDS

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while children:
        wait([child.sentinel for child in children], timeout=PAUSE_SECONDS / 4)
        for child in [child for child in children if not child.is_alive()]:
            start = children.pop(child)
            child.join()
            if not ends_at:
                time.sleep(PAUSE_SECONDS)  # Redis may be away: not as fast as we can
            if not ends_at:
                children[_child(start, settings)] = start
        if ends_at:
            _tell(children, told, is_late=time.monotonic() > ends_at)


def _tell(children: Iterable[BaseProcess], told: set[BaseProcess], *, is_late: bool) -> None:
    """Ask each once to end; when it is late, do not ask."""
    for child in children:
        if is_late:
            child.kill()
        elif child not in told:
            told.add(child)
            child.terminate()


def _child(start: Callable[[Settings], None], settings: Settings) -> BaseProcess:
    parent = os.getpid()

    def run() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to pass on
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        leaving.end_with_parent(parent)
        start(settings)

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
    log.configure()
    try:
        settings = from_environment(os.environ)
        log.configure(known=settings.secrets())
        redis_server.check(settings)
    except MisconfiguredError as faults:
        sys.exit(str(faults))
    role(settings)


if __name__ == "__main__":
    main(sys.argv[1:])
