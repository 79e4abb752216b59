"""Removing the folder in which a restore has worked, until it is proven gone."""

from cloudpilot.db import reading
from cloudpilot.domain import restores
from cloudpilot.domain.runs import Run
from cloudpilot.engine import detached
from cloudpilot.jobs import lifecycle
from cloudpilot.jobs.on_server import connected
from cloudpilot.reports import Report


def perform(run: Run) -> None:
    """Scripts and logs; what was there before has been put back, or is gone, already."""
    with reading() as session:
        restore = restores.of_run(session, run)
    with connected(run.at) as ssh:
        lifecycle.begin(run)
        detached.remove(ssh, restore.root, str(restore.id))
    lifecycle.complete(run, Report(stage="clear", log="Nothing of it is left.", over=True))
