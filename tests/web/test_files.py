"""The files of a backup, as people see them: folders, what is odd, and what cannot be shown."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from flask import Flask
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect
from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import blocks, listings
from cloudpilot.domain.audit import Action, AuditEntry
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.index import Entry, Pieces, escaped
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.kinds import BackupType, Role, RunKind
from tests.support import axe
from tests.support.rows import add_server, add_site
from tests.web import test_browser
from tests.web.conftest import Browser
from tests.web.scenes import add_backup, add_run
from tests.web.test_browser import LOOKS, address, chromium, tab
from tests.web.test_pages import WEIGHT
from tests.web.test_uploads import SignIn

__all__ = ["address", "chromium", "tab"]  # fixtures
TOP = "files/srv/shop"
HOSTILE = "<script>alert(1)</script>".replace("/", "∕") + "\n\u202etxt.exe"
MANY = 5000
# Cells whose words are wider than they are.
OVERLAPS = """() => [...document.querySelectorAll('td')].filter(
  (td) => td.scrollWidth > td.clientWidth + 1 && getComputedStyle(td).display !== 'none'
).map((td) => td.innerText)"""


def tree() -> Iterator[Entry]:
    """What is in the archive."""
    rows = [
        ("manifest.json", "0", 900, 0o600, ""),
        ("databases/1/census.json", "0", 500, 0o600, ""),
        ("files/srv", "5", 0, 0o755, ""),
        (TOP, "5", 0, 0o755, ""),
        (f"{TOP}/empty", "5", 0, 0o2775, ""),
        (f"{TOP}/many", "5", 0, 0o755, ""),
        (f"{TOP}/{HOSTILE}", "0", 7, 0o640, ""),
        (f"{TOP}/" + "a-very-long-name-without-blanks-" * 6, "0", 55, 0o4755, ""),
        (f"{TOP}/current", "2", 0, 0o777, escaped("releases/<b>\n1")),
        (f"{TOP}/again", "1", 0, 0o644, f"{TOP}/large"),
        (f"{TOP}/pipe", "6", 0, 0o644, ""),
        (f"{TOP}/שלום.txt", "0", 3, 0o644, ""),
        *((f"{TOP}/many/photo-{n:04d}.jpg", "0", n * 977, 0o644, "") for n in range(MANY)),
    ]
    for at, (path, kind, size, mode, link) in enumerate(rows):
        where = (at * 1024, at * 1024 + 1024)
        yield Entry(escaped(path), kind, *where, size, mode, 1_700_000_000, link)
    end = len(rows) * 1024
    yield Entry(f"{TOP}/of-an-older-version", "0", end, end + 1, 1)
    yield Entry(f"{TOP}/of-no-time", "0", end + 1, end + 2, 1, 0o644, 10**14)


def keep(backup_id: UUID) -> None:
    """Its list has been read."""
    found = list(blocks.cut(tree()))
    with transaction() as session:
        listing = listings.begin(session, backup_id)
        listings.add(session, listing.id, 0, found)
        size = sum(len(one.content) for one in found)
        firsts = [one.first for one in found]
        listings.finish(session, listing.id, firsts, size, Pieces([0, 1], [0, 1]), MANY + 14)


def change(backup_id: UUID, **columns: object) -> None:
    with transaction() as session:
        session.query(Backup).filter_by(id=backup_id).update(columns)


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def backup_id(app: Flask) -> UUID:
    with transaction() as session:
        server = add_server(session)
        return add_backup(session, server, add_site(session, server), Status.COMPLETED).id


@pytest.fixture
def files(backup_id: UUID) -> str:
    """The address of the pages, with a list that was read."""
    keep(backup_id)
    return f"/backups/{backup_id}/files"


def test_one_begins_in_the_folder_that_was_backed_up(owner: Browser, files: str) -> None:
    page = owner.get(files)
    assert [e.text for e in page.all("td", class_="name")][:2] == ["empty", "many"]
    text = page.one("main").text
    for words in ("drwxrwsr-x", "-rw-r-----", "-rwsr-xr-x", "lrwxrwxrwx", "2023-11-14 22:13"):
        assert words in text
    assert "leads to releases/<b>\\x0a1" in text
    assert "the same file as /srv/shop/large" in text
    assert "a device, pipe or the like" in text
    assert "\\x0a\\u202etxt.exe" in text  # what is not seen as it is stays an escape
    assert "<script>" not in page.text.replace("<script src", "")
    assert "\u202e" not in page.text
    assert "/restore?path=/srv/shop" in page.text  # what one looks at can be restored
    top = owner.get(f"{files}?path=")
    assert "Restore this folder" not in top.text
    assert [e.text for e in top.all("bdi") if e.inside("td")][::2] == [
        "Databases",
        "Files",
        "manifest.json",
    ]


def test_a_path_that_is_a_file_leads_to_its_folder(
    owner: Browser, files: str, backup_id: UUID
) -> None:
    change(backup_id, paths=["/srv/shop/pipe"])
    assert "of-an-older-version" in owner.get(files).text
    change(backup_id, paths=["/nowhere"])
    assert "of-an-older-version" not in owner.get(files).text


def test_a_large_folder_comes_page_by_page_and_can_be_searched(owner: Browser, files: str) -> None:
    page = owner.get(f"{files}?path={TOP}/many")
    assert len(page.all("td", class_="name")) == listings.PAGE
    assert len(page.text) < WEIGHT
    following = next(e for e in page.all("a") if e.text == "More").attrs["href"]
    page = owner.get(following)
    assert "photo-0100.jpg" in page.text
    assert "Back to the first" in page.buttons
    found = owner.get(f"{files}?path={TOP}&words=PHOTO-49")
    assert "photo-4942.jpg" in found.text
    assert "in /srv/shop/many" in found.one("main").text
    assert len(found.text) < WEIGHT
    none = owner.get(f"{files}?path={TOP}&words={'<b>' * 3}")
    assert "Nothing found" in none.text
    assert "<b><b>" not in none.text
    assert "This folder is empty" in owner.get(f"{files}?path={TOP}/empty").text
    assert "INVALID_PATH" in owner.get(f"{files}?path={TOP}/nothing&words=a", 422).text


def test_dumps_are_called_after_their_databases(
    owner: Browser, files: str, backup_id: UUID
) -> None:
    change(backup_id, type=BackupType.FULL, counts={"databases": 1}, census=[{"name": "the shop"}])
    assert "Databases" in owner.get(files).text
    assert "the shop" in owner.get(f"{files}?path=databases").text
    change(backup_id, counts={"databases": 2})  # of two it is not known which is which
    assert "the shop" not in owner.get(f"{files}?path=databases").text


def test_an_increment_says_that_it_lists_what_had_changed(
    owner: Browser, files: str, backup_id: UUID
) -> None:
    with transaction() as session:
        server = session.scalars(select(Server)).one()
        full = add_backup(session, server, None, Status.COMPLETED).id
    change(full, chain_id=full)
    assert "This is an increment" not in owner.get(files).text
    change(backup_id, chain_id=full, base_id=full, level=1)
    page = owner.get(files)
    assert "This is an increment" in page.text
    assert f"/backups/{full}/files" in page.text


def test_the_list_is_read_when_somebody_asks_for_it(sign_in: SignIn, backup_id: UUID) -> None:
    member, path = sign_in(Role.MEMBER), f"/backups/{backup_id}/files"
    assert "Files" in member.get(f"/backups/{backup_id}").buttons
    assert "Read the list of files" in member.get(path).buttons
    assert member.post(f"{path}/read").answer.location == path
    page = member.get(path)
    assert "Waiting to start" in page.text
    assert page.one("section", id=f"backup-{backup_id}-files").attrs["hx-trigger"] == "every 1s"
    fragment = member.get(f"{path}/status?seen=reading")
    assert "HX-Refresh" not in fragment.answer.headers
    member.post(f"{path}/read", 409)
    with transaction() as session:
        run = session.scalars(select(Run).where(Run.kind == RunKind.LIST)).one()
        run.move(session, Status.RUNNING)
        run.move(session, Status.COMPLETED)
    keep(backup_id)
    headers = {"HX-Request": "true"}
    over = member.get(f"{path}/status?seen=reading", headers=headers)
    assert over.answer.headers["HX-Refresh"] == "true"
    assert "hx-trigger" not in over.text
    with reading() as session:
        actions = list(session.scalars(select(AuditEntry.action)))
    assert Action.FILES_LISTED in actions


def test_a_failure_says_why_and_can_be_tried_again(owner: Browser, backup_id: UUID) -> None:
    with transaction() as session:
        server = session.scalars(select(Server)).one()
        why = {"error_code": "INDEX_DAMAGED", "error_detail": "The index ends too early."}
        add_run(session, server, RunKind.LIST, Status.FAILED, backup_id=backup_id, **why)
    page = owner.get(f"/backups/{backup_id}/files")
    assert "INDEX_DAMAGED" in page.text
    assert "tar -tf" in page.text
    assert "Read it again" in page.buttons


def test_who_only_looks_does_not_have_it_read(sign_in: SignIn, backup_id: UUID) -> None:
    assert "Read" not in sign_in(Role.VIEWER).get(f"/backups/{backup_id}/files").buttons


@pytest.mark.parametrize("status", [Status.FAILED, Status.RUNNING])
def test_what_is_no_backup_has_no_files(owner: Browser, backup_id: UUID, status: Status) -> None:
    change(backup_id, status=status)
    assert "NOT_COMPLETED" in owner.get(f"/backups/{backup_id}/files", 409).text
    assert "Files" not in owner.get(f"/backups/{backup_id}").buttons
    owner.post(f"/backups/{backup_id}/files/read", 409)
    for path in ("download", "files/download?path=a"):
        assert owner.client.get(f"/backups/{backup_id}/{path}").status_code == 409


@pytest.mark.parametrize("tab", LOOKS, indirect=True)
def test_folders_look_right_everywhere(tab: Tab, files: str) -> None:
    """No name, however long, makes a page wider than the screen or one word stand on another."""
    test_browser.sign_in(tab)
    for path in (f"{files}", f"{files}?path={TOP}/empty", f"{files}?path=&words=photo-49"):
        tab.goto(path)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        overlaps = tab.evaluate(OVERLAPS)
        assert overlaps == [], path
    tab.goto(files)
    assert axe.violations(tab) == []
    tab.get_by_role("link", name="empty", exact=True).click()
    expect(tab.get_by_role("heading", name="This folder is empty")).to_be_visible()
