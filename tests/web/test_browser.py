"""The pages in a real Chromium: by keyboard, on a phone, light and dark, without script."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect
from werkzeug.serving import make_server

from cloudpilot import ROOT, clock
from cloudpilot.db import transaction
from cloudpilot.domain import backups, runs
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.web import filters
from tests.support.chromium import launched
from tests.web.conftest import PASSWORD
from tests.web.test_pages import SHOWN, build, paths

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 800}},
    "phone": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}},
}
# The contrast of each text with what lies behind it, as WCAG 2.2 computes it; AA asks for 4.5.
CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] > 200) return colour;
    }
    return rgba('white');
  };
  const poor = [];
  for (const e of document.querySelectorAll('body *')) {
    const words = [...e.childNodes].filter((n) => n.nodeType === 3 && n.textContent.trim());
    if (!words.length || !e.checkVisibility()) continue;
    const [a, b] = [light(rgba(getComputedStyle(e).color)), light(behind(e))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)}: ${e.outerHTML.slice(0, 120)}`);
  }
  return poor;
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """A real browser."""
    with launched() as browser:
        yield browser


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """A panel over real HTTP: where it is."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """Where the panel is served."""
    with served(app) as url:
        yield url


@pytest.fixture
def tab(chromium: Chromium, address: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A tab with that look; what the browser complains about fails the test."""
    look = LOOKS[getattr(request, "param", "light")]
    context = chromium.new_context(base_url=address, **look)
    context.set_default_timeout(20_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def sign_in(tab: Page) -> None:
    tab.goto("/sign-in")
    tab.get_by_label("E-mail address").fill("owner@example.com")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Overview")


# "much" is looked at in all three looks by tests/web/test_everywhere.py.
@pytest.mark.parametrize("scene", ["trapped", "changed key", "new server", "warned", "missing"])
@pytest.mark.parametrize("tab", ["dark", "phone"], indirect=True)
def test_no_page_overflows_or_complains_and_all_text_is_legible(
    app: Flask, tab: Page, scene: str
) -> None:
    ids = build(app, scene)
    sign_in(tab)
    for path in paths(SHOWN, ids):
        tab.goto(path)
        wide = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{path} is {wide} px too wide"
        assert tab.evaluate(CONTRAST) == [], path


def test_how_long_ago_stays_true_and_is_said_in_the_panels_words(app: Flask, tab: Page) -> None:
    build(app, "little")
    tab.clock.install()
    sign_in(tab)
    said = tab.locator("time[data-ago]").first
    expect(said).to_have_text("3 h ago")
    tab.clock.fast_forward("02:00:30")
    expect(said).to_have_text("5 h ago")
    spans = [0, 4, -4, 5, 59, 60, -61, 3599, 7200, 86399, 86400 * 20, 86400 * 21, 86400 * 800]
    with app.app_context():
        now = clock.now()
        for seconds in [*spans, 86400, 172800, 86400 * 729, 86400 * 730]:
            expected = filters.relative(now - timedelta(seconds=seconds, microseconds=-400_000))
            assert tab.evaluate("ago", seconds) == expected, seconds


def test_the_scripts_of_our_own_stay_small() -> None:
    """What needs more is better said by the server."""
    assert len((ROOT / "static" / "app.js").read_text().splitlines()) <= 80


def test_by_keyboard_alone_from_the_sign_in_to_a_new_server(tab: Page) -> None:
    keys = tab.keyboard
    tab.goto("/sign-in")
    keys.type("owner@example.com")  # the first field has the focus
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    expect(tab).to_have_title("Overview · CloudPilot")

    keys.press("Tab")
    expect(tab.get_by_role("link", name="Skip to the content")).to_be_focused()
    keys.press("Enter")
    keys.press("Tab")
    expect(tab.get_by_role("link", name="Add a server")).to_be_focused()
    keys.press("Enter")
    expect(tab).to_have_title("Add a server · CloudPilot")
    _tab_to(tab, "name")
    keys.type("web-1")
    keys.press("Tab")
    keys.type("web-1.example.com")
    keys.press("Enter")
    expect(tab.get_by_role("heading", level=1)).to_have_text("web-1")
    expect(tab.get_by_role("heading", name="Prove that it is the right one")).to_be_visible()


def _tab_to(tab: Page, name: str) -> None:
    """Press Tab until the field of that name has the focus; each stop on the way shows it."""
    for _ in range(30):
        tab.keyboard.press("Tab")
        assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        if tab.evaluate("document.activeElement.name") == name:
            return
    pytest.fail(f"Tab does not lead to {name}")


def test_a_running_backup_is_followed_to_its_end_without_losing_the_focus(
    app: Flask, tab: Page
) -> None:
    ids = build(app, "running")
    sign_in(tab)
    tab.goto(f"/backups/{ids['backup']}")
    stop = tab.get_by_role("button", name="Stop", exact=True)
    stop.focus()
    with app.app_context(), transaction() as session:
        run = session.get_one(Run, ids["run"])
        run.stage, run.done = "finish", 3_000_000_000
    expect(tab.get_by_text("3.0 GB of 3.1 GB")).to_be_visible()
    expect(stop).to_be_focused()
    expect(tab.locator("#announcer")).to_have_text("Writing it to the disk for good")

    with app.app_context(), transaction() as session:
        runs.find(session, ids["run"]).move(session, Status.COMPLETED)
        backups.find(session, ids["backup"]).move(session, Status.COMPLETED)
    expect(stop).to_have_count(0)
    expect(tab.get_by_role("link", name="Delete")).to_be_visible()
    assert tab.locator("[hx-trigger]:not(#pulse)").count() == 0


def test_stop_answers_at_once_and_in_its_place(app: Flask, tab: Page) -> None:
    ids = build(app, "running")
    sign_in(tab)
    tab.goto(f"/backups/{ids['backup']}")
    tab.evaluate("window.same = true")
    tab.get_by_role("button", name="Stop", exact=True).click()
    expect(tab.get_by_text("Stop requested")).to_be_visible()
    expect(tab.get_by_text("Stopping", exact=True)).to_be_visible()
    assert tab.evaluate("window.same")  # the page was not loaded anew


def test_the_activity_page_follows_what_begins_and_ends(app: Flask, tab: Page) -> None:
    ids = build(app, "running")
    sign_in(tab)
    tab.goto("/activity")
    expect(tab.locator("#active-runs").get_by_text("shop on web-1")).to_be_visible()
    with app.app_context(), transaction() as session:
        runs.find(session, ids["run"]).move(session, Status.COMPLETED)
    expect(tab.locator("#active-runs")).to_contain_text("Nothing is under way")
    expect(tab.locator("main")).to_contain_text("Ended")


def test_the_command_is_copied_with_one_press(app: Flask, tab: Page, address: str) -> None:
    ids = build(app, "new server")
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
    sign_in(tab)
    tab.goto(f"/servers/{ids['server']}")
    tab.get_by_role("button", name="Copy", exact=True).click()
    expect(tab.get_by_role("button", name="Copied")).to_be_visible()
    copied = tab.evaluate("navigator.clipboard.readText()")
    assert copied == tab.locator("#setup-command").input_value()


def test_an_ended_session_is_sent_to_the_sign_in_by_the_next_poll(
    app: Flask, chromium: Chromium, address: str
) -> None:
    ids = build(app, "running")
    context = chromium.new_context(base_url=address)
    tab = context.new_page()
    sign_in(tab)
    tab.goto(f"/runs/{ids['run']}")
    context.clear_cookies()
    expect(tab).to_have_title("Sign in · CloudPilot")
    context.close()


def test_a_bad_minute_is_told_once_and_survived(
    app: Flask, chromium: Chromium, address: str
) -> None:
    """A poll that fails says so beside the page, and goes on; no proxy's page gets into ours."""
    ids = build(app, "running")
    context = chromium.new_context(base_url=address)
    tab = context.new_page()
    sign_in(tab)
    tab.goto(f"/runs/{ids['run']}")
    failing = {"on": True}

    def answer(route: Any) -> None:
        if failing["on"]:
            route.fulfill(status=500, body="<p>A bad minute</p>", content_type="text/html")
        else:
            route.continue_()

    tab.route("**/status*", answer)
    said = "The panel did not answer as it should."
    expect(tab.locator("#problem")).to_have_text(said)
    expect(tab.get_by_text("Packing").first).to_be_visible()
    failing["on"] = False
    with app.app_context(), transaction() as session:
        session.get_one(Run, ids["run"]).stage = "finish"
    expect(tab.get_by_text("Writing it to the disk for good").first).to_be_visible(timeout=20_000)
    expect(tab.locator("#problem")).to_have_text("")
    context.close()


def test_what_a_button_could_not_do_stays_to_be_read(
    app: Flask, chromium: Chromium, address: str
) -> None:
    """The polls that succeed meanwhile do not wipe it away."""
    ids = build(app, "running")
    context = chromium.new_context(base_url=address)
    tab = context.new_page()
    sign_in(tab)
    tab.goto(f"/runs/{ids['run']}")
    tab.locator("input[name=csrf_token]").last.evaluate("e => e.value = 'too old'")
    tab.get_by_role("button", name="Stop", exact=True).click()
    expect(tab.locator("#problem")).to_contain_text("FORM_EXPIRED")
    with tab.expect_response("**/status*"):
        pass
    with tab.expect_response("**/status*"):
        pass
    expect(tab.locator("#problem")).to_contain_text("FORM_EXPIRED")
    context.close()


def test_everything_works_without_script(app: Flask, chromium: Chromium, address: str) -> None:
    ids = build(app, "running")
    context = chromium.new_context(base_url=address, java_script_enabled=False)
    tab = context.new_page()
    sign_in(tab)
    tab.goto(f"/servers/{ids['server']}")
    expect(tab.get_by_role("button", name="Copy")).to_have_count(0)
    tab.goto("/servers/new")
    tab.get_by_label("Name").fill("web-2")
    tab.get_by_label("Host").fill("not a host")
    tab.get_by_role("button", name="Add the server").click()
    expect(tab.get_by_text("Give a host name or an address")).to_be_visible()
    expect(tab.get_by_label("Name")).to_have_value("web-2")
    tab.get_by_label("Host").fill("web-2.example.com")
    tab.get_by_role("button", name="Add the server").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("web-2")

    tab.goto(f"/backups/{ids['backup']}")
    tab.get_by_role("button", name="Stop", exact=True).click()
    expect(tab.get_by_text("Stop requested")).to_be_visible()
    expect(tab.locator("meta[http-equiv=refresh]")).to_have_count(1)
    context.close()
