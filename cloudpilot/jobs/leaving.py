"""A worker that must end, while a job is under way: what the job has is given back, not kept until
its lease is over."""

import logging
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
