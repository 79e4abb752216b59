"""Schedules for tests, and how their backups end."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import outcomes, schedules
from cloudpilot.domain.archives import Made
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.runs import Run
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import ACTIVE, Status
from cloudpilot.errors import CloudPilotError
from cloudpilot.kinds import BackupType

MADE = Made(1000, "ab" * 32, 4000, {"files": 10, "directories": 1}, 0, {})


def add_schedule(
    session: Session, server: Server, site: Site | None, cron: str, **columns: Any
) -> Schedule:
    """A schedule of that site, or of /etc of the server."""
    values: dict[str, Any] = {
        "server_id": server.id,
        "site_id": site.id if site else None,
        "type": BackupType.FILES,
        "paths": [] if site else ["/etc"],
        "cron": cron,
        "zone": "UTC",
        # As the test's clock has it: the column's own default is that of the machine.
        "created_at": clock.now(),
    }
    return schedules.add(session, values | columns, None)


def end_all(session: Session, error: CloudPilotError | None = None) -> int:
    """Every backup that is being made is completed, or has failed with `error`; how many."""
    found = session.scalars(select(Backup).where(Backup.status.in_(ACTIVE))).all()
    for backup in found:
        run = session.scalars(select(Run).where(Run.backup_id == backup.id)).one()
        if backup.status is Status.PENDING:
            backup.move(session, Status.RUNNING)
            run.move(session, Status.RUNNING)
        if error:
            run.move(session, Status.FAILED)
            outcomes.lost(session, backup, error)
        else:
            run.move(session, Status.COMPLETED)
            outcomes.completed(session, backup, MADE, [])
    return len(found)
