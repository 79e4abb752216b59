"""One tick: milliseconds, harmless to repeat, and at home in any process.

It starts nothing itself. It rings for rows whose time has come: whatever was lost between the
database and the queue (a killed worker, an emptied Redis) is rung for again here.
"""

from cloudpilot.db import reading
from cloudpilot.domain import runs
from cloudpilot.domain.status import Status
from cloudpilot.jobs import queue
from cloudpilot.jobs.runs import DIRECT
from cloudpilot.kinds import RunKind

STARTS_A_TICK = 500


def tick() -> None:
    """Ring for every run that is due: to be started, taken up again, or looked at."""
    with reading() as session:
        waiting = runs.due(session, STARTS_A_TICK, Status.PENDING, kinds=list(RunKind))
        left = runs.due(session, STARTS_A_TICK, Status.RUNNING, kinds=list(DIRECT))
        looks = runs.due(session, 1, Status.RUNNING, kinds=[RunKind.MAKE])
    for run_id in (*waiting, *left):
        queue.ring_again(run_id)
    if looks:
        queue.ring_looks()
