"""Databases of a site on the pages: added, changed, looked at, removed, backed up."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import checkups, databases
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.databases import Database
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.kinds import BackupType, Engine, Role, RunKind
from tests.support.page import Page
from tests.support.rows import add_database, add_server, add_site
from tests.web.conftest import Browser
from tests.web.scenes import FOUND_DATABASES
from tests.web.test_pages import build

PASSWORD = "a <b>password</b> 'that' \"nobody\" may see"
TYPED = {
    "engine": "mariadb",
    "reach": "socket",
    "socket": "/run/mysqld/mysqld.sock",
    "host": "",
    "port": "",
    "user": "backup",
    "password": PASSWORD,
    "which": "these",
    "names": "shop\n<i>blog</i>",
}


@pytest.fixture
def ids(app: Flask) -> dict[str, UUID]:
    """A server with a site, and the databases that its Check found."""
    with app.app_context(), transaction() as session:
        server = add_server(session)
        checkups.keep(session, server, [], {"databases": FOUND_DATABASES})
        return {"server": server.id, "site": add_site(session, server).id}


def rows(app: Flask, kind: Any = Database) -> list[Any]:
    with app.app_context(), reading() as session:
        return list(session.scalars(select(kind)))


def opened(app: Flask, row: Database) -> str:
    with app.app_context():
        found: str = app.extensions["sealer"].open(row.password, row.password_place).reveal()
        return found


def add(owner: Browser, ids: dict[str, UUID], status: int = 303, **typed: str) -> Page:
    return owner.post(f"/sites/{ids['site']}/databases/new", status, **(TYPED | typed))


def words(page: Page) -> str:
    return re.sub(r"\s+", " ", page.one("main").text)


def test_what_the_check_found_fills_the_form(owner: Browser, ids: dict[str, UUID]) -> None:
    page = owner.get(f"/sites/{ids['site']}/databases/new")
    said = words(page)
    assert "MariaDB 10.11.6 /run/mysqld/mysqld.sock" in said
    assert "PostgreSQL 15.5 127.0.0.1:5432" in said
    first, second = [e.attrs["href"] for e in page.all("a") if e.text.startswith("Use")]
    form = owner.get(first)
    assert form.one("input", name="socket").attrs["value"] == "/run/mysqld/mysqld.sock"
    assert "checked" in form.one("input", name="engine", value="mariadb").attrs
    form = owner.get(second)
    assert form.one("input", name="host").attrs["value"] == "127.0.0.1"
    assert form.one("input", name="port").attrs["value"] == "5432"
    for name, value in (("engine", "postgresql"), ("reach", "host")):
        assert "checked" in form.one("input", name=name, value=value).attrs
    odd = owner.get(f"/sites/{ids['site']}/databases/new?engine=oracle&socket=<x>")
    assert odd.one("input", name="socket").attrs["value"] == "<x>"


def test_a_database_is_added_and_looked_at_and_its_password_seen_by_nobody(
    app: Flask, owner: Browser, ids: dict[str, UUID]
) -> None:
    where = add(owner, ids).answer.location
    assert where == f"/sites/{ids['site']}#databases"
    [row] = rows(app)
    assert (row.engine, row.where, row.which) == (
        Engine.MARIADB,
        "/run/mysqld/mysqld.sock",
        "shop, <i>blog</i>",
    )
    assert opened(app, row) == PASSWORD
    [run] = rows(app, Run)
    assert (run.kind, run.options) == (RunKind.INSPECT, {"database": str(row.id)})
    shown = [
        owner.get(path).text
        for path in (f"/sites/{ids['site']}", f"/databases/{row.id}/edit", "/audit")
    ]
    shown.append(str([entry.details for entry in rows(app, AuditEntry)]))
    assert not [text for text in shown if "nobody" in text]
    assert [entry.action for entry in rows(app, AuditEntry)] == ["database.added"]
    assert "In use by this site" in owner.get(f"/sites/{ids['site']}/databases/new").text
    again = add(owner, ids, 422)
    assert "with these databases already" in words(again)
    assert again.one("textarea", name="names").text == TYPED["names"]


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("socket", {"socket": "mysqld.sock"}, "whole path"),
        ("host", {"reach": "host", "host": "a b"}, "Give a host name"),
        ("port", {"reach": "host", "host": "db", "port": "0"}, "MariaDB's own is 3306"),
        ("user", {"user": " "}, "Give the user"),
        ("password", {"password": "x ", "engine": "postgresql", "socket": "/tmp"}, "a blank"),
        ("names", {"names": ""}, "at least one database"),
        ("names", {"names": "mysql"}, "MariaDB's own"),
        ("engine", {"engine": "oracle"}, "Not a valid choice"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_the_rest_stays(
    app: Flask, owner: Browser, ids: dict[str, UUID], field: str, typed: dict[str, str], said: str
) -> None:
    page = add(owner, ids, 422, **typed)
    assert said in words(page)
    if field != "engine":
        assert any(e.attrs.get("id") == f"{field}-error" for e in page.elements)
    if field != "user":
        assert page.one("input", name="user").attrs["value"] == "backup"
    assert page.one("input", name="password").attrs.get("value", "") == ""
    assert rows(app) == []


def test_an_edit_keeps_the_password_unless_one_is_typed(
    app: Flask, owner: Browser, ids: dict[str, UUID]
) -> None:
    add(owner, ids, reach="host", host="db-1", engine="postgresql")
    [row] = rows(app)
    path = f"/databases/{row.id}/edit"
    form = owner.get(path)
    assert form.one("input", name="host").attrs["value"] == "db-1"
    assert form.one("input", name="port").attrs["value"] == "5432"
    same = TYPED | {"engine": "postgresql", "reach": "host", "host": "db-1", "password": ""}
    owner.post(path, **(same | {"which": "all-but", "names": "scratch"}))
    [row] = rows(app)
    assert (row.which, opened(app, row)) == ("all but scratch", PASSWORD)
    refused = owner.post(path, 422, **(same | {"host": "evil.example"}))
    assert "type the password for it" in words(refused)
    owner.post(
        path, **(same | {"reach": "socket", "socket": "/tmp/.s.PGSQL.5433", "password": "n"})
    )
    [row] = rows(app)
    assert (row.where, row.host, opened(app, row)) == ("/tmp/.s.PGSQL.5433", "", "n")
    assert owner.get(path).one("input", name="socket").attrs["value"] == "/tmp/.s.PGSQL.5433"
    last = rows(app, AuditEntry)[-1]
    assert (last.action, last.details["new_password"]) == ("database.changed", "yes")
    assert last.details["changes"]["host"] == ["db-1", ""]


def test_a_server_that_is_not_set_up_is_asked_nothing(
    app: Flask, owner: Browser, ids: dict[str, UUID]
) -> None:
    with app.app_context(), transaction() as session:
        session.get_one(Server, ids["server"]).host_keys = []
    add(owner, ids)
    [row] = rows(app)
    assert rows(app, Run) == []
    page = owner.get(f"/sites/{ids['site']}")
    assert "Not looked at yet" in page.text
    owner.post(f"/databases/{row.id}/inspect", 409)


def test_look_again_asks_once_and_leaves_a_note(
    app: Flask, sign_in: Callable[[Role], Browser], ids: dict[str, UUID]
) -> None:
    with app.app_context(), transaction() as session:
        database = add_database(session, session.get_one(Site, ids["site"]))
    member = sign_in(Role.MEMBER)
    member.post(f"/databases/{database.id}/inspect")
    member.post(f"/databases/{database.id}/inspect", 409)
    assert [entry.action for entry in rows(app, AuditEntry)] == ["database.look-requested"]
    part, page = (
        member.get(f"/databases/{database.id}/findings"),
        member.get(f"/sites/{ids['site']}"),
    )
    assert "every 2s" in part.text
    assert not [button for button in page.buttons if button.startswith(("Look", "Edit", "Add"))]


def test_a_database_is_removed_after_a_question(
    app: Flask, owner: Browser, ids: dict[str, UUID]
) -> None:
    add(owner, ids)
    [row] = rows(app)
    path = f"/databases/{row.id}/remove"
    assert "forgets its password" in words(owner.get(path))
    made = owner.post(f"/backups/new?site={ids['site']}", type="database").answer.location
    assert "BACKUP_IN_PROGRESS" in owner.post(path, 409).text
    with app.app_context(), transaction() as session:
        session.scalars(select(Run).where(Run.kind == RunKind.MAKE)).one().move(
            session, Status.FAILED
        )
    owner.post(path)
    owner.get(path, 404)
    assert rows(app, AuditEntry)[-1].action == "database.removed"
    assert "MariaDB /run/mysqld/mysqld.sock: shop" in words(owner.get(made))


@pytest.mark.parametrize(
    ("paths", "has", "types"),
    [
        (["/srv"], True, ["full", "files", "database"]),
        (["/srv"], False, ["files"]),
        ([], True, ["database"]),
    ],
)
def test_what_can_be_backed_up_is_what_can_be_chosen(
    app: Flask, owner: Browser, ids: dict[str, UUID], paths: list[str], has: bool, types: list[str]
) -> None:
    with app.app_context(), transaction() as session:
        site = session.get_one(Site, ids["site"])
        site.paths = paths
        if has:
            add_database(session, site)
    path = f"/backups/new?site={ids['site']}"
    page = owner.get(path)
    radios = page.all("input", name="type")
    assert [radio.attrs["value"] for radio in radios] == (types if len(types) > 1 else [])
    assert [r.attrs["value"] for r in radios if "checked" in r.attrs] == types[: len(radios) and 1]
    if radios:
        assert "Not a valid choice" in owner.post(path, 422, type="snapshot", note="kept").text
    owner.post(path, **({"type": "full"} if radios else {}))
    [backup] = rows(app, Backup)
    assert backup.type == types[0]
    assert bool(backup.paths) is backup.type.has_files
    assert bool(backup.databases) is backup.type.has_databases


def test_a_site_of_nothing_says_what_to_add(
    app: Flask, owner: Browser, sign_in: Callable[[Role], Browser], ids: dict[str, UUID]
) -> None:
    added = owner.post(
        f"/servers/{ids['server']}/sites/new",
        then="preview",
        name="only",
        paths="",
        excludes="",
        compression="gzip",
    )
    site = added.answer.location
    page = owner.get(site)
    assert "There is nothing to back up yet. Add paths or a database." in words(page)
    assert "Back up now" not in page.buttons
    assert "An owner or admin" in sign_in(Role.VIEWER).get(site).text
    new = f"/backups/new?site={site.rsplit('/', 1)[1]}"
    assert "nothing to back up yet" in words(owner.get(new))
    assert "only has nothing to back up yet" in words(owner.post(new, 422))


def test_a_backup_says_what_was_dumped(app: Flask, owner: Browser) -> None:
    ids = build(app, "databases")
    page = owner.get(f"/backups/{ids['backup']}")
    said = words(page)
    for expected in (
        "Each database is consistent in itself",
        "The dumps were made first, the files right after",
        "1 view, 2 triggers",
        "49,123",
        "about 40",
        "Rows of shop by table",
        "1 of 9",
        "all but scratch as backup",
    ):
        assert expected in said, expected
    assert len(page.all("details")) == 2
    for name in ("running databases", "failed databases"):
        other = build(app, name)
        said = words(owner.get(f"/backups/{other['backup']}"))
        assert "all but scratch" in said
        assert "consistent in itself" not in said
    listed = words(owner.get("/backups?type=full&status=failed"))
    assert "web-1 · Full" in listed
    assert owner.get("/backups?type=database").text.count("No backup fits") == 1


def test_of_a_database_backup_no_files_are_told(app: Flask, owner: Browser) -> None:
    ids = build(app, "databases")
    with app.app_context(), transaction() as session:
        backup = session.get_one(Backup, ids["backup"])
        backup.type, backup.paths = BackupType.DATABASE, []
        backup.census = [{}]
    said = words(owner.get(f"/backups/{ids['backup']}"))
    assert "Files below" not in said
    assert "files right after" not in said
    assert "A database" in said


@pytest.mark.parametrize(("dumped", "told"), [(2, ""), (3, "1 more was"), (14, "12 more were")])
def test_databases_that_are_not_listed_are_told(
    app: Flask, owner: Browser, dumped: int, told: str
) -> None:
    ids = build(app, "databases")
    with app.app_context(), transaction() as session:
        backup = session.get_one(Backup, ids["backup"])
        backup.counts = backup.counts | {"databases": dumped}
    said = words(owner.get(f"/backups/{ids['backup']}"))
    assert ("too many to be listed here" in said) is bool(told)
    assert told in said


def test_a_site_shows_one_badge_for_each_database(app: Flask, owner: Browser) -> None:
    ids = build(app, "databases")
    said = words(owner.get(f"/sites/{ids['site']}"))
    for expected in (
        "OK",
        "Problem",
        "Not looked at yet",
        "PostgreSQL /run/postgresql/.s.PGSQL.5433",
    ):
        assert expected in said
    with app.app_context(), reading() as session:
        assert len(databases.of_site(session, ids["site"])) == 3
