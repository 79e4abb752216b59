"""The vault's word: what a server has sent becomes an object only when the vault has proven it."""

import logging

from sqlalchemy.orm import undefer

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, proofs, runs, uploads
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.objects import ARCHIVE, NAMES, VaultObject
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.errors import ChecksumMismatch, CloudPilotError, NotCompleted, RunStopped
from cloudpilot.jobs import emptying, lifecycle, opening, sign, signing, stored
from cloudpilot.reports import Report
from cloudpilot.vaults.base import StoredObject, Vault
from cloudpilot.vaults.uploads import Receipt

log = logging.getLogger(__name__)


def perform(run: Run) -> None:
    """Have each object of an attempt made; one that is there already is left."""
    with reading() as session:
        copy = uploads.copy_of(session, run)
        backup = backups.find(session, copy.backup_id)
    if copy.status is not CopyStatus.MAKING:
        raise RunStopped("The copy is no longer wanted.")
    if backup.sha256 is None:
        _wait_for_the_archive(run, backup)
        return
    lifecycle.begin(run)
    vault, rows = opening.vault(uploads.vault_of(run)), {row.name: row for row in _rows(run)}
    _compare(backup, rows[ARCHIVE])
    for name in NAMES:
        if rows[name].stored_at is None:
            _keep(rows[name], _complete(vault, rows[name]))
    _look_again(vault, run)
    left = _end_the_rest(vault, f"{signing.folder_of(backup)}{uploads.attempt_of(run)}/")
    lifecycle.complete(run, Report(stage="verify", log=_words(run) + left, over=True))
    sign.after_upload(vault, run)


def _complete(vault: Vault, row: VaultObject) -> StoredObject:
    receipts = [
        Receipt(int(str(number)), int(str(size)), str(md5), str(answer))
        for number, size, md5, answer in row.parts or ()
    ]
    return vault.complete(signing.opened(row), receipts, row.size or 0, md5=row.md5)


def _keep(row: VaultObject, made: StoredObject) -> None:
    with transaction() as session:
        found = session.get_one(VaultObject, row.id)
        found.key, found.etag, found.version = made.key, made.etag, made.version
        found.stored_at, found.verified_by = clock.now(), made.verified_by
        found.parts, found.upload_secret = None, ""


def _look_again(vault: Vault, run: Run) -> None:
    """An upload is proven if nobody has replaced any of it by now: where a signature is good for
    more than its part (Azure), whoever has it may try."""
    for row in _rows(run):
        if not stored.is_still(vault, row):
            raise ChecksumMismatch(f"{row.name}: {stored.ANOTHER}")


def _end_the_rest(vault: Vault, folder: str) -> str:
    """What else the attempt has begun and nobody has written down, by a job that was killed or a
    call whose answer was lost, would be open for ever. What is proven does not fail by that."""
    try:
        emptying.abort_open(vault, folder)
    except CloudPilotError as error:
        log.warning("%s: what is open there was not ended: %s", folder, error)
        return f"\nWhether anything else is open there is not known: {error}"
    return ""


def _compare(backup: Backup, archive: VaultObject) -> None:
    """The hash of the bytes that were sent is the hash of the archive that was made. One that was
    made of a tree to be sent was compared on its server."""
    if backup.is_tree:
        return
    if (archive.sha256, archive.size) != (backup.sha256, backup.size):
        raise ChecksumMismatch("What the server has sent is not the archive.")


def _wait_for_the_archive(run: Run, backup: Backup) -> None:
    """All was sent before the making was seen to end: that look is still to come."""
    if backup.status is Status.FAILED:
        raise NotCompleted("The backup itself has failed.")
    with transaction() as session:
        row = runs.find(session, run.id)
        runs.put_off(session, row, None, next_look_at=clock.now() + proofs.NOT_YET)


def _rows(run: Run) -> list[VaultObject]:
    """With their receipts."""
    with reading() as session:
        return uploads.objects_of(session, run, undefer(VaultObject.parts))


def _words(run: Run) -> str:
    return "\n".join(
        f"{row.name}: {row.size} bytes, proven by {row.verified_by}" for row in _rows(run)
    )
