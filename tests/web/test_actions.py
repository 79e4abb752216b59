"""What forms do: with and without htmx, right and wrong, and what they refuse."""

import re
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot.db import reading, transaction
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import BACKUP_ROOT, SAFE_BACKUP_ROOT, Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.kinds import Compression, Role, RunKind
from tests.web.conftest import Browser
from tests.web.scenes import FINGERPRINT, OTHER_FINGERPRINT, add_checkup
from tests.web.test_pages import build

SERVER = {
    "name": "web-1",
    "host": "web-1.example.com",
    "port": "2222",
    "username": "cloudpilot",
    "backup_root": "/var/backups/cloudpilot",
}
SITE = {"name": "shop", "paths": "/srv/shop\n/etc", "excludes": "*.log", "compression": "zstd"}
Row = TypeVar("Row")


def row(app: Flask, kind: type[Row], row_id: UUID) -> Row:
    """That row, as it stands."""
    with app.app_context(), reading() as session:
        return session.get_one(kind, row_id)


def runs_of(app: Flask, kind: RunKind) -> list[Run]:
    """All runs of that kind, the newest first."""
    with app.app_context(), reading() as session:
        rows = select(Run).where(Run.kind == kind).order_by(Run.created_at.desc())
        return list(session.scalars(rows))


def change(app: Flask, act: Callable[[Session], Any]) -> None:
    """Do something to the rows."""
    with app.app_context(), transaction() as session:
        act(session)


def test_a_new_server_has_a_key_and_a_command(app: Flask, owner: Browser) -> None:
    location = owner.post("/servers/new", **SERVER).answer.location
    page = owner.get(location)
    command = page.one("textarea", id="setup-command")
    assert "readonly" in command.attrs
    server = row(app, Server, UUID(location.rsplit("/", 1)[1]))
    assert (server.name, server.port) == ("web-1", 2222)
    assert command.text
    assert "PRIVATE" not in page.text
    assert server.private_key not in page.text


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("name", "", "1 to 100 characters"),
        ("name", "x" * 101, "1 to 100 characters"),
        ("host", "-oProxyCommand=x", "host name or an address"),
        ("host", "a b", "host name or an address"),
        ("port", "0", "from 1 to 65535"),
        ("port", "65536", "from 1 to 65535"),
        ("port", "22; rm", "from 1 to 65535"),
        ("port", "9" * 5000, "from 1 to 65535"),
        ("port", "²", "from 1 to 65535"),
        ("port", "٢٢", "from 1 to 65535"),
        ("port", "         22x", "from 1 to 65535"),
        ("port", "00000002299999", "from 1 to 65535"),
        ("username", "Root", "lower-case letters"),
        ("username", "-x", "lower-case letters"),
        ("backup_root", "backups", "whole path"),
        ("backup_root", "/srv/../etc/x", ". or .."),
        ("backup_root", "/tmp", "folder of its own"),
    ],
)
def test_a_field_says_what_is_wrong_and_keeps_what_was_typed(
    owner: Browser, field: str, text: str, words: str
) -> None:
    page = owner.post("/servers/new", 422, **(SERVER | {field: text}))
    wrong = page.one("input", name=field)
    assert wrong.attrs["value"] == text
    assert wrong.attrs["aria-invalid"] == "true"
    [error] = [e for e in page.elements if e.attrs.get("id") == f"{field}-error"]
    assert words in error.text
    assert error.attrs["id"] in wrong.attrs["aria-describedby"]
    for other, typed in SERVER.items():
        if other != field:
            assert page.one("input", name=other).attrs["value"] == typed
    assert "No servers yet" in owner.get("/servers").text


def test_a_port_may_be_pasted_with_blanks(app: Flask, owner: Browser) -> None:
    typed = SERVER | {"port": f"{' ' * 9}22 "}
    location = owner.post("/servers/new", **typed).answer.location
    assert row(app, Server, UUID(location.rsplit("/", 1)[1])).port == 22


def test_changing_a_server_asks_it_again(app: Flask, owner: Browser) -> None:
    ids = build(app, "little")
    path = f"/servers/{ids['server']}/edit"
    assert owner.get(path).one("input", name="host").attrs["value"] == "web-1.example.com"
    page = owner.post(path, 422, **(SERVER | {"host": "10.0.0.7"}))
    assert "same machine" in page.text
    owner.post(path, **(SERVER | {"host": "10.0.0.7", "same_machine": "y"}))
    assert row(app, Server, ids["server"]).host == "10.0.0.7"
    assert len(runs_of(app, RunKind.CHECK)) == 1


