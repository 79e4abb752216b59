"""Backups of another panel, as people find and see them."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot import recovery
from cloudpilot.db import reading, transaction
from cloudpilot.domain import searches
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.restores import Restore
from cloudpilot.domain.runs import Run
from cloudpilot.domain.searches import Progress
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.kinds import Role, RunKind
from cloudpilot.secrets import Secret
from tests.domain.test_signatures import found_with
from tests.support.adopting import a_folder, adopted
from tests.support.rows import add_server
from tests.support.vaulting import add_vault
from tests.web.conftest import PASSWORD, Browser
from tests.web.scenes import SCENES

HOSTILE = "<script>alert(1)</script>\u202e"


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def vault_id() -> UUID:
    with transaction() as session:
        return add_vault(session).id


@pytest.fixture
def backup_id(vault_id: UUID) -> UUID:
    """One that nobody has signed, with a name that wants to be more."""
    folder = a_folder()
    with transaction() as session:
        site = {"site": {"id": str(folder.site), "name": HOSTILE}}
        return adopted(session, vault_id, folder, plan=site).id


def search(vault_id: UUID) -> Run:
    with reading() as session:
        run = searches.latest(session, vault_id)
    assert run is not None
    return run


def test_a_search_is_asked_for_once_and_followed(owner: Browser, vault_id: UUID) -> None:
    assert f"/vaults/{vault_id}/adopt" in owner.get(f"/vaults/{vault_id}").text
    before = owner.get(f"/vaults/{vault_id}/adopt")
    assert "changes nothing" in before.text
    owner.post(f"/vaults/{vault_id}/adopt")
    run = search(vault_id)
    assert (run.kind, run.vault_id, run.status) == (RunKind.ADOPT, vault_id, Status.PENDING)
    assert "every 2s" in owner.get(f"/vaults/{vault_id}/adopt").text
    refused = owner.post(f"/vaults/{vault_id}/adopt", 409)
    assert "under way already" in refused.text


@pytest.mark.parametrize(
    ("reached", "said"),
    [
        (Progress(signed=118, unverified=2, servers=7), "120 backups of 7 servers"),
        (Progress(known=1), "1 backup was known already"),
        (Progress(), "Nothing was found"),
        (Progress(refused=70, whys=[["a/b/c", HOSTILE]]), "And 69 more"),
        (Progress(refused=1, whys=[["a/b/c", "x"]]), '<dt class="mono">a/b/c/</dt>'),
        (
            Progress(refused=1, whys=[["a/b/c", "x", "2026-11-20"]]),
            "newest object is of 2026-11-20.",
        ),
    ],
)
def test_what_was_found_is_said(
    owner: Browser, vault_id: UUID, reached: Progress, said: str
) -> None:
    owner.post(f"/vaults/{vault_id}/adopt")
    asked = search(vault_id).id
    with transaction() as session:
        run = session.get_one(Run, asked)
        searches.note(run, reached)
        run.move(session, Status.RUNNING)
        run.move(session, Status.COMPLETED, finished_at=run.created_at)
    page = owner.get(f"/vaults/{vault_id}/adopt").text
    assert said in page
    assert "<script>alert" not in page


def test_a_folder_that_was_not_understood_has_its_whole_key(owner: Browser, vault_id: UUID) -> None:
    """So that it is found by who looks into the bucket."""
    with transaction() as session:
        session.get_one(Vault, vault_id).prefix = "old/panel"
    found = Progress(refused=1, whys=[["a/b/c", "It is no JSON."]])
    test_what_was_found_is_said(owner, vault_id, found, ">old/panel/a/b/c/<")


def test_a_vault_that_does_not_answer_is_said(owner: Browser, vault_id: UUID) -> None:
    owner.post(f"/vaults/{vault_id}/adopt")
    asked = search(vault_id).id
    with transaction() as session:
        run = session.get_one(Run, asked)
        searches.note(run, Progress(unverified=3))
        why = {"error_code": "VAULT_UNREACHABLE", "error_detail": "There was no answer."}
        run.move(session, Status.FAILED, **why)
    page = owner.get(f"/vaults/{vault_id}/adopt").text
    assert "There was no answer." in page
    assert "3 backups" in page


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
def test_who_may_not_change_vaults_looks_for_nothing(
    sign_in: Callable[[Role], Browser], vault_id: UUID, role: Role
) -> None:
    browser = sign_in(role)
    assert "adopt" not in browser.get(f"/vaults/{vault_id}").text
    assert browser.client.get(f"/vaults/{vault_id}/adopt").status_code == 403


def test_what_nobody_has_signed_is_marked_everywhere(owner: Browser, backup_id: UUID) -> None:
    for path in ("/backups", f"/backups/{backup_id}", f"/backups/{backup_id}/files"):
        text = owner.get(path).text
        assert "nverified" in text, path
        assert "<script>alert" not in text
        assert "\u202e" not in text
    page = owner.get(f"/backups/{backup_id}").text
    assert "another panel" in page
    assert f"/backups/{backup_id}/pin" not in page
    assert "set-uid" in page
    assert "another panel may be using it" in owner.get(f"/backups/{backup_id}/delete").text


def test_its_restore_takes_a_tick(owner: Browser, backup_id: UUID) -> None:
    with reading() as session:
        vault_id = session.get_one(Backup, backup_id).copies[0].vault_id
    empty = owner.get(f"/backups/{backup_id}/restore").text
    assert "No server to restore to" in empty
    with transaction() as session:
        server_id = add_server(session, "new").id
    typed = {
        "place": str(vault_id),
        "server_id": str(server_id),
        "paths": "/srv/shop",
        "where": "there",
        "into": "/srv/restored",
        "extent": "exact",
    }
    page = owner.get(f"/backups/{backup_id}/restore")
    assert "I know that this backup is unverified" in page.text
    refused = owner.post(f"/backups/{backup_id}/restore", 422, **typed)
    assert "tick that you know" in refused.text
    owner.post(f"/backups/{backup_id}/restore", knows="y", **typed)
    with reading() as session:
        [restore] = session.scalars(select(Restore)).all()
    assert "Unverified" in owner.get(f"/restores/{restore.id}").text


def test_one_that_is_signed_takes_none(owner: Browser, app: Flask) -> None:
    with transaction() as session:
        add_server(session, "new")
        ids = SCENES["adopted"](session).ids
    assert "Signed" in owner.get(f"/backups/{ids['backup']}").text
    page = owner.get(f"/backups/{ids['backup']}/restore").text
    assert "I know" not in page
    assert "Signed" in page


def typed(key: Secret | str, password: str = PASSWORD) -> dict[str, object]:
    said = key.reveal() if isinstance(key, Secret) else key
    return {"compare-key": said, "compare-password": password}


def test_signatures_are_compared_with_a_typed_key_that_is_not_kept(
    owner: Browser, vault_id: UUID
) -> None:
    made = recovery.new()
    with transaction() as session:
        backup = found_with(session, vault_id, recovery.manifest_key(made.secret))
        adopted(session, vault_id)
    where = f"/vaults/{vault_id}/adopt/signatures"
    assert "Compare the signatures" in owner.get(f"/vaults/{vault_id}/adopt").text
    assert "wrong" in owner.post(where, 422, **typed(made.secret, "not my password")).text
    assert "no recovery key" in owner.post(where, 422, **typed("AGE-SECRET-KEY-1X")).text
    other = recovery.new().secret
    owner.post(where, **typed(other))
    assert "another recovery key" in owner.get(f"/backups/{backup.id}").text
    owner.post(where, **typed(made.secret))
    page = owner.get(f"/vaults/{vault_id}/adopt").text
    assert "1 signed" in page
    assert "1 unverified" in page
    assert "Signed" in owner.get(f"/backups/{backup.id}").text
    with reading() as session:
        entries = [str(vars(one)) for one in session.scalars(select(AuditEntry))]
    assert any("vault.signatures-compared" in one for one in entries)
    for secret in (made.secret, other):
        assert secret.reveal() not in "".join(entries) + page


def test_a_server_that_is_known_from_a_vault_alone_stands_by_itself(
    owner: Browser, backup_id: UUID
) -> None:
    with reading() as session:
        server_id = session.get_one(Backup, backup_id).server_id
    page = owner.get("/servers").text
    assert "Known from vaults alone" in page
    assert "No servers yet" in page
    assert f"/backups?server={server_id}" in page
    assert "web-1" in owner.get(f"/backups?server={server_id}").text
    owner.get(f"/servers/{server_id}", 404)


def test_its_databases_are_not_offered(owner: Browser, vault_id: UUID) -> None:
    database = {"id": str(vault_id), "engine": "mariadb", "where": "127.0.0.1:3306"}
    database |= {"user": "u", "all_but": False, "names": ["shop"]}
    census = {"name": "shop", "engine": "mariadb", "where": "127.0.0.1:3306", "rows_by_table": []}
    how: dict[str, Any] = {"plan": {"type": "full", "databases": [database]}}
    how["result"] = {"archive": "full-20261120-100000Z.tar.gz"}
    with transaction() as session:
        add_server(session, "new")
        backup = adopted(session, vault_id, databases=[census], **how)
    page = owner.get(f"/backups/{backup.id}/restore").text
    assert "a dump is a program" in page
    assert 'name="dumps"' not in page
    with transaction() as session:
        session.get_one(Backup, backup.id).signed_at = backup.created_at
    page = owner.get(f"/backups/{backup.id}/restore").text
    assert "no login" in page
    assert 'name="dumps"' not in page
