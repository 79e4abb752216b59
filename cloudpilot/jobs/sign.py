"""Signing: beside each backup that a vault has proven, a small object that only who has the
recovery key can have made.

It is laid there right after the proof; what could not be, and what was there before there was a
recovery key, is signed after the vault's daily check. No backup fails by it.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from io import BytesIO
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import ColumnElement, select

from cloudpilot import clock
from cloudpilot.connections import Wire
from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, recovery, rest, runs, searches, signatures, uploads, vouching
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault as VaultRow
from cloudpilot.errors import (
    BackupInProgress,
    ChecksumMismatch,
    CloudPilotError,
    InvalidState,
    UploadFailed,
    UploadIncomplete,
    VaultRefused,
    VaultUnreachable,
)
from cloudpilot.jobs import emptying, lifecycle, opening, queue, signing
from cloudpilot.reports import Report
from cloudpilot.secrets import CannotOpenError, Sealer
from cloudpilot.vaults import sending
from cloudpilot.vaults.base import Vault
from cloudpilot.vaults.uploads import Upload

log = logging.getLogger(__name__)

SECONDS = 60  # of one job, an object more or less
AT_MOST = 2000  # copies that one job looks up
OF_ONE = (InvalidState, UploadFailed, UploadIncomplete, ChecksumMismatch, VaultRefused)


def perform(run: Run) -> None:
    """All that have no signature by the present key, the newest first. One that cannot be signed
    keeps no other from it, and fails the run at its end, so that it is told."""
    vault_id = uploads.vault_of(run)
    vault, key = opening.vault(vault_id), current_key()
    lifecycle.begin(run)
    until, done, failed = time.monotonic() + SECONDS, 0, list[CloudPilotError]()
    for copy in _unsigned(vault_id, key):
        if lifecycle.current(run.id).status is not Status.RUNNING:
            return
        if time.monotonic() > until and done:
            _go_on_later(run)
            return
        try:
            lay(vault, copy, key or b"")
            done += 1
        except OF_ONE as error:
            failed.append(error)
    if failed:
        raise InvalidState(f"{len(failed):,} backups there could not be signed: {failed[-1]}")
    log_of_it = f"{done:,} backups there were signed by this job; none is left."
    lifecycle.complete(run, Report(stage="sign", log=log_of_it, over=True))


def ask(vault_id: UUID) -> int:
    """Have signed what is not; how many those are."""
    with reading() as session:
        if rest.is_at_rest(session):
            return 0  # the old panel signs its own
    left = _unsigned(vault_id, current_key())
    if left:
        with suppress(BackupInProgress), transaction() as session:
            queue.ring(session, vouching.ask(session, session.get_one(VaultRow, vault_id)))
    return len(left)


def after_upload(vault: Vault, run: Run) -> None:
    """Sign what this run has had proven. It is told by the next check if that cannot be done."""
    with reading() as session:
        copy = uploads.copy_of(session, run)
    try:
        key = current_key()
        if key and copy.status is CopyStatus.STORED:
            lay(vault, copy, key)
    except (CloudPilotError, CannotOpenError) as error:
        log.warning("copy %s is not signed yet: %s", copy.id, error)


def current_key() -> bytes | None:
    """What signs manifests, if there is a recovery key."""
    sealer: Sealer = current_app.extensions["sealer"]
    with reading() as session:
        return recovery.manifest_key(session, sealer)


def lay(vault: Vault, copy: Copy, key: bytes) -> None:
    """Write the signature of a copy beside it, in place of one that was begun and not proven."""
    name = signatures.file_name(key)
    with reading() as session:
        laid = vouching.laid(session, copy)
        if laid is None:
            raise InvalidState("What a copy consists of is not known.")
        body = signatures.make(key, vouching.said(session, copy, *laid))
        folder = signing.folder_of(backups.find(session, copy.backup_id))
        old = session.scalars(select(VaultObject.id).where(*_is_its(copy, name))).all()
    _take_back(vault, old)
    ids = {"copy_id": copy.id, "vault_id": copy.vault_id, "attempt": laid[0]}
    row = VaultObject(id=uuid4(), name=name, size=len(body), **ids)
    wire = Wire(private=lifecycle.settings().private_networks, unreachable=VaultUnreachable)
    key_of_it, what = f"{folder}{laid[0]}/{name}", sending.content(BytesIO(body))
    made = sending.send(vault, wire, key_of_it, what, partial(_write_down, row))
    with transaction() as session:
        found = session.get_one(VaultObject, row.id)
        found.key, found.etag, found.version = made.key, made.etag, made.version
        found.stored_at, found.verified_by = clock.now(), made.verified_by
        found.upload_secret = ""


def _write_down(row: VaultObject, upload: Upload) -> None:
    """What has been begun, unless the copy is being deleted: who deletes it looks at the rows."""
    sealer: Sealer = current_app.extensions["sealer"]
    with transaction() as session:
        rows = select(Copy.status).where(Copy.id == row.copy_id).with_for_update()
        wanted = session.scalar(rows) is CopyStatus.STORED
        if wanted:
            row.key = upload.key
            row.upload_secret = sealer.seal(upload.as_secret(), row.upload_place)
            session.add(row)
    if not wanted:
        raise InvalidState("A copy is not wanted any more.")


def _take_back(vault: Vault, ids: Sequence[UUID]) -> None:
    """What another job has begun and not proven, or what was there and is gone."""
    for one in ids:
        with reading() as session:
            row = session.get_one(VaultObject, one)
        emptying.take_away(vault, [row])
        with transaction() as session:
            session.delete(session.get_one(VaultObject, one))


def _is_its(copy: Copy, name: str) -> tuple[ColumnElement[bool], ...]:
    return VaultObject.copy_id == copy.id, VaultObject.name == name


def _unsigned(vault_id: UUID, key: bytes | None) -> list[Copy]:
    if key is None:
        return []
    with reading() as session:
        return vouching.unsigned(session, vault_id, signatures.file_name(key), AT_MOST)


def _go_on_later(run: Run) -> None:
    with transaction() as session:
        row = runs.find(session, run.id)
        searches.pause(session, row)
        queue.ring(session, row)
