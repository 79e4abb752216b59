"""A backup's copies in vaults, as people see them and what they may do about them."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain.audit import Action, AuditEntry
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.objects import ARCHIVE, VaultObject
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.kinds import Place, Role, RunKind
from tests.support.rows import add_server, add_site
from tests.support.vaulting import add_vault, seal
from tests.web.conftest import Browser
from tests.web.scenes import SHA256, add_backup

HOSTILE = "<script>alert(1)</script> \u202e'\""


SignIn = Callable[[Role], Browser]


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def backup_id(app: Flask) -> UUID:
    """A completed backup on a server, and a vault that does not have it."""
    with transaction() as session:
        server = add_server(session)
        backup = add_backup(session, server, add_site(session, server), Status.COMPLETED)
        vault = add_vault(session, HOSTILE, bucket="bucket", endpoint="https://s3.example")
        seal(app, vault, "the-secret-of-it")
        return backup.id


def in_vault(backup_id: UUID, status: CopyStatus, **columns: object) -> UUID:
    """A copy in the vault, in that state; its id."""
    with transaction() as session:
        backup, vault = session.get_one(Backup, backup_id), session.scalars(select(Vault)).one()
        copy = Copy(
            id=uuid4(), place=Place.VAULT, vault_id=vault.id, status=status, name=backup.archive
        )
        for name, value in columns.items():
            setattr(copy, name, value)
        backup.copies.append(copy)
        session.flush()
        if status is CopyStatus.STORED:
            copy.verified_by, copy.verified_at = "md5-parts", clock.now() - timedelta(hours=1)
            session.add(
                VaultObject(
                    copy_id=copy.id,
                    vault_id=vault.id,
                    attempt=uuid4(),
                    name=ARCHIVE,
                    key="a/b/c/" + backup.archive,
                    upload_secret="",
                    size=backup.size,
                    sha256=SHA256,
                    stored_at=clock.now(),
                )
            )
        return copy.id


def last_run(kind: RunKind) -> Run | None:
    with reading() as session:
        rows = select(Run).where(Run.kind == kind).order_by(Run.created_at.desc())
        return session.scalars(rows).first()


def test_a_completed_backup_can_be_pushed_to_a_vault(sign_in: SignIn, backup_id: UUID) -> None:
    browser = sign_in(Role.MEMBER)
    page = browser.get(f"/backups/{backup_id}")
    assert "Upload to a vault" in page.text
    page = browser.get(f"/backups/{backup_id}/upload")
    assert "<script>alert" not in page.text
    with reading() as session:
        vault_id = session.scalars(select(Vault.id)).one()
    browser.post(f"/backups/{backup_id}/upload", vault=str(vault_id))
    run = last_run(RunKind.UPLOAD)
    assert run
    assert (run.status, run.vault_id) == (Status.PENDING, vault_id)
    page = browser.get(f"/backups/{backup_id}")
    assert "Uploading" in page.text
    assert "Upload to a vault" not in page.text  # the only one has it on its way
    assert "<script>alert" not in page.text
    with reading() as session:
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == Action.UPLOAD_REQUESTED)
        ).one()
    assert entry.details["vault"] == HOSTILE


def test_a_failed_upload_says_why_and_can_be_repeated(sign_in: SignIn, backup_id: UUID) -> None:
    copy_id = in_vault(
        backup_id, CopyStatus.FAILED, error_code="VAULT_DENIED", error_detail="It said no."
    )
    browser = sign_in(Role.MEMBER)
    page = browser.get(f"/backups/{backup_id}")
    for words in ("Upload failed", "It said no.", "VAULT_DENIED", "Upload again", "compare its"):
        assert words in page.text
    [vault] = re.findall(r'name="vault" value="([0-9a-f-]{36})"', page.text)
    browser.post(f"/backups/{backup_id}/upload", vault=vault)
    with reading() as session:
        assert session.get_one(Copy, copy_id).status is CopyStatus.MAKING


def test_a_download_is_a_signed_link_that_is_written_down(sign_in: SignIn, backup_id: UUID) -> None:
    copy_id = in_vault(backup_id, CopyStatus.STORED)
    browser = sign_in(Role.ADMIN)
    page = browser.get(f"/backups/{backup_id}")
    assert "proven by the MD5 and size of each part" in page.text
    answer = browser.client.get(f"/backups/{backup_id}/copies/{copy_id}/download")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("https://bucket.s3.example/a/b/c/")
    assert "X-Amz-Expires=3600" in answer.headers["Location"]
    assert "attachment" in answer.headers["Location"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    with reading() as session:
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == Action.DOWNLOAD_LINK_MADE)
        ).one()
    assert "Signature" not in str(entry.details)


def test_who_may_not_download_is_not_offered_it(sign_in: SignIn, backup_id: UUID) -> None:
    copy_id = in_vault(backup_id, CopyStatus.STORED)
    browser = sign_in(Role.VIEWER)
    assert "Download" not in browser.get(f"/backups/{backup_id}").text
    browser.get(f"/backups/{backup_id}/copies/{copy_id}/download", 403)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (CopyStatus.MAKING, "Uploading"),
        (CopyStatus.MISSING, "Missing"),
        (CopyStatus.DELETING, "Being deleted"),
    ],
)
def test_every_state_of_a_copy_has_its_word(
    sign_in: SignIn, backup_id: UUID, status: CopyStatus, words: str
) -> None:
    copy_id = in_vault(backup_id, status, missing_why="It is not in the vault any more.")
    browser = sign_in(Role.ADMIN)
    assert words in browser.get(f"/backups/{backup_id}").text
    assert words in browser.get(f"/backups/{backup_id}/copies/{copy_id}/status").text
    browser.get(f"/backups/{backup_id}/copies/{uuid4()}/status", 404)
    browser.get(f"/backups/{backup_id}/copies/{copy_id}/download", 404)


def test_deleting_says_that_the_vault_loses_it_too(sign_in: SignIn, backup_id: UUID) -> None:
    in_vault(backup_id, CopyStatus.STORED)
    browser = sign_in(Role.ADMIN)
    page = browser.get(f"/backups/{backup_id}/delete")
    assert "and from" in page.text
    browser.post(f"/backups/{backup_id}/delete")
    with reading() as session:
        places = session.scalars(select(Run.vault_id).where(Run.kind == RunKind.DELETE)).all()
    assert len(places) == 2
    assert None in places
