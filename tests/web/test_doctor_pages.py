"""The pages of the doctor with all that they can show, in a real Chromium: light, dark, a phone."""

from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain import checkups, previews
from cloudpilot.domain.status import Status
from cloudpilot.kinds import RunKind
from tests.support import axe
from tests.support.rows import add_server, add_site
from tests.web.scenes import FINGERPRINT, add_run
from tests.web.test_browser import LOOKS, address, chromium, sign_in, tab
from tests.web.test_checkups import ILL, WELL
from tests.web.test_site_previews import COUNTED, FOUND

__all__ = ["address", "chromium", "tab"]  # fixtures


@pytest.fixture
def ids(app: Flask) -> dict[str, UUID]:
    """A server that was well, then silent, and is ill; a site whose patterns were counted."""
    with app.app_context(), transaction() as session:
        server = add_server(session, host="web-1.example.com", host_keys=[FINGERPRINT])
        for hours, lines in ((60, WELL), (2, ILL)):
            found = checkups.keep(session, server, lines, {"trap": None, "sites": FOUND})
            found.at = clock.now() - timedelta(hours=hours)
            session.flush()
        at = clock.now() - timedelta(hours=40)
        also = {"created_at": at, "finished_at": at, "error_code": "SSH_UNREACHABLE"}
        also |= {"error_detail": "web-1.example.com did not answer on port 22 within 5 seconds."}
        add_run(session, server, RunKind.CHECK, Status.FAILED, **also)
        add_run(session, server, RunKind.CHECK, Status.COMPLETED)
        site = add_site(session, server, excludes=["*.log", "/cahce", "late"])
        site.preview, site.previewed_at = previews.stamped(COUNTED, site), clock.now()
        return {"server": server.id, "site": site.id}


PATHS = ("/servers/{server}", "/servers/{server}/history", "/servers/{server}/sites/new",
         "/sites/{site}", "/sites/{site}/edit")  # fmt: skip


@pytest.mark.parametrize("tab", LOOKS, indirect=True)
def test_everybody_can_read_what_the_doctor_says(ids: dict[str, UUID], tab: Page) -> None:
    sign_in(tab)
    found = []
    for path in PATHS:
        tab.goto(path.format(**ids))
        for folded in tab.locator("details.fold > summary").all():
            folded.click()
        found += [f"{path} {violation}" for violation in axe.violations(tab)]
        wide = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
        found += [f"{path} is {wide} px too wide"] if wide > 0 else []
    assert found == []


def test_a_command_is_copied_by_one_click(ids: dict[str, UUID], tab: Page) -> None:
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(tab)
    tab.goto(PATHS[0].format(**ids))
    tab.get_by_role("button", name="Copy", exact=True).first.click()
    expect(tab.get_by_role("button", name="Copied")).to_be_visible()
    assert tab.evaluate("navigator.clipboard.readText()") == "apt-get install tar"


def test_a_folder_that_was_found_becomes_a_site_in_two_clicks(
    ids: dict[str, UUID], tab: Page
) -> None:
    sign_in(tab)
    tab.goto(PATHS[2].format(**ids))
    tab.get_by_role("link", name="Use /srv/blog").click()
    tab.get_by_role("button", name="Add the site").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("blog.org")
    expect(tab.get_by_text("/wp-content/cache").first).to_be_visible()
