"""Every page, at every moment that we could think of."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import event

from cloudpilot import clock
from cloudpilot.db import db, transaction
from cloudpilot.domain import backups, runs
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.kinds import Role, RunKind
from tests.support.page import Page
from tests.web import scenes
from tests.web.conftest import Browser
from tests.web.scenes import SCENES

PAGES = {
    "overview": "/",
    "servers": "/servers",
    "sites": "/sites",
    "some sites": "/sites?q=web&state=never",
    "new server": "/servers/new",
    "backups": "/backups",
    "some backups": "/backups?status=failed&type=files",
    "what to back up": "/backups/new",
    "activity": "/activity",
    "change what is found": "/vaults/{vault}/adopt",
    "clouds": "/clouds",
    "recovery": "/recovery",
    "new cloud": "/clouds/new?kind=aws",
    "cloud": "/clouds/{cloud}",
    "machines": "/clouds/{cloud}/machines",
    "which server": "/clouds/{cloud}/machines/which?machine=i-db",
    "change cloud": "/clouds/{cloud}/edit",
    "remove cloud": "/clouds/{cloud}/remove",
    "what machine": "/servers/{server}/cloud",
    "snapshot": "/runs/{snapshot}",
    "server": "/servers/{server}",
    "change server": "/servers/{server}/edit",
    "remove server": "/servers/{server}/remove",
    "take off": "/servers/{server}/uninstall",
    "take off, archives stay": "/servers/{server}/uninstall?archives=keep",
    "what it may do": "/servers/{server}/privilege?privilege=full",
    "new host key": "/servers/{server}/host-key",
    "set up otherwise": "/servers/{server}?wished=full",
    "new site": "/servers/{server}/sites/new",
    "paths": "/backups/new?server={server}",
    "its backups": "/backups?server={server}",
    "site": "/sites/{site}",
    "change site": "/sites/{site}/edit",
    "remove site": "/sites/{site}/remove",
    "new database": "/sites/{site}/databases/new",
    "change database": "/databases/{database}/edit",
    "remove database": "/databases/{database}/remove",
    "back up": "/backups/new?site={site}",
    "backup": "/backups/{backup}",
    "delete backup": "/backups/{backup}/delete",
    "run": "/runs/{run}",
    "restores": "/restores",
    "new restore": "/backups/{backup}/restore",
    "restore": "/restores/{restore}",
    "undo": "/restores/{restore}/undo",
    "forget": "/restores/{restore}/forget",
}
FORMS = {  # what they look like depends on no backup; who only looks is refused, see test_access.py
    name
    for name in PAGES
    if name.startswith(
        ("new ", "change ", "remove ", "take off", "what ", "paths", "set up", "which")
    )
    and name not in {"new restore", "new host key"}
}
SHOWN = {name: path for name, path in PAGES.items() if name not in FORMS}
FRAGMENTS = {  # a page, and the fragment that it holds
    "/activity": "/activity/live",
    "/servers/{server}": "/servers/{server}/checkup",
    "/backups/{backup}": "/backups/{backup}/status",
    "/runs/{run}": "/runs/{run}/status",
    "/restores/{restore}": "/restores/{restore}/status",
    "/clouds/{cloud}": "/clouds/{cloud}/checkup",
    "/vaults/{vault}/adopt": "/vaults/{vault}/adopt/progress",
    "/sites/{site}": "/databases/{database}/findings",
}
WEIGHT = 150_000  # bytes of a page with all that it loads


@pytest.fixture
def scene(app: Flask, request: pytest.FixtureRequest) -> dict[str, UUID]:
    """The ids of the rows of that scene."""
    return build(app, request.param)


def build(app: Flask, name: str) -> dict[str, UUID]:
    """Make the rows of a scene."""
    with app.app_context(), transaction() as session:
        return SCENES[name](session).ids


def paths(pages: dict[str, str] | list[str], ids: dict[str, UUID]) -> list[str]:
    """Those of the pages whose rows are there."""
    filled = []
    for path in pages.values() if isinstance(pages, dict) else pages:
        if set(re.findall(r"{(\w+)}", path)) <= set(ids):
            filled.append(path.format(**ids))
    return filled


@pytest.mark.parametrize("role", [Role.OWNER, Role.VIEWER])
@pytest.mark.parametrize("scene", SCENES, indirect=True)
def test_every_page_renders(
    scene: dict[str, UUID], role: Role, sign_in: Callable[[Role], Browser]
) -> None:
    browser = sign_in(role)
    for path in paths(PAGES if role is Role.OWNER else SHOWN, scene):
        answer = browser.client.get(path)
        assert answer.status_code == 200 or role is Role.VIEWER, (path, answer.text[:2000])
        if answer.status_code == 200:
            page = Page(answer, browser.client.application)
            assert "None" not in page.one("main").text
            assert len(page.text) < WEIGHT / 2


@pytest.mark.parametrize("scene", SCENES, indirect=True)
def test_a_page_holds_its_fragment_letter_for_letter(
    scene: dict[str, UUID], owner: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    for page, fragment in FRAGMENTS.items():
        if not paths([page + fragment], scene):
            continue
        whole, part = owner.get(page.format(**scene)), owner.get(fragment.format(**scene))
        roots = [e for e in part.elements if e.parent is None]
        assert [root.attrs["id"] for root in roots]
        assert len(roots) == 1
        if roots[0].attrs["id"] in {e.attrs.get("id") for e in whole.elements}:
            assert part.text.strip() in whole.text
        else:
            # There is nothing to say before it is set up, or searched.
            assert page.startswith(("/servers", "/vaults/{vault}/adopt"))


POLLING = {"pending", "waiting", "running", "stopping", "being deleted", "restoring"}


@pytest.mark.parametrize("scene_name", [n for n in SCENES if n not in {"nothing", "new server"}])
def test_it_polls_if_and_only_if_something_is_still_to_happen(
    app: Flask, owner: Browser, scene_name: str
) -> None:
    ids = build(app, scene_name)
    if "backup" not in ids:
        return
    going_on = scene_name == "much" or any(scene_name.startswith(word) for word in POLLING)
    about = f"/restores/{ids['restore']}" if "restore" in ids else f"/backups/{ids['backup']}"
    for path in (f"{about}/status", f"/runs/{ids['run']}/status"):
        fragment = owner.get(path)
        assert ("every 2s" in fragment.text) is going_on, path
    page = owner.get(about)
    assert ('http-equiv="refresh"' in page.text) is going_on


def test_a_check_polls_until_it_is_over(app: Flask, owner: Browser) -> None:
    ids = build(app, "checking")
    path = f"/servers/{ids['server']}/checkup"
    assert "every 2s" in owner.get(path).text
    with app.app_context(), transaction() as session:
        runs.find(session, ids["run"]).move(session, Status.COMPLETED)
    assert "every 2s" not in owner.get(path).text


@pytest.mark.parametrize(
    "path", ["/backups/{backup}/status", "/runs/{run}/status", "/activity/live"]
)
def test_the_last_answer_has_the_page_loaded_once_more(
    app: Flask, owner: Browser, path: str
) -> None:
    """What stands beside the fragment, Stop above all, must go when the work is over."""

    ids = build(app, "running")
    first = owner.get(path.format(**ids))
    [polling] = [e for e in first.elements if "hx-get" in e.attrs]
    again = polling.attrs["hx-get"]
    htmx = {"HX-Request": "true"}
    assert "HX-Refresh" not in owner.get(again, headers=htmx).answer.headers

    with app.app_context(), transaction() as session:
        runs.find(session, ids["run"]).move(session, Status.COMPLETED)
        backups.find(session, ids["backup"]).move(session, Status.COMPLETED)
    last = owner.get(again, headers=htmx)
    assert last.answer.headers["HX-Refresh"] == "true"
    assert "hx-trigger" not in last.text


def test_progress_says_what_is_done_and_what_is_left(app: Flask, owner: Browser) -> None:
    ids = build(app, "running")
    page = owner.get(f"/backups/{ids['backup']}")
    said = re.sub(r"\s+", " ", page.one("main").text)
    assert "Packing 1.2 GB of 3.1 GB · 38 % · 61.4 MB/s · 32 s left" in said
    progress = page.one("progress")
    assert int(progress.attrs["value"]) <= int(progress.attrs["max"])
    assert progress.text == progress.attrs["aria-label"] == "Packing"
    assert page.all("span", title="1,203,111,936 bytes")
    assert page.one("section", id=f"backup-{ids['backup']}-status").attrs["data-announce"]


def test_progress_that_nobody_has_looked_at_is_no_news(app: Flask, owner: Browser) -> None:
    """No worker runs: what it was at is told with its time, and no speed."""
    ids = build(app, "running")
    with app.app_context(), transaction() as session:
        run = session.get_one(Run, ids["run"])
        run.seen_at = seen_at = clock.now() - timedelta(seconds=62)
    for path in (f"/backups/{ids['backup']}", f"/runs/{ids['run']}", "/activity", "/"):
        page = owner.get(path)
        said = re.sub(r"\s+", " ", page.one("main").text)
        assert "38 %" in said
        assert f"as of {seen_at:%Y-%m-%d %H:%M:%S} UTC" in said
        assert not re.search(r"/s\b|\d s left", said)
        assert page.one("progress").attrs["class"] == "still"


@pytest.mark.parametrize(("late", "is_old"), [(50, False), (70, True)])
def test_what_no_worker_takes_up_does_not_move(
    app: Flask, owner: Browser, late: int, is_old: bool
) -> None:
    ids = build(app, "checking")
    with app.app_context(), transaction() as session:
        session.get_one(Run, ids["run"]).next_look_at = clock.now() - timedelta(seconds=late)
    page = owner.get(f"/runs/{ids['run']}")
    assert ("as of 20" in page.text) is is_old
    assert ("class" in page.one("progress").attrs) is is_old


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("waiting", ["Waiting for server", "SSH_UNREACHABLE", "did not answer", "Tried 3 times"]),
        ("running, silent", ["No answer since 20", "SSH_UNREACHABLE", "goes on at the server"]),
        ("failed", ["Failed", "DISK_FULL", "Only 2.1 GB", "Free space on the server"]),
        ("failed for no known reason", ["INTERNAL", "It failed."]),
        ("stopped", ["Stopped", "STOPPED", "Nothing to do"]),
        ("stopping", ["Stopping", "Stop requested"]),
        ("warned", ["Completed, 1,234 warnings", "first 200 of 1,234", "cache/199"]),
        ("being deleted", ["Being deleted", "until it is proven gone", "SSH_UNREACHABLE"]),
        ("deletion stopped", ["It was not deleted: Stopped before it began.", "STOPPED"]),
        ("not deletable", ["could not be deleted", "STILL_THERE"]),
    ],
)
def test_a_backup_says_how_it_stands(
    app: Flask, owner: Browser, name: str, words: list[str]
) -> None:
    said = owner.get(f"/backups/{build(app, name)['backup']}").one("main").text
    assert [word for word in words if word not in re.sub(r"\s+", " ", said)] == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("new server", ["Prepare the server", "Prove that it is the right one"]),
        ("offered key", ["The server shows this key", scenes.FINGERPRINT]),
        ("changed key", ["HOST_KEY_CHANGED", scenes.OTHER_FINGERPRINT, "do not connect"]),
        ("trapped", [scenes.TRAP, "Keep new backups in /var/backups/cloudpilot"]),
        ("little", ["Free space", "4.1 GB free of 40 GB", "du -xh", "Latest backups"]),
    ],
)
def test_a_server_says_how_it_stands(
    app: Flask, owner: Browser, name: str, words: list[str]
) -> None:
    said = owner.get(f"/servers/{build(app, name)['server']}").one("main").text
    assert [word for word in words if word not in said] == []


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"error_code": "SSH_AUTH_FAILED"}, "Login refused"),
        ({"error_code": "SSH_UNREACHABLE"}, "Unreachable"),
        ({"error_code": "TOOL_MISSING"}, "Check failed"),
        ({"error_code": "STOPPED"}, "To be checked"),
    ],
)
def test_a_server_whose_check_failed_does_not_look_fine(
    app: Flask, owner: Browser, columns: dict[str, str], words: str
) -> None:
    ids = build(app, "little")
    assert "Ready, warnings" in owner.get("/servers").text
    with app.app_context(), transaction() as session:
        server = session.get_one(Server, ids["server"])
        scenes.add_run(session, server, RunKind.CHECK, Status.FAILED, **columns)
    for path in ("/servers", f"/servers/{ids['server']}"):
        page = owner.get(path)
        assert words in page.text
        assert "Ready" not in page.text


@pytest.mark.parametrize(
    ("name", "lies_there"), [("little", True), ("being deleted", False), ("running", False)]
)
def test_a_backup_says_where_it_lies_only_if_it_does(
    app: Flask, owner: Browser, name: str, lies_there: bool
) -> None:
    said = owner.get(f"/backups/{build(app, name)['backup']}").one("main").text
    assert ("Lies on the server at" in said) is lies_there
    assert ("Keep until" in said) is (name != "being deleted")


def test_only_a_backup_goes_on_without_us(app: Flask, owner: Browser) -> None:
    ids = build(app, "checking")
    with app.app_context(), transaction() as session:
        session.get_one(Run, ids["run"]).error_code = "SSH_UNREACHABLE"
    said = owner.get(f"/runs/{ids['run']}").text
    assert "it is tried again by itself" in said
    assert "goes on at the server" not in said


def test_a_viewer_sees_no_button_that_must_not_be_pressed(
    app: Flask, sign_in: Callable[[Role], Browser]
) -> None:
    ids = build(app, "trapped") | {"x": UUID(int=0)}
    viewer = sign_in(Role.VIEWER)
    shown: set[str] = set()
    for path in ("/", "/servers", "/servers/{server}", "/sites/{site}", "/backups/{backup}"):
        shown |= viewer.get(path.format(**ids)).buttons
    assert shown - {"Sign out", "Copy", "Files"} == set()  # names may be seen by who may look
    assert "Stop" not in viewer.get("/activity").buttons


def test_a_member_runs_but_does_not_delete(app: Flask, sign_in: Callable[[Role], Browser]) -> None:
    ids = build(app, "little")
    member = sign_in(Role.MEMBER)
    buttons = member.get(f"/backups/{ids['backup']}").buttons
    assert "Back up again" in buttons
    assert "Delete" not in buttons
    assert "Check now" in member.get(f"/servers/{ids['server']}").buttons


def test_a_page_costs_few_queries_however_many_rows_there_are(app: Flask, owner: Browser) -> None:

    ids = build(app, "much")
    asked: list[str] = []

    def count(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append(statement)

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", count)
    try:
        for path in paths(PAGES, ids):
            asked.clear()
            owner.client.get(path)
            assert len(asked) <= 26, (path, asked)
    finally:
        with app.app_context():
            event.remove(db.engine, "before_cursor_execute", count)
