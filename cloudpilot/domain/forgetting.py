"""Leaving a vault that nobody can empty any more: its bucket was closed, its key is lost.

Nothing there is proven gone: each copy keeps a sentence that says so. A backup that lies elsewhere,
too, stays as it is; one that lay only there is missing from now on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import backups, reach, removals, vault_use
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.presence import STORED
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import ACTIVE
from cloudpilot.domain.uploads import OF_UPLOADS
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import BackupInProgress, InvalidConfig, VaultForgotten

WHY = "Its vault was forgotten: nobody has proven that it is gone."


@dataclass(frozen=True, slots=True)
class Loss:
    """What it means to forget a vault.

    lost       backups of which no other copy is known
    elsewhere  backups that are on their server or in another vault, too
    given_up   pieces of work there that never end: deletions, uploads that are taken back
    """

    lost: Sequence[Backup]
    elsewhere: int
    given_up: int


def loss(session: Session, vault: Vault) -> Loss:
    """What would be lost."""
    there = [copy for copy in _copies(session, vault) if copy.status in STORED]
    lost = [
        backup
        for copy in there
        if not _is_elsewhere(backup := backups.find(session, copy.backup_id), copy)
    ]
    return Loss(lost, len(there) - len(lost), len(_runs(session, vault)))


def forget(session: Session, vault: Vault, typed: str) -> list[UUID]:
    """It leaves the panel with its secret, whatever lies there; the caller has it locked.

    typed  its name, to be sure

    Returns the runs that are to end, since they have nothing to do any more. Raises InvalidConfig,
    InvalidState while sites or schedules use it, BackupInProgress while anything is sent there.
    """
    if typed.strip() != vault.name:
        raise InvalidConfig("Type the vault's name as it is written here.")
    vault_use.refuse_while_chosen(vault_use.of(session, vault))
    runs = _runs(session, vault)
    for run in runs:
        if run.kind in OF_UPLOADS:
            raise BackupInProgress(removals.pending(run))
    now = clock.now()
    vault.removed_at, vault.secret, vault.next_check_at = now, "", None
    session.execute(
        update(VaultObject)
        .where(VaultObject.vault_id == vault.id, VaultObject.gone_at.is_(None))
        .values(gone_at=now, upload_secret="", parts=None)
    )
    for copy in _copies(session, vault):
        _leave(session, copy)
    return [run.id for run in runs]


def _leave(session: Session, copy: Copy) -> None:
    backup, because = _find(session, copy), VaultForgotten(WHY)
    if copy.status in STORED and not _is_elsewhere(backup, copy):
        copy.missing_why = WHY
        if copy.status is CopyStatus.STORED:
            copy.move(session, CopyStatus.MISSING, because=because, missing_at=clock.now())
    else:
        reach.let_go(session, copy, because)
    left = [one for one in backup.copies if one.status is not CopyStatus.GONE]
    if backup.delete_requested_at and not left:
        backup.deleted_at = clock.now()


def _find(session: Session, copy: Copy) -> Backup:
    """Locked, if it is being deleted: of two places that are left at once each would still see the
    other's copy."""
    backup = backups.find(session, copy.backup_id)
    return backups.locked(session, backup.id) if backup.delete_requested_at else backup


def _is_elsewhere(backup: Backup, but: Copy) -> bool:
    stored = (copy for copy in backup.copies if copy.status is CopyStatus.STORED)
    return any(copy.vault_id != but.vault_id for copy in stored)


def _copies(session: Session, vault: Vault) -> Sequence[Copy]:
    rows = select(Copy).where(Copy.vault_id == vault.id, Copy.status != CopyStatus.GONE)
    return session.scalars(rows.order_by(Copy.backup_id, Copy.id)).all()


def _runs(session: Session, vault: Vault) -> Sequence[Run]:
    rows = select(Run).where(Run.vault_id == vault.id, Run.status.in_(ACTIVE))
    return session.scalars(rows.order_by(Run.created_at, Run.id)).all()