def test_pasted_keys_are_approved_and_the_check_begins(app: Flask, owner: Browser) -> None:
    ids = build(app, "new server")
    path = f"/servers/{ids['server']}"
    typed = f"cloudpilot-ready {ids['server']} plain {FINGERPRINT} {OTHER_FINGERPRINT}"
    assert owner.post(f"{path}/approve", host_keys=typed).answer.location == path
    assert row(app, Server, ids["server"]).host_keys == [FINGERPRINT, OTHER_FINGERPRINT]
    [run] = runs_of(app, RunKind.CHECK)
    assert run.status is Status.PENDING
    assert "every 2s" in owner.get(path).text


def test_what_is_no_line_of_keys_is_refused_where_it_was_pasted(app: Flask, owner: Browser) -> None:
    ids = build(app, "new server")
    typed = "<b>something else</b>"
    page = owner.post(f"/servers/{ids['server']}/approve", 422, host_keys=typed)
    assert page.one("textarea", name="host_keys").text == typed
    assert "INVALID_CONFIG" in page.text
    assert row(app, Server, ids["server"]).host_keys == []


def test_an_offered_key_is_approved_once_it_was_compared(app: Flask, owner: Browser) -> None:
    ids = build(app, "offered key")
    path = f"/servers/{ids['server']}/approve-offered"
    page = owner.post(path, 422, fingerprint=FINGERPRINT)
    assert "Compare the key first" in page.text
    page = owner.post(path, 409, fingerprint=OTHER_FINGERPRINT, compared="y")
    assert "INVALID_STATE" in page.text
    owner.post(path, fingerprint=FINGERPRINT, compared="y")
    assert row(app, Server, ids["server"]).host_keys == [FINGERPRINT]


def test_a_changed_key_is_trusted_only_after_a_comparison(app: Flask, owner: Browser) -> None:
    ids = build(app, "changed key")
    path = f"/servers/{ids['server']}"
    assert "Back up paths" not in owner.get(path).buttons
    owner.post(f"{path}/approve-offered", fingerprint=OTHER_FINGERPRINT, compared="y")
    server = row(app, Server, ids["server"])
    assert (server.host_keys, server.offered_host_key) == ([OTHER_FINGERPRINT], None)


def test_a_check_is_asked_for_once(app: Flask, owner: Browser) -> None:
    ids = build(app, "little")
    owner.post(f"/servers/{ids['server']}/check")
    page = owner.post(f"/servers/{ids['server']}/check", 409)
    assert "BACKUP_IN_PROGRESS" in page.text
    assert len(runs_of(app, RunKind.CHECK)) == 1


def test_the_better_directory_is_one_button_away(app: Flask, owner: Browser) -> None:
    ids = build(app, "trapped")
    owner.post(f"/servers/{ids['server']}/backup-root")
    assert row(app, Server, ids["server"]).backup_root == "/var/backups/cloudpilot"
    assert "is emptied" not in owner.get(f"/servers/{ids['server']}").text
    assert len(runs_of(app, RunKind.CHECK)) == 1


def test_without_a_better_directory_there_is_nothing_to_switch_to(
    app: Flask, owner: Browser
) -> None:
    ids = build(app, "little")
    assert "INVALID_STATE" in owner.post(f"/servers/{ids['server']}/backup-root", 409).text


