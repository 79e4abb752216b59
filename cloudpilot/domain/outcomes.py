"""How backups end: what becomes of their rows and copies, and what follows from it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import (
    backups,
    chains,
    goodness,
    reach,
    restore_sources,
    runs,
    shrinkage,
    subjects,
    trees,
    tries,
    uploads,
)
from cloudpilot.domain.archives import Made
from cloudpilot.domain.backups import WARNINGS_KEPT, Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import ACTIVE, Status
from cloudpilot.errors import CloudPilotError
from cloudpilot.kinds import Place, RunKind


def started(session: Session, backup: Backup) -> list[Run]:
    """The server is at it; the run that brings it to its vault meanwhile, if it has one."""
    backup.move(session, Status.RUNNING, started_at=clock.now())
    return [] if backup.is_tree else uploads.begin(session, backup)


def completed(session: Session, backup: Backup, made: Made, warnings: list[str]) -> list[Run]:
    """The archive is there, whole and hashed; so is its copy on the server. Returns the run that
    brings a tree to its vault, which begins only now.

    One that was streamed is not there but on its way: it is completed when the vault has it.
    """
    now = clock.now()
    _describe(session, backup, made, warnings)
    if backup.streamed:
        return []
    backup.move(session, Status.COMPLETED, finished_at=now)
    tries.made(session, backup)
    for copy in (one for one in backup.copies if one.place is Place.SERVER):
        copy.move(
            session,
            CopyStatus.STORED,
            size=made.size if made.own is None else made.own,  # what it takes there
            sha256=made.sha256,
            verified_by="written",
            verified_at=now,
        )
    return uploads.begin(session, backup) if backup.is_tree else []


def uploaded(session: Session, run: Run) -> list[Run]:
    """A vault has proven that it holds the archive; the runs that follow.

    Where that is the only copy the backup is completed now, and what the server has of it goes.
    """
    backup = backups.find(session, uploads.stored(session, run).backup_id)
    if not backup.streamed or backup.status is not Status.RUNNING:
        _is_offsite(session, backup)
        return []
    backup.move(session, Status.COMPLETED, finished_at=clock.now())
    tries.made(session, backup)
    _is_offsite(session, backup)
    return _remove(session, backup, [copy for copy in backup.copies if not copy.vault_id], None)


def _is_offsite(session: Session, backup: Backup) -> None:
    """Its schedule waits for it to be in the vault that it was to go to, and completed."""
    there = (copy for copy in backup.copies if copy.vault_id == backup.vault_id)
    if backup.status is Status.COMPLETED and any(copy.is_stored_in_vault for copy in there):
        tries.is_good(session, backup)


def not_uploaded(session: Session, run: Run, error: CloudPilotError) -> list[Run]:
    """It did not get to its vault; the runs that follow. Streamed, there is no backup then."""
    following = uploads.failed(session, run, error)
    copy = uploads.copy_of(session, run)
    backup = backups.find(session, copy.backup_id)
    given_up = copy.status is CopyStatus.FAILED
    if given_up and backup.streamed and backup.status is Status.RUNNING:
        lost(session, backup, error)
        if not uploads.is_of_old_panel(session, run):
            following += remove(session, backup, by=None)  # which ends the making, too
    return following


def _describe(session: Session, backup: Backup, made: Made, warnings: list[str]) -> None:
    shrunken = shrinkage.warnings(_dumped_before(session, backup), made.census)
    warnings = [*shrunken, *warnings]
    chains.made(backup, made)
    backup.size, backup.sha256, backup.tar_size = made.size, made.sha256, made.tar_size
    backup.counts, backup.tools, backup.own_size = dict(made.counts), dict(made.tools), made.own
    trees.made(backup, made)
    if made.full_because:
        backup.tools = backup.tools | {"full_because": made.full_because}
    backup.warnings = warnings[:WARNINGS_KEPT]
    backup.warning_count = max(made.warnings + len(shrunken), len(warnings))
    backup.census = [dict(database) for database in made.census]
    if backup.level == 0:
        backup.usual_size = subjects.usual_size(session, backup)
    session.flush()


def _dumped_before(session: Session, backup: Backup) -> list[list[dict[str, Any]]]:
    """What was in the dumps of the site's last completed backups that had any, newest first."""
    if not backup.type.has_databases:
        return []
    others = (Backup.site_id == backup.site_id, Backup.id != backup.id)
    made = (Backup.status == Status.COMPLETED, Backup.adopted_at.is_(None))
    dumped = (*made, goodness.has_databases())
    rows = select(Backup.census).where(*others, *dumped).order_by(Backup.created_at.desc())
    return list(session.scalars(rows.limit(shrinkage.LOOKED_AT)))


