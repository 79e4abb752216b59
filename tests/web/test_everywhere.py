"""Every page that the application has, found in its own map of addresses, in a real Chromium.

A page that is new is here by itself; one with an argument that nobody knows fails.
"""

from collections.abc import Iterator, Sequence

import pytest
from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, Response
from sqlalchemy import select

from cloudpilot.db import transaction
from cloudpilot.domain import links, sessions
from cloudpilot.domain.links import OneTimeLink, Purpose
from cloudpilot.domain.people import Person
from cloudpilot.kinds import Role
from cloudpilot.web.access import PUBLIC, access_of
from tests.support import axe
from tests.web.scenes import SCENES
from tests.web.test_browser import LOOKS, address, chromium, served, sign_in, tab
from tests.web.test_pages import WEIGHT

__all__ = ["address", "chromium", "tab"]  # fixtures
# Files, words for machines, and the way to a vault.
NO_PAGES = {"static", "health.show", "status.answer", "downloads.from_vault", "metrics.show"}
NO_PAGES |= {"downloads.from_server", "downloads.member"}
# Those of a backup that is whole and whose list was read: tests/web/test_files.py walks them.
NO_PAGES |= {"files.show", "files.status", "downloads.by_command"}
# Of a snapshot, by one of its parts: tests/web/test_snapshots.py opens it.
NO_PAGES |= {"snapshots.create"}
CHANGING = (
    "/servers",
    "/sites",
    "/backups",
    "/runs",
    "/activity",
    "/schedules",
)  # with what is in the database
KNOWN: dict[str, bool] = {}  # by what answers: whether that is a page
LEAST = 50_000  # bytes: style, script and icons alone have more
REQUESTS = 8  # the page, two of style, two of script, the icons, the logo, the tab's icon


def fill(app: Flask, scene: str) -> dict[str, object]:
    """The rows of a scene, and of everything else that has an address; by argument."""
    with app.app_context(), transaction() as session:
        ids = SCENES[scene](session).ids
        person = session.scalars(select(Person).where(Person.role == Role.MEMBER)).one()
        sessions.begin(
            session, person, "192.0.2.7", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"
        )
        token = links.make(session, Purpose.INVITATION, "new@example.com", role=Role.VIEWER)
        link = session.scalars(select(OneTimeLink)).one()
    found: dict[str, object] = {f"{name}_id": value for name, value in ids.items()}
    return found | {"person_id": person.id, "link_id": link.id, "token": token.reveal()}


def addresses(app: Flask, values: dict[str, object], *, public: bool) -> list[tuple[str, str]]:
    """Everything that can be opened, by anybody or by who has signed in: what answers, and where.

    A scene without servers has no page of a server; anything else that nobody knows is an error.
    """
    adapter = app.url_map.bind("localhost")
    known = (
        "server",
        "site",
        "backup",
        "run",
        "database",
        "vault",
        "cloud",
        "copy",
        "schedule",
        "restore",
    )
    rows = {f"{name}_id" for name in known} - set(values)
    no_pages = NO_PAGES if "snapshot_id" in values else NO_PAGES | {"snapshots.new"}  # no machine
    found = []
    for rule in app.url_map.iter_rules():
        with app.app_context():
            is_public = access_of(rule.endpoint) == PUBLIC
        is_page = "GET" in (rule.methods or ()) and rule.endpoint not in no_pages
        if is_page and is_public is public and not rule.arguments & rows:
            named = {name: values[name] for name in rule.arguments}
            found.append((rule.endpoint, adapter.build(rule.endpoint, named)))
    return found


def is_page(tab: Page, endpoint: str, path: str) -> bool:
    """Not a part of one, nor a file; asked once of what answers there."""
    if endpoint not in KNOWN:
        answer = tab.context.request.get(path)
        assert answer.status == 200, (path, answer.status)
        KNOWN[endpoint] = "html" in answer.headers["content-type"] and "<html" in answer.text()
    return KNOWN[endpoint]


def pages(app: Flask, tab: Page, scene: str, *, below: Sequence[str] = ()) -> Iterator[str]:
    """The address of each page in turn; first those that anybody may see.

    below  only those that begin so, and the overview
    """
    values = fill(app, scene)
    for public in (True, False):
        if not public:
            sign_in(tab)
        for endpoint, path in addresses(app, values, public=public):
            wanted = not below or path == "/" or path.startswith(tuple(below))
            if wanted and is_page(tab, endpoint, path):
                yield path


def walk(app: Flask, tab: Page, scene: str, *, below: Sequence[str] = ()) -> Iterator[str]:
    """The same, each open in the tab."""
    for path in pages(app, tab, scene, below=below):
        answer = tab.goto(path)
        assert answer
        assert answer.status == 200, path
        yield path


@pytest.mark.parametrize("tab", LOOKS, indirect=True)
def test_axe_finds_nothing_on_any_page(app: Flask, tab: Page) -> None:
    found, seen = [], []
    is_dark = tab.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    rules = axe.CONTRAST if is_dark else axe.RULES
    for path in walk(app, tab, "much"):
        seen.append(path)
        found += [f"{path} {violation}" for violation in axe.violations(tab, rules)]
        wide = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
        found += [f"{path} is {wide} px too wide"] if wide > 0 else []
    assert found == []
    assert {"/", "/sites", "/people", "/audit", "/sign-in", "/setup"} <= set(seen)


@pytest.mark.parametrize("tab", ["light", "phone"], indirect=True)
def test_a_word_of_a_hundred_letters_breaks_no_page(app: Flask, tab: Page) -> None:
    wide = "document.documentElement.scrollWidth > innerWidth"
    assert [path for path in walk(app, tab, "long words") if tab.evaluate(wide)] == []


@pytest.mark.parametrize(
    "scene", ["nothing", "changed key", "new server", "trapped", "much unread"]
)
def test_axe_finds_nothing_at_other_moments(app: Flask, tab: Page, scene: str) -> None:
    found = []
    for path in walk(app, tab, scene, below=CHANGING):
        found += [f"{path} {violation}" for violation in axe.violations(tab)]
    assert found == []


def test_axe_finds_nothing_before_there_is_an_owner(fresh: Flask, chromium: Chromium) -> None:
    with served(fresh) as url:
        page = chromium.new_page(base_url=url)
        page.goto("/setup")
        assert page.get_by_label("code").count() == 1
        assert axe.violations(page) == []
        page.close()


def test_a_page_with_all_it_loads_is_light(app: Flask, tab: Page) -> None:
    """Everything that comes over the wire when a browser has nothing yet, not compressed."""
    paths = list(pages(app, tab, "much"))
    browser = tab.context.new_cdp_session(tab)
    browser.send("Network.enable")
    browser.send("Network.setCacheDisabled", {"cacheDisabled": True})
    loaded: list[Response] = []
    tab.on("response", lambda answer: loaded.append(answer))  # noqa: PLW0108  (a name is needed)
    heavy = {}
    for path in paths:
        tab.goto("about:blank")  # what the page before still asks for is not of this one
        loaded.clear()
        tab.goto(path, wait_until="load")
        bodies = [answer.body() for answer in loaded if answer.ok]  # a redirect weighs nothing
        weight = sum(map(len, bodies))
        assert weight > LEAST, f"{path}: what is kept is not looked at"
        if weight > WEIGHT or len(bodies) > REQUESTS:
            heavy[path] = (weight, len(bodies))
    assert heavy == {}
