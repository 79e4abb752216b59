"""Vaults as people see and enter them."""

import json
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import destinations, runs, vault_checks, vaults
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.kinds import Place, Role, RunKind
from tests.support.rows import add_server, add_site
from tests.support.vaulting import add_vault, seal
from tests.web.conftest import Browser
from tests.web.scenes import add_backup

SECRET = "a-secret/of+this-test="
HOSTILE = "<script>alert(1)</script> '\"&"
S3 = {
    "name": "offsite",
    "bucket": "backups-of-ada",
    "region": "eu-central-1",
    "endpoint": "",
    "prefix": "/panel/",
    "key_id": "AKIAEXAMPLE",
    "secret": SECRET,
}


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def vault_id(app: Flask) -> UUID:
    """A vault of which nobody has said anything yet."""
    with transaction() as session:
        row = add_vault(session, HOSTILE)
        seal(app, row, SECRET)
        return row.id


def stored() -> Vault:
    with reading() as session:
        return session.scalars(select(Vault)).one()


def test_the_provider_is_asked_first_and_has_its_own_fields(owner: Browser) -> None:
    page = owner.get("/vaults/new")
    for words in ("Amazon S3", "Google Cloud Storage", "Azure Blob", "DigitalOcean Spaces"):
        assert words in page.text
    fields = {
        kind: {
            one.attrs.get("name", "")
            for tag in ("input", "textarea")
            for one in owner.get(f"/vaults/new?kind={kind}").all(tag)
        }
        for kind in ("s3", "gcs", "azure_blob", "do_spaces")
    }
    assert {"bucket", "region", "endpoint", "path_style", "equal_parts"} <= fields["s3"]
    assert not {"region", "path_style", "key_id"} & fields["gcs"]
    assert not {"region", "path_style"} & fields["azure_blob"]
    assert not {"endpoint", "path_style"} & fields["do_spaces"]


def test_a_vault_is_added_sealed_checked_and_never_shown(owner: Browser) -> None:
    owner.post("/vaults/new?kind=s3", **S3)
    vault = stored()
    assert (vault.bucket, vault.prefix, vault.region) == ("backups-of-ada", "panel", "eu-central-1")
    assert SECRET not in vault.secret
    with reading() as session:
        assert session.scalars(select(Run.kind)).all() == [RunKind.CHECK_VAULT]
        entries = [str(vars(entry)) for entry in session.scalars(select(AuditEntry))]
    assert any("vault.added" in entry for entry in entries)
    assert not any(SECRET in entry for entry in entries)
    for path in ("/vaults", f"/vaults/{vault.id}", f"/vaults/{vault.id}/edit"):
        assert SECRET not in owner.get(path).text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"bucket": "a b"}, "no name of a bucket"),
        ({"bucket": ""}, "Give its name"),
        ({"region": "x/y"}, "no region"),
        ({"endpoint": "ftp://x"}, "https://HOST"),
        ({"endpoint": "http://169.254.169.254"}, "never"),
        ({"secret": ""}, "ecret"),
        ({"name": ""}, "name"),
    ],
)
def test_what_is_refused_stays_in_the_form_but_for_the_secret(
    owner: Browser, wrong: dict[str, str], said: str
) -> None:
    typed = S3 | {"prefix": "kept-as-typed"} | wrong
    page = owner.post("/vaults/new?kind=s3", 422, **typed)
    assert said in page.text
    assert "kept-as-typed" in page.text
    assert SECRET not in page.text
    with reading() as session:
        assert vaults.listed(session) == []


def test_a_key_file_of_google_is_a_key_file(owner: Browser) -> None:
    typed = {"name": "google", "bucket": "backups-of-ada", "secret": '{"type": "authorized_user"}'}
    page = owner.post("/vaults/new?kind=gcs", 422, **typed)
    assert "authorized_user" not in page.text
    assert json.loads(typed["secret"])["type"] not in page.text


