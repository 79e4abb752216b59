"""A session that ends while a page is open, in a real Chromium."""

import re
from collections.abc import Iterator
from threading import Thread

import pytest
from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, expect
from sqlalchemy import select, update
from werkzeug.serving import make_server

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain.runs import Run
from cloudpilot.domain.sessions import SEEN, SignedIn
from cloudpilot.domain.status import Status
from tests.support.chromium import launched
from tests.support.until import until
from tests.web.conftest import PASSWORD
from tests.web.scenes import SCENES

REMEMBER = """document.addEventListener('htmx:afterSwap', (event) => {
  sessionStorage.swapped = (sessionStorage.swapped || '') + event.target.outerHTML;
})"""


def stays(tab: Page) -> bool:
    """Whether the page has not been loaded anew since it was marked."""
    try:
        return bool(tab.evaluate("window.stays"))
    except PlaywrightError:  # it is being loaded at this moment
        return True


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """A real browser."""
    with launched() as browser:
        yield browser


@pytest.fixture
def tab(app: Flask, chromium: Chromium) -> Iterator[Page]:
    """A tab in which the owner has opened the activity page, where a backup runs."""
    with app.app_context(), transaction() as session:
        SCENES["running"](session)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    context = chromium.new_context(base_url=f"http://127.0.0.1:{server.port}")
    page = context.new_page()
    page.goto("/sign-in?next=/activity?kind%3D")
    page.get_by_label("E-mail address").fill("owner@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Activity")
    yield page
    context.close()
    server.shutdown()
    thread.join(10)
    server.server_close()


def change(app: Flask, **columns: object) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(SignedIn).values(**columns))


def test_a_poll_leads_to_the_sign_in_and_back(app: Flask, tab: Page) -> None:
    """Nothing of the sign-in page may be swapped into the page that polls."""
    tab.evaluate(REMEMBER)
    until(lambda: tab.evaluate("sessionStorage.swapped || ''"), lambda html: "runs" in html)
    change(app, ended_at=clock.now())
    tab.wait_for_url(re.compile(r"/sign-in\?next=/activity"))
    expect(tab.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert "password" not in tab.evaluate("sessionStorage.swapped")
    tab.get_by_label("E-mail address").fill("owner@example.com")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Activity")
    assert tab.url.endswith("/activity?kind=")


def test_a_page_that_is_left_open_keeps_no_session_alive(app: Flask, tab: Page) -> None:
    """Neither with its polls nor when it loads itself anew, as it does when a run ends."""

    def is_noticed() -> bool:
        with app.app_context(), reading() as session:
            return session.scalars(select(SignedIn)).one().seen_at > clock.now() - SEEN

    change(app, seen_at=clock.now() - 2 * SEEN)
    tab.evaluate("window.stays = true")
    with app.app_context(), transaction() as session:
        session.execute(update(Run).values(status=Status.COMPLETED, finished_at=clock.now()))
    until(lambda: stays(tab), lambda same: not same)
    expect(tab.get_by_role("heading", level=1)).to_have_text("Activity")
    assert not is_noticed()
    tab.get_by_role("link", name="Servers").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Servers")
    assert is_noticed()
