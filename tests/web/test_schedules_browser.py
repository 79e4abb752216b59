"""One schedule from the first click to a run, in a real Chromium."""

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from cloudpilot.db import transaction
from cloudpilot.domain.servers import Checkup
from tests.support.rows import add_server, add_site
from tests.web.conftest import Browser
from tests.web.test_browser import address, chromium, sign_in, tab

__all__ = ["address", "chromium", "tab"]


@pytest.fixture
def _site(app: Flask, owner: Browser) -> None:
    """Somebody who may, and a site on a server that makes trees."""
    with app.app_context(), transaction() as session:
        server = add_server(session)
        session.add(Checkup(server_id=server.id, lines=[], facts={"rsync": "3.2.7"}))
        add_site(session, server)


@pytest.mark.usefixtures("_site")
def test_add_read_back_pause_and_run(tab: Page) -> None:
    sign_in(tab)
    tab.goto("/schedules")
    tab.get_by_role("link", name="Add the first schedule").click()
    tab.get_by_role("link", name="shop").click()
    reading = tab.locator("#reading")
    expect(reading).to_contain_text("At 03:00")
    tab.get_by_label("When").fill("30 2 * * 1-5")
    expect(reading).to_contain_text("At 02:30, Monday through Friday")
    tab.get_by_label("Time zone").fill("Europe/Vienna")
    expect(reading).to_contain_text("02:30 CET")
    expect(reading.locator("li")).to_have_count(5)
    increments = tab.get_by_label("Back up only what has changed")
    expect(increments).to_be_visible()
    tab.get_by_label("Snapshot tree (rsync)").check()
    expect(increments).to_be_hidden()
    tab.locator("form.form button.primary").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("shop on web-1")
    tab.get_by_role("button", name="Pause").click()
    expect(tab.locator("main")).to_contain_text("It is paused: nothing is due.")
    tab.get_by_role("button", name="Resume").click()
    expect(tab.get_by_role("button", name="Pause")).to_be_visible()
    tab.get_by_role("button", name="Run now").click()
    expect(tab.locator("main")).to_contain_text("Waiting to start")
    tab.goto("/schedules")
    expect(tab.locator("main tbody tr")).to_have_count(1)
