"""Signed requests for a server: begun, cut, signed and sealed here, used there."""

from collections.abc import Mapping, Sequence
from uuid import uuid4

from flask import current_app
from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, uploads
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.objects import ARCHIVE, INDEX, MANIFEST, NAMES, VaultObject
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import ACTIVE
from cloudpilot.engine.requests import Request, line
from cloudpilot.errors import InvalidState
from cloudpilot.secrets import Sealer
from cloudpilot.vaults import keys
from cloudpilot.vaults.base import Vault
from cloudpilot.vaults.uploads import PartRequest, Upload

SIGNED_SECONDS = 6 * 3600  # that a request is good for: as long as Azure's may be
AHEAD_SECONDS = 6 * 3600  # of parts that a server has requests for, at the rate of the moment
AHEAD_AT_LEAST = 64  # parts that are signed at once
AHEAD_TEXT = 2_000_000  # letters at most: about 2,500 requests, signed and handed over in seconds
OF_DESCRIPTIONS = 16  # parts: an index of 256 MiB


def sent_from(backup: Backup, run: Run, name: str) -> str:
    """The file of an object below the backup's directory. What is made of a tree lies beside the
    receipts of the upload that has made it."""
    if backup.is_tree and name != ARCHIVE:
        file = {INDEX: "index.gz", MANIFEST: "manifest.json"}[name]
        return f"upload-{uploads.attempt_of(run)}/{file}"
    return file_of(backup, name)


def file_of(backup: Backup, name: str) -> str:
    """What an object is called."""
    return {
        ARCHIVE: backup.archive,
        INDEX: f"{backup.archive}.index.gz",
        MANIFEST: "manifest.json",
    }[name]


def folder_of(backup: Backup) -> str:
    """What all keys of a backup begin with."""
    return keys.backup_key(backup.server_id, backup.site_id or backup.server_id, backup.id, "")


def begun(run: Run, vault: Vault) -> Mapping[str, Upload]:
    """The uploads of a run's attempt, by name; those that are missing are begun.

    Each is written down as soon as the vault has begun it. One that was begun by a job that died
    then is found by the vault's list of open uploads, and taken back.
    """
    with reading() as session:
        copy = uploads.copy_of(session, run)
        backup = backups.find(session, copy.backup_id)
        there = {one.name: one for one in uploads.objects_of(session, run)}
    for name in NAMES:
        if name not in there:
            there[name] = _begin(run, vault, backup, copy, name)
    return {name: opened(there[name]) for name in NAMES}


def opened(row: VaultObject) -> Upload:
    """The upload of an object that has not ended yet."""
    if not row.upload_secret:
        raise InvalidState("This upload has ended.")
    sealer: Sealer = current_app.extensions["sealer"]
    return Upload.from_secret(sealer.open(row.upload_secret, row.upload_place))


def requests(
    vault: Vault, run: Run, wants: Sequence[tuple[str, int]], *, rate: int = 0
) -> Mapping[str, Sequence[Request]]:
    """Signed requests from those parts on, good for SIGNED_SECONDS.

    rate  bytes a second that the upload makes; 0: nobody knows yet
    """
    with reading() as session:
        rows = {one.name: one for one in uploads.objects_of(session, run)}
    found = {}
    for name, first in wants:
        upload = opened(rows[name])
        if first <= upload.plan.most_parts:
            count = OF_DESCRIPTIONS if name != ARCHIVE else _ahead(vault, upload, first, rate)
            signed = vault.requests_for(upload, first, count, seconds=SIGNED_SECONDS)
            found[name] = [request(one) for one in signed]
    return found


def _ahead(vault: Vault, upload: Upload, first: int, rate: int) -> int:
    """How many parts from `first` on take AHEAD_SECONDS at that rate, as far as the text goes."""
    [one] = vault.requests_for(upload, first, 1, seconds=SIGNED_SECONDS)
    most = min(AHEAD_TEXT // len(line(request(one))), upload.plan.most_parts - first + 1)
    count, left = 0, rate * AHEAD_SECONDS
    while count < most and (left > 0 or count < AHEAD_AT_LEAST):
        left -= upload.plan.size_of(first + count)
        count += 1
    return count


def _begin(run: Run, vault: Vault, backup: Backup, copy: Copy, name: str) -> VaultObject:
    key = f"{folder_of(backup)}{uploads.attempt_of(run)}/{file_of(backup, name)}"
    expected = backup.size if name == ARCHIVE and not backup.is_tree else None
    freed = (backup.streamed or backup.is_tree) and name == ARCHIVE
    upload = vault.begin(key, expected, streamed=freed)
    sealer: Sealer = current_app.extensions["sealer"]
    row = VaultObject(
        id=uuid4(),
        copy_id=copy.id,
        vault_id=copy.vault_id,
        attempt=uploads.attempt_of(run),
        name=name,
        key=upload.key,
    )
    with transaction() as session:
        # An upload that was stopped is taken back already; its copy may have another one by now.
        mine = select(Run.status).where(Run.id == run.id).with_for_update()
        is_active = session.scalar(mine) in ACTIVE
        wanted = is_active and session.get_one(Copy, copy.id).status is CopyStatus.MAKING
        if wanted:
            row.upload_secret = sealer.seal(upload.as_secret(), row.upload_place)
            session.add(row)
    if not wanted:
        vault.abort(upload)  # whoever takes it back may have looked for what is open already
        raise InvalidState("It is not wanted any more.")
    return row


def request(part: PartRequest) -> Request:
    """As the engine takes it."""
    return Request(part.number, part.url, part.headers, part.method, part.final, part.ask)
