"""A new owner's first quarter of an hour, in a real browser, with nothing faked.

Set up, sign in, add a server, approve its key, check it, add a site, back it up, watch, stop one,
delete one. The web, the worker, the clock, Redis and sshd are real processes.
"""

import hashlib
import re
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import passwords, people
from cloudpilot.domain.backups import Backup
from cloudpilot.secrets import Secret
from cloudpilot.settings import Settings
from tests.support.chromium import launched
from tests.support.database import SECRET_KEY
from tests.support.openssh import Sshd
from tests.support.panel import Processes, running
from tests.support.until import until
from tests.support.world import left_below

CODE = "the set-up code"
PASSWORD = "correct horse battery staple"
EXCLUDED = "debug.log"
SLOW = 30_000  # milliseconds: a server is asked meanwhile


@pytest.fixture
def panel(core: Flask, settings: Settings, tmp_path: Path) -> Iterator[Processes]:
    """All processes of a panel that has no owner yet."""
    with transaction() as session:
        people.replace_setup_code(session, passwords.hashed(Secret(CODE)))
    environ = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
    }
    home = tmp_path / "panel"
    home.mkdir()
    with running(environ, home, "web", "worker", "clock") as processes:
        yield processes


@pytest.fixture
def tab(panel: Processes) -> Iterator[Page]:
    """A browser's tab; what its console says fails the test."""
    said: list[str] = []
    with launched() as browser:
        page = browser.new_context(base_url=panel.url).new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.set_default_timeout(SLOW)
        yield page
    assert said == []


def press(tab: Page, name: str) -> None:
    """The button or link of that name."""
    tab.get_by_role("button", name=name).or_(tab.get_by_role("link", name=name)).first.click()


def latest_backup() -> Backup:
    """The row of the newest backup."""
    with reading() as session:
        return session.scalars(select(Backup).order_by(Backup.created_at.desc())).first()  # type: ignore[return-value]


def become_owner(tab: Page) -> None:
    tab.goto("/")
    expect(tab).to_have_url(re.compile("/setup"))
    tab.fill("[name=code]", CODE)
    tab.fill("[name=name]", "Ada")
    tab.fill("[name=email]", "ada@example.com")
    tab.fill("[name=password]", PASSWORD)
    press(tab, "Create the owner")
    expect(tab.get_by_role("heading", level=1)).not_to_have_text("Welcome")


def add_server(tab: Page, sshd: Sshd, root: Path) -> None:
    tab.goto("/servers/new")
    tab.fill("[name=name]", "web-1")
    tab.fill("[name=host]", "127.0.0.1")
    tab.fill("[name=port]", str(sshd.port))
    tab.fill("[name=username]", sshd.user)
    tab.fill("[name=backup_root]", str(root))
    press(tab, "Add the server")
    command = tab.locator("#setup-command").input_value()
    sshd.authorize(sshd.user, _public_key(command))  # what the command would do
    server_id = tab.url.rpartition("/")[2]
    tab.fill("[name=host_keys]", f"cloudpilot-ready {server_id} plain {sshd.fingerprint}")
    press(tab, "Approve these keys")


def add_site(tab: Page, files: Path) -> None:
    press(tab, "Add a site")
    tab.fill("[name=name]", "shop")
    tab.fill("[name=paths]", str(files))
    tab.fill("[name=excludes]", EXCLUDED)
    press(tab, "Add the site")


def _public_key(command: str) -> str:
    """The panel's key from the set-up command, whose last word is its base64."""
    return b64decode(command.rsplit(maxsplit=1)[-1]).decode().strip()


def watch_and_stop(tab: Page, gate: Path) -> None:
    """While it is held up: stage, Stop, and what became of it, all without a reload."""
    gate.touch()
    press(tab, "Back up now")
    tab.fill("[name=note]", "the first")
    press(tab, "Back up now")
    expect(tab.get_by_text("Running").first).to_be_visible()
    expect(tab.get_by_text("Packing").first).to_be_visible()
    expect(tab.locator("progress[max]")).to_be_visible()
    tab.get_by_role("button", name="Stop").click()
    expect(tab.get_by_text("STOPPED").first).to_be_visible()
    gate.unlink()


def watch_to_the_end(tab: Page, root: Path) -> None:
    press(tab, "Back up again")
    press(tab, "Back up now")
    expect(tab.get_by_text("Completed").first).to_be_visible()
    backup = latest_backup()
    assert backup.sha256 is not None
    expect(tab.get_by_text(backup.sha256)).to_be_visible()
    archive = next(root.glob("*/*.tar.gz"))
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == backup.sha256


def test_from_nothing_to_a_backup_and_back_to_nothing(
    tab: Page, gated_sshd: Sshd, tmp_path: Path
) -> None:
    files, root = tmp_path / "site", tmp_path / "backups"
    files.mkdir()
    (files / "index.html").write_text("<h1>hello</h1>")
    (files / EXCLUDED).write_text("noise")

    become_owner(tab)
    add_server(tab, gated_sshd, root)
    expect(tab.get_by_text("Backup directory").first).to_be_visible(timeout=SLOW)
    add_site(tab, files)

    watch_and_stop(tab, gated_sshd.home / "gate")
    until(lambda: left_below(root), lambda left: left == [])
    watch_to_the_end(tab, root)
    press(tab, "Delete")
    press(tab, "Delete the backup")
    until(lambda: left_below(root), lambda left: left == [])
    until(lambda: latest_backup().deleted_at, bool)
    tab.goto("/backups")
    expect(tab.get_by_text("shop")).to_have_count(1)  # the one that was stopped