def test_a_site_is_added_changed_and_removed(app: Flask, owner: Browser) -> None:
    ids = build(app, "little")
    added = owner.post(f"/servers/{ids['server']}/sites/new", **SITE | {"name": "blog"})
    site_id = UUID(added.answer.location.rsplit("/", 1)[1])
    site = row(app, Site, site_id)
    assert (site.paths, site.excludes) == (["/srv/shop", "/etc"], ["*.log"])
    assert site.compression is Compression.ZSTD

    edit = owner.get(f"/sites/{site_id}/edit")
    assert edit.one("textarea", name="paths").text == "/srv/shop\n/etc"
    assert "selected" in edit.one("option", value="zstd").attrs
    owner.post(f"/sites/{site_id}/edit", **SITE | {"paths": "/srv/blog", "excludes": ""})
    assert row(app, Site, site_id).paths == ["/srv/blog"]

    owner.get(f"/sites/{site_id}/remove")
    owner.post(f"/sites/{site_id}/remove")
    owner.get(f"/sites/{site_id}", 404)


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("paths", "srv/shop", "whole path"),
        ("paths", "/proc/1", "kernel's own files"),
        ("excludes", "/", "exclude everything"),
        ("excludes", "srv", "fits /srv/shop itself"),
        ("excludes", "a/../b", ". or .."),
        ("compression", "rar", "Not a valid choice"),
    ],
)
def test_a_site_that_makes_no_sense_is_refused(
    app: Flask, owner: Browser, field: str, text: str, words: str
) -> None:
    ids = build(app, "little")
    page = owner.post(f"/servers/{ids['server']}/sites/new", 422, **(SITE | {field: text}))
    assert words in page.one("main").text
    if field != "compression":
        assert page.one("textarea", name=field).text == text
    assert page.one("input", name="name").attrs["value"] == "shop"


def test_a_backup_of_a_site_follows_the_form(app: Flask, owner: Browser) -> None:
    ids = build(app, "little")
    path = f"/backups/new?site={ids['site']}"
    location = owner.post(path, retention_days="7", note="before the update").answer.location
    backup = row(app, Backup, UUID(location.rsplit("/", 1)[1]))
    assert (backup.retention_days, backup.note) == (7, "before the update")
    assert (backup.paths, backup.excludes) == (["/srv/shop"], ["*.log", "/cache"])
    assert backup.status is Status.PENDING
    assert owner.get(location).all("button")[1].text == "Stop"

    page = owner.post(path, 409, retention_days="9", note="again")
    assert "BACKUP_IN_PROGRESS" in page.text
    assert page.one("input", name="retention_days").attrs["value"] == "9"
    assert page.one("input", name="note").attrs["value"] == "again"


@pytest.mark.parametrize(
    ("text", "days"), [("", 30), ("1", 1), ("365", 365), ("0", None), ("366", None), ("x", None)]
)
def test_retention_is_1_to_365_days_and_30_if_blank(
    app: Flask, owner: Browser, text: str, days: int | None
) -> None:
    ids = build(app, "little")
    path = f"/backups/new?site={ids['site']}"
    answer = owner.post(path, 303 if days else 422, retention_days=text, note="").answer
    if days:
        backup = row(app, Backup, UUID(answer.location.rsplit("/", 1)[1]))
        assert (backup.expires_at - backup.created_at).days == days


def test_paths_of_a_server_are_backed_up_without_a_site(app: Flask, owner: Browser) -> None:
    ids = build(app, "little")
    fields = {"paths": "/etc", "excludes": "", "compression": "gzip", "retention_days": ""}
    location = owner.post(f"/backups/new?server={ids['server']}", **fields).answer.location
    backup = row(app, Backup, UUID(location.rsplit("/", 1)[1]))
    assert (backup.paths, backup.site_id, backup.retention_days) == (["/etc"], None, 30)


def test_a_server_that_is_not_set_up_is_not_backed_up(app: Flask, owner: Browser) -> None:
    ids = build(app, "new server")
    fields = {"paths": "/etc", "compression": "gzip"}
    page = owner.post(f"/backups/new?server={ids['server']}", 409, **fields)
    assert "SSH_NOT_CONFIGURED" in page.text
    assert page.one("textarea", name="paths").text == "/etc"


def test_a_backup_into_a_trap_needs_a_tick(app: Flask, owner: Browser) -> None:
    ids = build(app, "trapped")
    path = f"/backups/new?site={ids['site']}"
    assert "INVALID_CONFIG" in owner.post(path, 422, note="kept").text
    assert owner.post(path, accept_trap="y").answer.location.startswith("/backups/")


@pytest.mark.parametrize(
    ("asked", "tick"), [("/var/backups/cloudpilot", True), ("/tmp/cloudpilot-backups", False)]
)
def test_the_safe_place_needs_a_tick_as_well_where_it_is_in_memory(
    app: Flask, owner: Browser, asked: str, tick: bool
) -> None:
    """What a Check said of another directory is not said of this one."""
    safe = "/var/backups/cloudpilot"
    ids = build(app, "little")
    with app.app_context(), transaction() as session:
        server = session.get_one(Server, ids["server"])
        server.backup_root = safe
        add_checkup(session, server, trap="It is in memory.", alternative=safe, root=asked)
    path = f"/backups/new?site={ids['site']}"
    assert ("tick that you know" in owner.post(path, 422 if tick else 303).text) is tick