def test_a_kept_secret_goes_nowhere_else(owner: Browser, vault_id: UUID) -> None:
    vault = stored()
    same = {
        "name": "renamed",
        "bucket": vault.bucket,
        "region": vault.region,
        "key_id": vault.key_id,
    }
    owner.post(f"/vaults/{vault_id}/edit", **same)
    assert stored().name == "renamed"
    assert stored().secret == vault.secret
    elsewhere = same | {"endpoint": "https://attacker.example"}
    page = owner.post(f"/vaults/{vault_id}/edit", 422, **elsewhere)
    assert "secret has to be entered" in page.text
    assert stored().endpoint == ""
    owner.post(f"/vaults/{vault_id}/edit", **elsewhere, secret="another-secret-of-it")
    assert stored().endpoint == "https://attacker.example"
    assert stored().secret != vault.secret


def test_what_holds_backups_stays_where_it_is_and_is_not_removed(
    owner: Browser, vault_id: UUID
) -> None:
    with transaction() as session:
        server = add_server(session)
        backup = add_backup(session, server, add_site(session, server), Status.COMPLETED)
        backup.copies.append(
            Copy(place=Place.VAULT, vault_id=vault_id, status=CopyStatus.STORED, name="a", size=5)
        )
    page = owner.get(f"/vaults/{vault_id}/edit")
    assert not [one for one in page.all("input") if one.attrs.get("name") == "bucket"]
    page = owner.get(f"/vaults/{vault_id}/remove")
    assert "in use" in page.text
    owner.post(f"/vaults/{vault_id}/remove", 409)
    assert stored().removed_at is None
    assert "1 backup" in owner.get(f"/vaults/{vault_id}").text


def test_a_vault_that_a_site_uses_is_not_removed(owner: Browser, vault_id: UUID) -> None:
    with transaction() as session:
        add_site(session, add_server(session), name="the shop").vault_id = vault_id
    page = owner.post(f"/vaults/{vault_id}/remove", 409)
    assert "the shop" in page.text
    with transaction() as session:
        session.scalars(select(Site)).one().vault_id = None
    owner.post(f"/vaults/{vault_id}/remove")
    assert stored().removed_at
    assert stored().secret == ""
    owner.get(f"/vaults/{vault_id}", 404)


def test_names_are_text_everywhere(owner: Browser, vault_id: UUID) -> None:
    with transaction() as session:
        vault = session.get_one(Vault, vault_id)
        vault.lines = [
            {
                "key": "write",
                "level": "failed",
                "title": "Write",
                "detail": "<script>alert(2)</script>",
                "remedy": "Look.",
                "code": "VAULT_DENIED",
                "worse_at": None,
            }
        ]
        vault.checked_at = vault.created_at
        add_site(session, add_server(session))
    for path in ("/vaults", f"/vaults/{vault_id}", f"/vaults/{vault_id}/remove", "/"):
        assert "<script>alert" not in owner.get(path).text
    page = owner.get("/")
    assert "Vaults that do not work" in page.text
    assert "1 vault does not work" in page.text


def test_a_site_says_where_its_backups_go(owner: Browser, vault_id: UUID) -> None:
    with transaction() as session:
        server_id = add_server(session).id
    typed = {"name": "shop", "paths": "/srv/shop", "excludes": "", "compression": "gzip"}
    to = {"vault_id": str(vault_id), "local": "goes", "local_days": "3", "rate": "2.5"}
    owner.post(f"/servers/{server_id}/sites/new", **typed, **to)
    with reading() as session:
        site = session.scalars(select(Site)).one()
        found = destinations.of(session, site)
    assert (site.vault_id, found.local_days, found.rate) == (vault_id, 3, 2_500_000)
    page = owner.get(f"/backups/new?site={site.id}")
    assert [
        one
        for one in page.all("option")
        if "selected" in one.attrs and one.attrs["value"] == str(vault_id)
    ]
    owner.post(
        f"/backups/new?site={site.id}", **to | {"local": "streamed"}, retention_days="", note=""
    )
    with reading() as session:
        backup = session.scalars(select(Backup)).one()
    assert (backup.vault_id, backup.streamed, backup.local_days) == (vault_id, True, None)
    assert backup.rate == 2_500_000