def failed(session: Session, backup: Backup, error: CloudPilotError, *, sent: bool) -> list[Run]:
    """There is no archive; returns the runs that remove what may have been sent."""
    lost(session, backup, error)
    for copy in backup.copies:
        if copy.place is not Place.VAULT and not sent:
            copy.move(session, CopyStatus.GONE, gone_at=clock.now())
    return remove(session, backup, by=None)


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
    chains.leave(backup)
    tries.failed(session, backup, error)


def removed(session: Session, run: Run) -> None:
    """The copies in one place are proven gone. Without any left, a backup that a person had deleted
    leaves the lists.

    One place after the other: of two that end at once each would still see the other's copy.
    """
    if run.backup_id is None:
        return
    backup, now = backups.locked(session, run.backup_id), clock.now()
    for copy in (one for one in backup.copies if one.status is CopyStatus.DELETING):
        if copy.vault_id == run.vault_id:
            copy.move(session, CopyStatus.GONE, gone_at=now)
    left = [copy for copy in reach.copies(session, backup) if copy.status is not CopyStatus.GONE]
    if backup.delete_requested_at and not left:
        backup.deleted_at = now


def remove(session: Session, backup: Backup, by: Person | None) -> list[Run]:
    """The runs that remove every copy; nobody (`by` None) removes what a failed run left."""
    reach.let_forgotten_go(session, backup)
    return _remove(session, backup, reach.copies(session, backup), by)


def remove_local(session: Session, backup: Backup, by: Person | None) -> list[Run]:
    """The run that removes what is on the server; copies in vaults stay."""
    return _remove(session, backup, [copy for copy in backup.copies if not copy.vault_id], by)


def remove_uploaded(session: Session, backup: Backup) -> list[Run]:
    """The run that removes what is on the server, once the vault has said again that it has it.

    None if all of the backup is being deleted anyway, or an upload or a restore reads it just now.
    """
    backup = backups.locked(session, backup.id)
    is_uploaded_now = any(copy.status is CopyStatus.MAKING for copy in backup.copies)
    if is_uploaded_now or restore_sources.uses(session, backup):
        return []  # it stays due
    for copy in backup.copies:
        copy.remove_at = None  # it has come; the run is tried until it is done
    if deletions(session, backup):
        return []
    run = _deletion(session, backup, None, None)
    run.options = {"uploaded": True}
    return [run]


def let_local_go(session: Session, backup: Backup) -> None:
    """The copy on the server is on its way out."""
    for copy in backup.copies:
        if not copy.vault_id and copy.status in {CopyStatus.STORED, CopyStatus.MISSING}:
            copy.move(session, CopyStatus.DELETING)


def keep_local(session: Session, backup: Backup) -> None:
    """The copy on the server stays after all; a Check says whether it is whole."""
    for copy in backup.copies:
        if not copy.vault_id and copy.status is CopyStatus.DELETING:
            copy.move(session, CopyStatus.STORED)


def _remove(
    session: Session, backup: Backup, copies: Sequence[Copy], by: Person | None
) -> list[Run]:
    """A run for each place. What is still on its way there is stopped."""
    leaving = [copy for copy in copies if copy.status is not CopyStatus.GONE]
    for copy in leaving:
        if copy.status is not CopyStatus.DELETING:
            copy.move(session, CopyStatus.DELETING)
    uploads.stop(session, leaving)
    session.flush()
    at_it = {run.vault_id: run for run in deletions(session, backup)}
    places = dict.fromkeys(copy.vault_id for copy in leaving)
    for run in (at_it[place] for place in places if by and place in at_it):
        run.options = {}  # a person's wish: no vault is asked any more whether it has it, too
    return [_deletion(session, backup, place, by) for place in places if place not in at_it]


def deletions(session: Session, backup: Backup) -> list[Run]:
    """The runs that are deleting copies of it."""
    rows = select(Run).where(
        Run.backup_id == backup.id, Run.kind == RunKind.DELETE, Run.status.in_(ACTIVE)
    )
    return list(session.scalars(rows.order_by(Run.created_at, Run.id)))


def _deletion(session: Session, backup: Backup, vault_id: UUID | None, by: Person | None) -> Run:
    place = f":{vault_id}" if vault_id else ""
    return runs.add(
        session,
        Run(
            kind=RunKind.DELETE,
            claim=f"delete:{backup.id}{place}",
            server_id=backup.server_id,
            vault_id=vault_id,
            cloud_id=next((copy.cloud_id for copy in backup.copies if copy.cloud_id), None),
            backup_id=backup.id,
            requested_by=by.id if by else None,
            subject=backup.subject,
        ),
    )
