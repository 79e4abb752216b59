"""From the sign-in to the sign-out by keyboard alone: Tab, Enter, Space and typing.

The panel and its server are real. Every stop on the way shows where the focus is.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import passwords
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.people import Person
from cloudpilot.domain.servers import Server
from cloudpilot.kinds import Role
from cloudpilot.secrets import Secret
from cloudpilot.settings import Settings
from tests.support.chromium import launched
from tests.support.database import SECRET_KEY
from tests.support.openssh import Sshd
from tests.support.panel import Processes, running
from tests.support.until import until

EMAIL = "ada@example.com"
PASSWORD = "correct horse battery staple"
STOPS = 60  # no page has more places to stop at
# What has the focus: its words or its name, and whether one sees that it has.
HERE = """() => {
  const e = document.activeElement, box = e.getBoundingClientRect(), style = getComputedStyle(e);
  const shown = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  const inView = box.bottom > 0 && box.top < innerHeight && box.width > 0;
  return {said: e.name || e.innerText.trim(), tag: e.tagName, seen: shown && inView};
}"""


@pytest.fixture
def panel(core: Flask, settings: Settings, tmp_path: Path) -> Iterator[Processes]:
    """All processes of a panel with one owner."""
    with transaction() as session:
        secret = passwords.hashed(Secret(PASSWORD))
        session.add(Person(email=EMAIL, name="Ada", role=Role.OWNER, password_hash=secret))
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
    """A browser's tab, without a mouse."""
    with launched() as browser:
        page = browser.new_context(base_url=panel.url).new_page()
        page.set_default_timeout(60_000)
        yield page


def go_to(tab: Page, name: str, key: str = "Tab") -> None:
    """Press Tab until what is called so has the focus."""
    for _ in range(STOPS):
        tab.keyboard.press(key)
        here = tab.evaluate(HERE)
        assert here["seen"] or here["tag"] in {"BODY", "MAIN"}, here
        if here["said"] == name:
            return
    pytest.fail(f"{key} does not lead to {name} on {tab.url}")


def past_the_menu(tab: Page) -> None:
    """The first stop of a page leads over the menu."""
    go_to(tab, "Skip to the content")
    tab.keyboard.press("Enter")
    expect(tab.locator("main")).to_be_focused()


def press(tab: Page, name: str, key: str = "Enter") -> None:
    go_to(tab, name)
    tab.keyboard.press(key)


def write(tab: Page, name: str, text: str) -> None:
    go_to(tab, name)
    tab.keyboard.press("Control+A")
    tab.keyboard.type(text)


def sign_in(tab: Page) -> None:
    tab.goto("/")
    tab.keyboard.type(EMAIL)  # the first field has the focus
    tab.keyboard.press("Tab")
    tab.keyboard.type(PASSWORD)
    tab.keyboard.press("Enter")
    expect(tab).to_have_title("Overview · CloudPilot")


def add_server(tab: Page, sshd: Sshd, root: Path) -> None:
    past_the_menu(tab)
    press(tab, "Add a server")
    expect(tab).to_have_title("Add a server · CloudPilot")
    past_the_menu(tab)
    fields = {"name": "web-1", "host": "127.0.0.1", "port": str(sshd.port)}
    for name, text in (fields | {"username": sshd.user, "backup_root": str(root)}).items():
        write(tab, name, text)
    press(tab, "Add the server")
    expect(tab).to_have_title("web-1 · CloudPilot")
    with reading() as session:
        server = session.scalars(select(Server)).one()
    sshd.authorize(sshd.user, server.public_key)  # what the set-up command would do
    past_the_menu(tab)
    line = f"cloudpilot-ready {server.id} {server.privilege} {sshd.fingerprint}"
    write(tab, "host_keys", line)
    press(tab, "Approve these keys")
    expect(tab.get_by_role("button", name="Check now")).to_be_visible()


def add_site(tab: Page, files: Path) -> None:
    past_the_menu(tab)
    press(tab, "Add a site")
    expect(tab).to_have_title("Add a site to web-1 · CloudPilot")
    past_the_menu(tab)
    write(tab, "name", "shop")
    write(tab, "paths", str(files))
    press(tab, "Add the site", key="Space")
    expect(tab).to_have_title("shop on web-1 · CloudPilot")


def back_up_and_stop(tab: Page) -> None:
    past_the_menu(tab)
    press(tab, "Back up now")
    expect(tab).to_have_title("Back up shop on web-1 · CloudPilot")
    past_the_menu(tab)
    press(tab, "Back up now", key="Space")
    expect(tab.locator("progress[max]")).to_be_visible()
    past_the_menu(tab)
    go_to(tab, "Stop")
    for _ in range(2):
        with tab.expect_response("**/status*"):
            pass
    expect(tab.get_by_role("button", name="Stop")).to_be_focused()  # the polls left it alone
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("STOPPED").first).to_be_visible()
    expect(tab.get_by_role("link", name="Delete")).to_be_visible()


def delete(tab: Page) -> None:
    past_the_menu(tab)
    press(tab, "Delete")
    expect(tab.get_by_role("heading", level=1)).to_have_text("Delete this backup?")
    past_the_menu(tab)
    go_to(tab, "Keep it")
    go_to(tab, "Delete the backup", key="Shift+Tab")
    tab.keyboard.press("Enter")
    until(deleted, bool)


def deleted() -> bool:
    with reading() as session:
        return session.scalars(select(Backup)).one().deleted_at is not None


def test_everything_that_is_done_every_day_is_done_by_keyboard(
    tab: Page, gated_sshd: Sshd, tmp_path: Path
) -> None:
    files = tmp_path / "site"
    files.mkdir()
    (files / "index.html").write_text("<h1>hello</h1>")
    sign_in(tab)
    add_server(tab, gated_sshd, tmp_path / "backups")
    add_site(tab, files)
    gate = gated_sshd.home / "gate"
    gate.touch()  # the backup waits to be stopped
    back_up_and_stop(tab)
    gate.unlink()
    delete(tab)
    expect(tab.get_by_text("Deleted", exact=True)).to_be_visible()  # it loads itself once more
    tab.goto("/")
    press(tab, "Sign out")
    expect(tab).to_have_title("Sign in · CloudPilot")
