"""How backups end: what becomes of their rows and copies, and what follows from it."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import backups, runs, shrinkage
from cloudpilot.domain.archives import Made
from cloudpilot.domain.backups import WARNINGS_KEPT, Backup
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.errors import CloudPilotError
from cloudpilot.kinds import BackupType, Place, RunKind


def started(session: Session, backup: Backup) -> None:
    """The server is at it."""
    backup.move(session, Status.RUNNING, started_at=clock.now())


def completed(session: Session, backup: Backup, made: Made, warnings: list[str]) -> None:
    """The archive is there, whole and hashed; so is its copy on the server."""
    now = clock.now()
    shrunken = shrinkage.warnings(_dumped_before(session, backup), made.census)
    warnings = [*shrunken, *warnings]
    backup.move(
        session,
        Status.COMPLETED,
        finished_at=now,
        size=made.size,
        sha256=made.sha256,
        tar_size=made.tar_size,
        counts=dict(made.counts),
        tools=dict(made.tools),
        warnings=warnings[:WARNINGS_KEPT],
        warning_count=max(made.warnings + len(shrunken), len(warnings)),
        census=[dict(database) for database in made.census],
    )
    for copy in (one for one in backup.copies if one.place is Place.SERVER):
        copy.move(
            session,
            CopyStatus.STORED,
            size=made.size,
            sha256=made.sha256,
            verified_by="written",
            verified_at=now,
        )


def _dumped_before(session: Session, backup: Backup) -> list[list[dict[str, Any]]]:
    """What was in the dumps of the site's last completed backups that had any, newest first."""
    if not backup.type.has_databases:
        return []
    others = (Backup.site_id == backup.site_id, Backup.id != backup.id)
    dumped = (Backup.status == Status.COMPLETED, Backup.type != BackupType.FILES)
    rows = select(Backup.census).where(*others, *dumped).order_by(Backup.created_at.desc())
    return list(session.scalars(rows.limit(shrinkage.LOOKED_AT)))


def failed(session: Session, backup: Backup, error: CloudPilotError, *, sent: bool) -> Run | None:
    """There is no archive; returns the run that removes what may have been sent."""
    lost(session, backup, error)
    if sent:
        return remove(session, backup, by=None)
    for copy in backup.copies:
        copy.move(session, CopyStatus.GONE, gone_at=clock.now())
    return None


def lost(session: Session, backup: Backup, error: CloudPilotError) -> None:
    """It counts as failed; its copy stays as it was last seen, until somebody deletes it."""
    backup.move(
        session,
        Status.FAILED,
        because=error,
        finished_at=clock.now(),
        error_code=error.code,
        error_detail=str(error),
    )


def removed(session: Session, run: Run) -> None:
    """Every copy is proven gone. One that a person had deleted leaves the lists."""
    backup, now = backups.find(session, run.backup_id) if run.backup_id else None, clock.now()
    if backup is None:
        return
    for copy in (one for one in backup.copies if one.status is CopyStatus.DELETING):
        copy.move(session, CopyStatus.GONE, gone_at=now)
    if run.requested_by is not None:
        backup.deleted_at = now


def remove(session: Session, backup: Backup, by: Person | None) -> Run:
    """The run that removes every copy; nobody (`by` None) removes what a failed run left."""
    for copy in backup.copies:
        if copy.status not in {CopyStatus.DELETING, CopyStatus.GONE}:
            copy.move(session, CopyStatus.DELETING)
    return runs.add(
        session,
        Run(
            kind=RunKind.DELETE,
            claim=f"delete:{backup.id}",
            server_id=backup.server_id,
            backup_id=backup.id,
            requested_by=by.id if by else None,
            subject=backup.subject,
        ),
    )