def test_stop_without_htmx_leads_back_to_the_page(app: Flask, owner: Browser) -> None:
    ids = build(app, "running")
    location = f"/backups/{ids['backup']}"
    assert owner.post(f"{location}/stop").answer.location == location
    assert row(app, Run, ids["run"]).stop_requested_at
    assert "Stop requested" in owner.get(location).text


@pytest.mark.parametrize("path", ["/backups/{backup}/stop", "/runs/{run}/stop"])
def test_stop_with_htmx_answers_with_the_controls(app: Flask, owner: Browser, path: str) -> None:
    ids = build(app, "running")
    page = owner.post(path.format(**ids), 200, htmx=True)
    assert page.elements[0].attrs["id"] == f"run-{ids['run']}-controls"
    assert "Stop requested" in page.text


@pytest.mark.parametrize(("role", "status"), [(Role.OWNER, 303), (Role.MEMBER, 403)])
def test_a_deletion_is_stopped_by_who_may_delete(
    app: Flask, sign_in: Callable[[Role], Browser], role: Role, status: int
) -> None:
    ids = build(app, "being deleted")
    browser, allowed = sign_in(role), status == 303
    assert ("Stop trying" in browser.get(f"/runs/{ids['run']}").buttons) is allowed
    browser.post(f"/runs/{ids['run']}/stop", status)
    assert bool(row(app, Run, ids["run"]).stop_requested_at) is allowed


def test_what_has_ended_cannot_be_stopped(app: Flask, owner: Browser) -> None:
    ids = build(app, "little")
    page = owner.post(f"/runs/{ids['run']}/stop", 409, htmx=True)
    assert page.answer.headers["HX-Retarget"] == "#problem"
    assert "It has ended already." in page.text


def test_a_backup_is_deleted_after_a_question(app: Flask, owner: Browser) -> None:
    ids = build(app, "little")
    path = f"/backups/{ids['backup']}"
    assert "It cannot be brought back." in owner.get(f"{path}/delete").text
    owner.post(f"{path}/delete")
    [run] = runs_of(app, RunKind.DELETE)
    assert run.backup_id == ids["backup"]
    assert "Being deleted" in owner.get(path).text
    assert "Being deleted" in owner.get("/backups").text
    assert "INVALID_STATE" in owner.post(f"{path}/delete", 409).text


def test_a_running_backup_is_not_deleted(app: Flask, owner: Browser) -> None:
    ids = build(app, "running")
    assert "Delete" not in owner.get(f"/backups/{ids['backup']}").buttons
    page = owner.post(f"/backups/{ids['backup']}/delete", 409)
    assert "Stop it first" in page.text


def test_a_removed_server_leaves_its_backups_a_name(app: Flask, owner: Browser) -> None:
    ids = build(app, "little")
    assert "Everything stays on the server" in owner.get(f"/servers/{ids['server']}/remove").text
    owner.post(f"/servers/{ids['server']}/remove")
    owner.get(f"/servers/{ids['server']}", 404)
    owner.get(f"/sites/{ids['site']}", 404)
    assert "web-1 (removed)" in owner.get(f"/backups/{ids['backup']}").text
    assert "web-1 (removed)" in owner.get(f"/runs/{ids['run']}").text
    assert "web-1" in owner.get("/backups").text
    assert "No servers yet" in owner.get("/servers").text


@pytest.mark.parametrize("name", ["running", "waiting", "being deleted"])
def test_a_server_where_something_is_to_be_done_is_not_removed(
    app: Flask, owner: Browser, name: str
) -> None:
    ids = build(app, name)
    page = owner.post(f"/servers/{ids['server']}/remove", 409)
    assert "BACKUP_IN_PROGRESS" in page.text
    work = "A deletion" if name == "being deleted" else "A backup"
    state = "under way" if name == "running" else "waiting for the server"
    assert f"{work} of shop on web-1 is {state}." in page.text
    assert page.one("a", href=f"/runs/{ids['run']}")
    owner.get(f"/servers/{ids['server']}")


def test_a_site_whose_backup_is_being_made_is_not_removed(app: Flask, owner: Browser) -> None:
    ids = build(app, "little")
    owner.post(f"/backups/new?site={ids['site']}")
    assert "BACKUP_IN_PROGRESS" in owner.post(f"/sites/{ids['site']}/remove", 409).text


