"""Uploads: how a backup comes to a vault, and what becomes of its copy there.

UPLOAD is the server's work: it sends the parts. VERIFY is the vault's word that the object is whole
and the archive's. Until then the copy is not stored; an attempt that is given up is taken back by
ABANDON until nothing of it is left.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy.orm.interfaces import ORMOption

from cloudpilot import clock
from cloudpilot.domain import backups, readable, runs
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.objects import ARCHIVE, VaultObject
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import ACTIVE
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import (
    CloudPilotError,
    InvalidState,
    RunKilled,
    RunLost,
    VaultDenied,
    VaultMissing,
)
from cloudpilot.kinds import Place, RunKind

GOES_ON_AT_MOST = 10  # times that an upload is taken up again after its process was lost
AGAIN = {CopyStatus.FAILED, CopyStatus.MISSING}  # what a vault is asked to take once more
OF_UPLOADS = (RunKind.UPLOAD, RunKind.VERIFY)


def begin(session: Session, backup: Backup) -> list[Run]:
    """The upload that its wish asks for; none if it is to go nowhere."""
    vault = session.get(Vault, backup.vault_id) if backup.vault_id else None
    return [_begin(session, _new_copy(session, backup, vault), backup, None)] if vault else []


def ask(session: Session, backup: Backup, vault: Vault, by: Person) -> Run:
    """Bring a completed backup to a vault, for the first time or again.

    Raises NotCompleted, InvalidState if it is there or on its way, or cannot be read any more.
    """
    backup = backups.locked(session, backup.id)  # who asks at the same time sees this copy
    readable.refuse_others(session, backup)
    copy = of_vault(backup, vault.id)
    _plan_anew(backup)
    if copy is None:
        return _begin(session, _new_copy(session, backup, vault), backup, by)
    if copy.status not in AGAIN:
        raise InvalidState(f"{vault.name}: the copy there is {copy.status}.")
    nothing = dict.fromkeys(("error_code", "error_detail", "missing_at", "missing_why"))
    copy.move(session, CopyStatus.MAKING, **nothing)
    return _begin(session, copy, backup, by)


def _plan_anew(backup: Backup) -> None:
    """Where no vault has it the copy on the server stays until one has."""
    if not any(copy.is_stored_in_vault for copy in backup.copies):
        for copy in backup.copies:
            copy.remove_at = None


def of_vault(backup: Backup, vault_id: UUID) -> Copy | None:
    """The copy in that vault that is not gone."""
    there = (copy for copy in backup.copies if copy.vault_id == vault_id)
    return next((copy for copy in there if copy.status is not CopyStatus.GONE), None)


def vault_of(run: Run) -> UUID:
    """The vault that a run works with; raises RunLost if the row says nothing of it."""
    if run.vault_id is None:
        raise RunLost("The run has no vault.")
    return run.vault_id


def copy_of(session: Session, run: Run) -> Copy:
    """What a run of this page works on; raises RunLost if the row says nothing of it."""
    copy = session.get(Copy, UUID(str(run.options.get("copy"))))
    if copy is None:
        raise RunLost("The copy is gone.")
    return copy


def attempt_of(run: Run) -> UUID:
    """What the objects have in common that a run works on."""
    return UUID(str(run.options["attempt"]))


def objects_of(session: Session, run: Run, *options: ORMOption) -> list[VaultObject]:
    """The objects of the attempt that a run works on, those that were begun, the archive first."""
    rows = select(VaultObject).where(VaultObject.attempt == attempt_of(run)).options(*options)
    return list(session.scalars(rows.order_by(VaultObject.name)))


def under_way(session: Session, copy: Copy) -> list[Run]:
    """Runs that still bring it there."""
    rows = select(Run).where(
        Run.backup_id == copy.backup_id, Run.status.in_(ACTIVE), Run.kind.in_(OF_UPLOADS)
    )
    return [run for run in session.scalars(rows) if run.options.get("copy") == str(copy.id)]


def latest(session: Session, copy: Copy) -> Run | None:
    """The newest run that brings it there."""
    rows = select(Run).where(Run.backup_id == copy.backup_id, Run.kind.in_(OF_UPLOADS))
    found = session.scalars(rows.order_by(Run.created_at.desc(), Run.id))
    return next((run for run in found if run.options.get("copy") == str(copy.id)), None)


def sent(session: Session, run: Run) -> list[Run]:
    """All parts were sent; the run that has the vault prove it."""
    if copy_of(session, run).status is not CopyStatus.MAKING:
        return []
    return [_follow(session, run, RunKind.VERIFY)]


def stored(session: Session, run: Run) -> Copy:
    """The vault has proven that it holds the archive."""
    copy = copy_of(session, run)
    backup = backups.find(session, copy.backup_id)
    [archive] = [one for one in objects_of(session, run) if one.name == ARCHIVE]
    now = clock.now()
    copy.move(
        session,
        CopyStatus.STORED,
        size=archive.size,
        sha256=archive.sha256 or backup.sha256,
        verified_by=archive.verified_by,
        verified_at=now,
    )
    local = backup.server_copy
    if backup.local_days is not None and local and local.status is CopyStatus.STORED:
        local.remove_at = now + timedelta(days=backup.local_days)
    return copy


def failed(session: Session, run: Run, error: CloudPilotError) -> list[Run]:
    """It did not get there: it goes on if only its process was lost, else it is taken back.

    What the panel before this one has begun is left alone: it may have brought it there.
    """
    copy = copy_of(session, run)
    if copy.status is not CopyStatus.MAKING:
        return []  # it is being deleted, which takes care of all that is there
    times = int(run.options.get("times", 0))
    is_old = is_of_old_panel(session, run)
    if not is_old and _may_go_on(session, run, copy, error) and times < GOES_ON_AT_MOST:
        return _go_on(session, run, copy, times + 1)
    copy.move(
        session,
        CopyStatus.FAILED,
        because=error,
        error_code=error.code,
        error_detail=str(error),
    )
    # Refused at the first question nothing was begun; later an answer may have been lost before.
    refused = isinstance(error, VaultDenied | VaultMissing) and not run.attempts
    nothing = refused and not objects_of(session, run)
    return [] if nothing or is_old else [_follow(session, run, RunKind.ABANDON)]


def is_of_old_panel(session: Session, run: Run) -> bool:
    """Whether the panel before this one has begun the attempt that a run works on."""
    return run.of_old_panel or any(one.of_old_panel for one in objects_of(session, run))


def _go_on(session: Session, run: Run, copy: Copy, times: int) -> list[Run]:
    """With the same attempt; what was made of a tree for the first one is not there any more."""
    if not backups.find(session, copy.backup_id).is_tree:
        return [_follow(session, run, RunKind.UPLOAD, times=times)]
    again = _follow(session, run, RunKind.UPLOAD, times=times, attempt=str(uuid4()))
    return [again, _follow(session, run, RunKind.ABANDON)]


def _may_go_on(session: Session, run: Run, copy: Copy, error: CloudPilotError) -> bool:
    """What was lost with its process; without a local file what was sent is nowhere else."""
    lost = isinstance(error, RunLost | RunKilled) and run.kind is RunKind.UPLOAD
    backup = backups.find(session, copy.backup_id)
    return lost and not backup.streamed and run.stop_requested_at is None


def _new_copy(session: Session, backup: Backup, vault: Vault) -> Copy:
    copy = Copy(id=uuid4(), place=Place.VAULT, vault_id=vault.id, name=backup.archive)
    backup.copies.append(copy)
    session.flush()
    return copy


def _begin(session: Session, copy: Copy, backup: Backup, by: Person | None) -> Run:
    # What is streamed is told at once to which upload it goes, and has one attempt.
    attempt = backup.id if backup.streamed else uuid4()
    options = {"copy": str(copy.id), "attempt": str(attempt)}
    return _add(session, RunKind.UPLOAD, copy, backup, options, by.id if by else None)


def _follow(session: Session, run: Run, kind: RunKind, **more: object) -> Run:
    """What comes after a run, about the same attempt."""
    copy = copy_of(session, run)
    backup = backups.find(session, copy.backup_id)
    options = {name: run.options[name] for name in ("copy", "attempt")} | more
    return _add(session, kind, copy, backup, options, run.requested_by)


def _add(
    session: Session,
    kind: RunKind,
    copy: Copy,
    backup: Backup,
    options: Mapping[str, object],
    by: UUID | None,
) -> Run:
    # An attempt that is taken back does not keep the next one from beginning.
    claimed = options["attempt"] if kind is RunKind.ABANDON else copy.id
    return runs.add(
        session,
        Run(
            kind=kind,
            claim=f"{kind}:{claimed}",
            server_id=backup.server_id,
            vault_id=copy.vault_id,
            backup_id=backup.id,
            requested_by=by,
            subject=backup.subject,
            options=dict(options),
        ),
    )


def stop(session: Session, copies: Sequence[Copy]) -> None:
    """What still brings these there is to end; it hears of it at its next look."""
    for copy in copies:
        for run in under_way(session, copy):
            with suppress(InvalidState):  # it has just ended by itself
                runs.request_stop(session, run)