def test_options_that_mean_nothing_without_a_vault_are_refused(
    owner: Browser, vault_id: UUID
) -> None:
    with transaction() as session:
        server_id = session.get_one(Server, add_server(session).id).id
    typed = {
        "paths": "/srv",
        "excludes": "",
        "compression": "gzip",
        "retention_days": "",
        "note": "",
    }
    page = owner.post(
        f"/backups/new?server={server_id}", 422, **typed, vault_id="", local="streamed"
    )
    assert "needs one" in page.text
    with reading() as session:
        assert session.scalars(select(Backup)).all() == []


def test_without_a_vault_nobody_is_asked(owner: Browser) -> None:
    with transaction() as session:
        server_id = add_server(session).id
    assert "MB/s" not in owner.get(f"/backups/new?server={server_id}").text


def test_who_may_not_change_vaults_sees_no_key(
    sign_in: Callable[[Role], Browser], vault_id: UUID
) -> None:
    page = sign_in(Role.VIEWER).get(f"/vaults/{vault_id}")
    assert "AKIAEXAMPLE" not in page.text
    assert "Check now" not in page.text


def lay(vault_id: UUID, status: CopyStatus, **columns: object) -> None:
    """A good backup on its server, with a copy of that kind in the vault."""
    with transaction() as session:
        server = add_server(session)
        backup = add_backup(session, server, add_site(session, server), Status.COMPLETED)
        place = {"place": Place.VAULT, "vault_id": vault_id, "name": backup.archive}
        backup.copies.append(Copy(status=status, size=5, **place, **columns))


def test_a_copy_that_only_the_vault_has_lost_is_on_the_overview(
    owner: Browser, vault_id: UUID
) -> None:
    why = "It is not in the vault any more."
    lay(vault_id, CopyStatus.MISSING, missing_at=clock.now(), missing_why=why)
    assert owner.get("/").one("main").text.count(why) == 1


def test_of_a_backup_that_is_lost_everywhere_one_line_is_shown(
    owner: Browser, vault_id: UUID
) -> None:
    lay(vault_id, CopyStatus.MISSING)
    with transaction() as session:
        for copy in session.scalars(select(Copy)):
            copy.status, copy.missing_at, copy.missing_why = (
                CopyStatus.MISSING,
                clock.now(),
                "Gone.",
            )
    assert owner.get("/").one("main").text.count("Gone.") == 1


def test_an_upload_that_failed_and_left_nothing_keeps_no_vault(
    owner: Browser, vault_id: UUID
) -> None:
    lay(vault_id, CopyStatus.FAILED, error_code="VAULT_MISSING")
    assert owner.get(f"/vaults/{vault_id}/edit").one("input", name="bucket")
    owner.post(f"/vaults/{vault_id}/remove")
    with reading() as session:
        copies = session.scalars(select(Copy).where(Copy.vault_id == vault_id))
        assert [copy.status for copy in copies] == [CopyStatus.GONE]


def linked(browser: Browser, address: str) -> list[str | None]:
    return [one.attrs.get("href") for one in browser.get(address).all("a")]


def test_an_owner_forgets_a_vault_and_is_told_what_is_lost(owner: Browser, vault_id: UUID) -> None:
    lay(vault_id, CopyStatus.STORED)
    with transaction() as session:
        run = vault_checks.ask(session, session.scalars(select(Vault)).one(), None)
    address = f"/vaults/{vault_id}/forget"
    assert address in linked(owner, f"/vaults/{vault_id}/remove")
    assert "not proven gone" in owner.get(address).text
    owner.post(address, 422, typed="another")
    owner.post(address, typed=HOSTILE)
    with reading() as session:
        ended = runs.find(session, run.id)
        assert (ended.status, ended.error_code) == (Status.FAILED, "VAULT_FORGOTTEN")
        rows = select(AuditEntry).where(AuditEntry.action == "vault.forgotten")
        assert session.scalars(rows).one()
    assert stored().removed_at


def test_nobody_else_is_led_to_forget_a_vault(
    sign_in: Callable[[Role], Browser], vault_id: UUID
) -> None:
    lay(vault_id, CopyStatus.STORED)
    admin = sign_in(Role.ADMIN)
    assert f"/vaults/{vault_id}/forget" not in linked(admin, f"/vaults/{vault_id}/remove")
    admin.get(f"/vaults/{vault_id}/forget", 403)
