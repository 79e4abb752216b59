"""A site is restored by a person in a real browser, and what they read comes true on the server.

The web, the worker, the clock, Redis and sshd are real processes.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import passwords
from cloudpilot.domain.people import Person
from cloudpilot.domain.restores import Restore
from cloudpilot.secrets import Secret
from cloudpilot.settings import Settings
from tests.engine.test_restore_files import copied, left_beside, tree
from tests.engine.test_restore_kills import killed
from tests.support.chromium import launched
from tests.support.database import SECRET_KEY
from tests.support.openssh import Sshd
from tests.support.panel import running
from tests.support.tree import assert_same
from tests.support.until import until
from tests.support.world import World, enrolled

PASSWORD = "correct horse battery staple"
REFUSED = "the server responded with a status of 422"  # the browser's own word for a form sent back
FILES = {
    "index.html": "<h1>hello</h1>",
    "deep/er/it's $(odd)\n.txt": "odd",
    "media/logo.svg": "<svg/>",
    "debug.log": "excluded",
}


@pytest.fixture
def world(core: Flask, settings: Settings, gated_sshd: Sshd, tmp_path: Path) -> Iterator[World]:
    """A whole panel, a server with a small site, and somebody who may sign in."""
    files, home = tmp_path / "site", tmp_path / "panel"
    home.mkdir()
    tree(files, FILES)
    (files / "index.html").chmod(0o640)
    (files / "link").symlink_to("media/logo.svg")
    os.link(files / "media/logo.svg", files / "again.svg")
    environ = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
    }
    with running(environ, home, "web", "worker", "clock") as processes:
        root = tmp_path / "backups"
        found = enrolled(core, processes, gated_sshd, root, files, excludes=["*.log"])
        with transaction() as session:
            person = session.get_one(Person, found.person_id)
            person.password_hash = passwords.hashed(Secret(PASSWORD))
        yield found
        found.release()


@pytest.fixture
def tab(world: World) -> Iterator[Page]:
    """A browser's tab, signed in; what its console says fails the test."""
    said: list[str] = []
    with launched() as browser:
        page = browser.new_context(base_url=world.processes.url).new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto("/")
        page.fill("[name=email]", "owner@example.com")
        page.fill("[name=password]", PASSWORD)
        press(page, "Sign in")
        yield page
    assert [text for text in said if REFUSED not in text] == []


def press(tab: Page, name: str) -> None:
    """The button or link of exactly that name."""
    button, link = (tab.get_by_role(role, name=name, exact=True) for role in ("button", "link"))  # type: ignore[arg-type]
    button.or_(link).first.click()


def backed_up(world: World) -> UUID:
    run_id = world.back_up()
    world.ended(run_id)
    return world.backup(run_id).id


def change(files: Path) -> Path:
    """The site is defaced; returns another tree that is the same."""
    (files / "index.html").write_text("<h1>defaced</h1>")
    (files / "media/logo.svg").unlink()
    tree(files, {"since/shell.php": "<?php"})
    return copied(files, "changed")


def plan(tab: Page, backup_id: UUID, *, safe: bool) -> None:
    """From the backup's page to what would happen."""
    tab.goto(f"/backups/{backup_id}")
    press(tab, "Restore")
    tab.get_by_label("safe mode").set_checked(safe)
    press(tab, "Look at what would happen")
    expect(tab.get_by_role("heading", name="What will happen")).to_be_visible()


def confirm(tab: Page, name: str) -> None:
    tab.fill("[name=name]", name)
    press(tab, "Restore")


def restore_row() -> Restore:
    with reading() as session:
        return session.scalars(select(Restore)).one()


def test_a_site_is_restored_and_the_restore_is_undone(world: World, tab: Page) -> None:
    before = copied(world.files, "before")
    backup_id = backed_up(world)
    changed = change(world.files)

    plan(tab, backup_id, safe=True)
    row = tab.get_by_role("row").filter(has_text=str(world.files))
    expect(row).to_contain_text("It takes the place of what is there by one rename.")
    confirm(tab, "shopping")
    expect(tab.get_by_text("Type shop to restore it.")).to_be_visible()
    assert_same(changed, world.files)
    assert restore_row().started_at is None

    confirm(tab, "shop")
    expect(tab.get_by_text("Restored", exact=True)).to_be_visible()
    assert_same(before, world.files)
    press(tab, "Undo")
    press(tab, "Undo the restore")
    expect(tab.get_by_text("Undone: all is as it was")).to_be_visible()
    assert_same(changed, world.files)
    until(world.left_over, lambda left: left == sorted(map(str, kept_backups())))
    assert left_beside(world.files) == []


def kept_backups() -> list[UUID | None]:
    """What was restored, and what was saved before."""
    restore = restore_row()
    return [restore.backup_id, restore.safe_backup_id]


def test_killed_before_the_swap_the_page_ends_with_all_as_it_was(world: World, tab: Page) -> None:
    """The worker with its jobs, and all that works for the restore on the server."""
    backup_id = backed_up(world)
    changed = change(world.files)
    above = world.files.parent.stat().st_mtime_ns
    world.hold()
    plan(tab, backup_id, safe=False)
    confirm(tab, "shop")
    expect(tab.get_by_text("Unpacking").first).to_be_visible()

    world.processes.kill("worker")
    killed(str(restore_row().id))
    assert left_beside(world.files) != []  # something is there to be cleared
    world.processes.start("worker")

    expect(tab.get_by_text("Failed: all is as it was")).to_be_visible()
    assert_same(changed, world.files)
    assert left_beside(world.files) == []
    assert world.files.parent.stat().st_mtime_ns == above