def test_a_viewer_who_tries_is_refused_and_nothing_happens(
    app: Flask, sign_in: Callable[[Role], Browser]
) -> None:
    ids = build(app, "running")
    viewer = sign_in(Role.VIEWER)
    for path in (f"/runs/{ids['run']}/stop", f"/servers/{ids['server']}/check"):
        assert "NOT_ALLOWED" in viewer.post(path, 403).text
    assert row(app, Run, ids["run"]).stop_requested_at is None


# What people and servers call things is shown as it is, and never taken for markup.

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' or 1=1 --",
    "{{ 7*7 }}{% raw %}",
    "${jndi:x} $(id) `id`",
    "a & b &amp; &lt;",
    "日本語 ñ 👩‍🚀".replace("\u200d", ""),
    "-rf *",
    "x" * 100,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_shown_as_it_was_typed(app: Flask, owner: Browser, name: str) -> None:
    ids = build(app, "little")
    owner.post(f"/servers/{ids['server']}/edit", **SERVER | {"name": name, "same_machine": "y"})
    path = "/srv/" + name.replace("/", "∕")
    site = {"name": name, "paths": path, "excludes": f"/{name.replace('/', '∕')}"}
    added = owner.post(
        f"/servers/{ids['server']}/sites/new", compression="gzip", **site
    ).answer.location
    site_id = added.rsplit("/", 1)[1]
    backup = owner.post(f"/backups/new?site={site_id}", note=name).answer.location

    for shown in ("/", "/servers", f"/servers/{ids['server']}", added, backup, "/activity"):
        page = owner.get(shown)
        assert name in page.one("main").text, shown
        assert not page.all("img", src="x")
    assert owner.get(f"{added}/edit").one("input", name="name").attrs["value"] == name
    assert owner.get(f"{added}/edit").one("textarea", name="paths").text == path


def test_hostile_words_of_a_server_are_shown_as_they_are(app: Flask, owner: Browser) -> None:
    ids = build(app, "running")
    evil = "</pre><script>alert(1)</script>"

    def speak(session: Session) -> None:
        run = session.get_one(Run, ids["run"])
        run.log, run.stage = evil, evil
        run.error_code, run.error_detail = "SSH_UNREACHABLE", evil
        session.get_one(Backup, ids["backup"]).note = evil
        session.get_one(Server, ids["server"]).offered_host_key = evil

    change(app, speak)
    for path in (f"/backups/{ids['backup']}", f"/runs/{ids['run']}", f"/servers/{ids['server']}"):
        assert evil in owner.get(path).one("main").text
    owner.get("/")


def test_ids_of_other_kinds_are_not_found(app: Flask, owner: Browser) -> None:
    ids = build(app, "little")
    owner.get(f"/sites/{ids['server']}", 404)
    owner.get(f"/runs/{ids['backup']}", 404)
    owner.get(f"/backups/new?site={uuid4()}", 404)


def test_the_command_is_for_the_server_s_own_user(owner: Browser) -> None:
    for name in ("backup-1", "root"):
        location = owner.post("/servers/new", **SERVER | {"username": name}).answer.location
        page = owner.get(location)
        assert f" {name} " in page.one("textarea", id="setup-command").text
        assert ("refuses root" in page.text) is (name == "root")
        assert ("It creates the user" in page.text) is (name != "root")


@pytest.mark.parametrize("root", [SAFE_BACKUP_ROOT, BACKUP_ROOT, "/mnt/disk/backups"])
def test_what_is_said_of_the_command_is_what_it_does(owner: Browser, root: str) -> None:
    """It makes one directory, whichever the server's backups go to."""
    location = owner.post("/servers/new", **SERVER | {"backup_root": root}).answer.location
    said = re.sub(r"\s+", " ", owner.get(location).one("main").text)
    assert "makes /var/backups/cloudpilot" in said
    other = f"Backups of this server go to {root}, which the command does not make"
    assert (other in said) is (root != SAFE_BACKUP_ROOT)
    assert ("the first Check has them go to" in said) is (root == BACKUP_ROOT)


def test_the_form_says_what_becomes_of_tmp(owner: Browser) -> None:
    assert "empty /tmp at a reboot" in owner.get("/servers/new").text
