"""Deleting: every copy is removed where it lies, and only what is proven gone counts as gone."""

import logging

from cloudpilot.db import reading
from cloudpilot.domain import backups
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.runs import Run
from cloudpilot.engine import detached
from cloudpilot.errors import CloudPilotError
from cloudpilot.jobs import lifecycle
from cloudpilot.jobs.on_server import connected
from cloudpilot.kinds import Place
from cloudpilot.reports import Report

log = logging.getLogger(__name__)


def perform(run: Run) -> None:
    """Remove the copies. A server that cannot be reached or refuses is asked again, for ever."""
    try:
        roots = _roots(run)
        if roots:
            with connected(run.server_id) as ssh:
                lifecycle.begin(run)
                for root in roots:
                    detached.remove(ssh, root, str(run.backup_id))
        else:
            lifecycle.begin(run)
    except CloudPilotError as error:
        log.warning("run %s: %s: %s", run.id, error.code, error)
        lifecycle.wait(run, error)
    else:
        lifecycle.complete(run, Report(stage="delete", log="Gone from the server.", over=True))


def _roots(run: Run) -> list[str]:
    with reading() as session:
        backup = backups.find(session, run.backup_id) if run.backup_id else None
    copies = backup.copies if backup else []
    return [
        copy.root
        for copy in copies
        if copy.place is Place.SERVER and copy.status is CopyStatus.DELETING and copy.root
    ]
