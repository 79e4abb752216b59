"""A worker that must end, while a job is under way: what the job has is given back, not kept until
its lease is over."""

import ctypes
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain import runs
from cloudpilot.domain.runs import Run
from cloudpilot.jobs import queue

log = logging.getLogger(__name__)

JOB_SECONDS = 4  # for which a job may go on when its worker must end
KILL_SECONDS = 6  # after so many it is killed; docker gives ten until it kills, a PaaS thirty
END_SECONDS = 9  # after so many nothing of a worker is left
PR_SET_PDEATHSIG = 1  # prctl(2)


class WorkerEndsError(BaseException):
    """Raised in a job whose worker must end now; no broad `except` may keep it."""


@contextmanager
def given_back(run: Run) -> Iterator[None]:
    """If the worker must end meanwhile, the next may begin the run again at once."""
    try:
        yield
    except WorkerEndsError:
        log.info("run %s: given back, since the worker ends", run.id)
        with transaction() as session:
            row = runs.find(session, run.id)
            runs.put_off(session, row, None, next_look_at=clock.now())
            queue.ring(session, row)


def end_with_parent(parent: int) -> None:
    """SIGTERM for this process when its parent dies, whatever that dies of."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it has died before we asked to be told
        os._exit(0)
