"""Vaults that nobody can empty any more: what is lost, what stays, and what is said of it."""

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain import (
    deletions,
    expiry,
    forgetting,
    outcomes,
    presence,
    reach,
    subjects,
    uploads,
    vaults,
)
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status, StatusEvent
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import BackupInProgress, InvalidConfig, InvalidState
from cloudpilot.kinds import Place, RunKind
from tests.support.overlapping import overlapping
from tests.support.rows import add_person, add_server, add_site
from tests.support.vaulting import add_vault
from tests.web.scenes import add_backup


def lay(session: Session, vault: Vault, status: CopyStatus, *, local: bool, **columns: Any) -> Copy:
    """A backup with a copy of that kind in the vault, and one on its server or none."""
    server = add_server(session, f"server-{uuid4().hex[:8]}")
    site = add_site(session, server)
    backup = add_backup(session, server, site, Status.COMPLETED, **columns)
    if not local:
        [copy] = backup.copies
        copy.status = CopyStatus.GONE
    place = {"place": Place.VAULT, "vault_id": vault.id, "name": backup.archive}
    copy = Copy(status=status, size=5, **place)
    backup.copies.append(copy)
    session.flush()
    return copy


def of(session: Session, copy: Copy) -> Backup:
    return session.get_one(Backup, copy.backup_id)


def test_what_lies_elsewhere_stays_and_what_does_not_is_missing(core: Flask) -> None:
    with transaction() as session:
        vault = add_vault(session)
        kept = lay(session, vault, CopyStatus.STORED, local=True)
        alone = lay(session, vault, CopyStatus.STORED, local=False)
        missing = lay(session, vault, CopyStatus.MISSING, local=False)
        failed = lay(session, vault, CopyStatus.FAILED, local=True)
        row = VaultObject(
            copy_id=kept.id, vault_id=vault.id, attempt=uuid4(), name="archive", key="k",
            upload_secret="sealed",
        )  # fmt: skip
        session.add(row)
        session.flush()
        loss = forgetting.loss(session, vault)
        assert {backup.id for backup in loss.lost} == {alone.backup_id, missing.backup_id}
        assert (loss.elsewhere, loss.given_up) == (1, 0)
        assert forgetting.forget(session, vault, vault.name) == []
        session.refresh(row)
        assert row.gone_at
        assert row.upload_secret == vault.secret == ""
        assert vault.removed_at
        states = [copy.status.value for copy in (kept, alone, missing, failed)]
        assert states == ["gone", "missing", "missing", "gone"]
        assert kept.missing_why == alone.missing_why == missing.missing_why == forgetting.WHY
        assert of(session, alone).is_missing
        events = select(StatusEvent.code).where(StatusEvent.subject_id == kept.id)
        assert set(session.scalars(events)) == {"VAULT_FORGOTTEN"}


def test_deletions_there_end_and_their_backups_leave_the_lists(core: Flask) -> None:
    with transaction() as session:
        vault, person = add_vault(session), add_person(session)
        copy = lay(session, vault, CopyStatus.STORED, local=False)
        backup = of(session, copy)
        [run] = deletions.delete(session, backup, person)
        assert run.kind is RunKind.DELETE
        assert backup.deleted_at is None
        assert forgetting.loss(session, vault).given_up == 1
        assert forgetting.forget(session, vault, vault.name) == [run.id]
        assert copy.status is CopyStatus.GONE
        assert backup.deleted_at


def test_its_server_is_emptied_while_it_is_forgotten(core: Flask) -> None:
    """Each sees the other's copy: the backup leaves the lists."""
    with transaction() as session:
        vault, person = add_vault(session), add_person(session)
        copy = lay(session, vault, CopyStatus.STORED, local=True)
        removals = deletions.delete(session, of(session, copy), person)
        [emptied] = (run.id for run in removals if run.vault_id is None)
        vault_id, copy_id = vault.id, copy.id
    overlapping(
        core,
        lambda session: outcomes.removed(session, session.get_one(Run, emptied)),
        lambda session: forgetting.forget(session, vaults.locked(session, vault_id), "offsite"),
    )
    with transaction() as session:
        assert of(session, session.get_one(Copy, copy_id)).deleted_at


def test_what_was_only_there_can_be_deleted_and_expires(core: Flask) -> None:
    with transaction() as session:
        vault, person = add_vault(session), add_person(session)
        first = lay(session, vault, CopyStatus.STORED, local=False)
        second = lay(session, vault, CopyStatus.STORED, local=False, expires_at=clock.now())
        forgetting.forget(session, vault, vault.name)
        assert len(presence.missing(session, 10)) == 2
        assert deletions.delete(session, of(session, first), person) == []
        backup = of(session, second)
        backup.judge_at = clock.now()
        session.flush()
        assert expiry.expire(session, subjects.due(session, 10)[0]) == []
        assert backup.deleted_at
        assert presence.missing(session, 10) == []
        assert reach.copies(session, backup) == backup.copies[:1]


def test_a_vault_that_is_used_is_not_forgotten(core: Flask) -> None:
    with transaction() as session:
        vault, person = add_vault(session), add_person(session)
        copy = lay(session, vault, CopyStatus.FAILED, local=True)
        with pytest.raises(InvalidConfig):
            forgetting.forget(session, vault, "another")
        run = uploads.ask(session, of(session, copy), vault, person)
        with pytest.raises(BackupInProgress):
            forgetting.forget(session, vault, vault.name)
        run.move(session, Status.FAILED)
        add_site(session, add_server(session), "of it").vault_id = vault.id
        with pytest.raises(InvalidState, match="of it"):
            forgetting.forget(session, vault, vault.name)
        assert vault.removed_at is None
