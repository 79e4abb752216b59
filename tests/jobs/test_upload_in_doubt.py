"""Uploads of which it is not clear how far they are: nothing that is good is given up."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from cloudpilot.db import transaction
from cloudpilot.domain import runs
from cloudpilot.domain.copies import Offsite
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import VaultDenied
from cloudpilot.jobs import lifecycle
from cloudpilot.kinds import RunKind
from cloudpilot.secrets import CannotOpenError
from cloudpilot.vaults.base import StoredObject
from cloudpilot.vaults.s3 import S3Vault
from tests.support.faults import faulty
from tests.support.rclone import Rclone
from tests.support.until import until
from tests.support.uploading import add_vault, back_up, drive, due_now, found, runs_of, step
from tests.vaults.s3_store import S3Store

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
STREAMED = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "kept"])


@STREAMED
def test_an_answer_that_is_lost_deletes_no_good_object(
    core: Flask, site_id: UUID, rclone: Rclone, streamed: bool
) -> None:
    """The store has made the object; who asks again hears that there is no such upload."""
    there = S3Store(rclone)
    vault_id = add_vault(core, there)
    with faulty(rclone.endpoint.removeprefix("http://")) as faults:
        with transaction() as session:
            session.get_one(Vault, vault_id).endpoint = f"http://{faults.address}"
        backup_id = back_up(site_id, vault_id, streamed=streamed)
        faults.lost_once = {"POST"}
        drive()
    assert faults.lost
    backup = found(backup_id)
    assert (backup.status, backup.offsite_status) == (Status.COMPLETED, Offsite.UPLOADED)
    assert len(there.keys(str(backup_id))) == 3


def refuses_once(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """The first proof that a vault is asked for."""
    right, asked = S3Vault.complete, []

    def complete(vault: S3Vault, *words: Any, **more: Any) -> StoredObject:
        asked.append(1)
        if len(asked) == 1:
            raise error
        return right(vault, *words, **more)

    monkeypatch.setattr(S3Vault, "complete", complete)


@STREAMED
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (VaultDenied("The store answered 403 InvalidAccessKeyId."), "VAULT_DENIED"),
        (CannotOpenError("vaults/1/secret"), "SECRET_KEY_WRONG"),
        (ZeroDivisionError(), "INTERNAL"),
    ],
    ids=["key exchanged", "secret key wrong", "unexpected"],
)
def test_what_was_sent_is_kept_until_the_vault_can_be_asked(
    site_id: UUID,
    vault_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
    streamed: bool,
    error: Exception,
    code: str,
) -> None:
    refuses_once(monkeypatch, error)
    backup_id = back_up(site_id, vault_id, streamed=streamed)
    until(step, lambda _: proof(backup_id) and proof(backup_id).error_code)
    waiting = proof(backup_id)
    assert (waiting.status, waiting.error_code) == (Status.RUNNING, code)
    due_now(waiting)
    drive()
    backup = found(backup_id)
    assert (backup.status, backup.offsite_status) == (Status.COMPLETED, Offsite.UPLOADED)


def test_a_vault_that_cannot_be_asked_for_half_a_day_is_given_up(
    site_id: UUID, vault_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuses_once(monkeypatch, VaultDenied("The store answered 403."))
    backup_id = back_up(site_id, vault_id)
    until(step, lambda _: proof(backup_id) and proof(backup_id).error_code)
    waiting = proof(backup_id)
    with transaction() as session:
        run = runs.find(session, waiting.id)
        run.created_at -= timedelta(hours=lifecycle.settings().lost_after_hours)
    refuses_once(monkeypatch, VaultDenied("The store answered 403."))
    due_now(waiting)
    drive()
    assert found(backup_id).offsite_status is Offsite.FAILED


def proof(backup_id: UUID) -> Any:
    return next((run for run in runs_of(backup_id) if run.kind is RunKind.VERIFY), None)
