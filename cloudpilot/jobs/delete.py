"""Deleting: every copy is removed where it lies, and only what is proven gone counts as gone."""

from cloudpilot.db import reading
from cloudpilot.domain import backups
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.runs import Run
from cloudpilot.engine import detached
from cloudpilot.jobs import lifecycle
from cloudpilot.jobs.on_server import connected
from cloudpilot.reports import Report


def perform(run: Run) -> None:
    """Remove the copies; whatever comes between, it is tried again until they are gone."""
    copies = _copies(run)
    if copies:
        with connected(run.at) as ssh:
            lifecycle.begin(run)
            for copy in copies:
                stored = copy.sha256 is not None
                detached.remove(ssh, copy.root or "", str(run.backup_id), stored=stored)
    else:
        lifecycle.begin(run)
    lifecycle.complete(run, Report(stage="delete", log="Gone from the server.", over=True))


def _copies(run: Run) -> list[Copy]:
    with reading() as session:
        backup = backups.find(session, run.backup_id) if run.backup_id else None
    copies = backup.copies if backup else []
    return [copy for copy in copies if copy.status is CopyStatus.DELETING and copy.root]
