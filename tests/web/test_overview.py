"""The overview and the list of all sites: the truth, worst first, however many there are."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot.db import transaction
from cloudpilot.domain import under_way
from cloudpilot.domain.history import Growth
from cloudpilot.domain.protection import State
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.jobs import queue
from cloudpilot.kinds import Role
from cloudpilot.web.paging import PAGE
from cloudpilot.web.runs import WATCHED
from cloudpilot.web.verdict import growth_words, verdict
from tests.support.page import Page
from tests.support.rows import add_run, add_server, add_site
from tests.web.conftest import Browser
from tests.web.scenes import add_backup, add_checkup
from tests.web.test_pages import build

NUMBERS = dict.fromkeys(State, 0)


def words(page: Page) -> str:
    """What a page says, in one line."""
    return re.sub(r"\s+", " ", page.one("main").text)


@pytest.mark.parametrize(
    ("sites", "others", "level", "said"),
    [
        ({State.FRESH: 1}, {}, "ok", "The only site was backed up in the last 26 hours."),
        ({State.FRESH: 14}, {}, "ok", "All 14 sites were backed up in the last 26 hours."),
        (
            {State.FRESH: 12, State.FAILED: 1, State.NEVER: 1},
            {},
            "bad",
            (
                "12 of 14 sites were backed up in the last 26 hours."
                " 1 failed at the last attempt and 1 has never been backed up."
            ),
        ),
        (
            {State.OLD: 1},
            {},
            "warn",
            "The only site was not backed up in the last 26 hours. 1 has only older backups.",
        ),
        (
            {State.LOST: 2, State.FRESH: 1},
            {"failed": 1, "unreached": 2, "unchecked": 1, "worse": 1},
            "bad",
            (
                "1 of 3 sites was backed up in the last 26 hours."
                " 2 have no good backup left, 1 other backup failed, 2 servers cannot be reached,"
                " 1 server could not be checked and 1 server has got worse since yesterday."
            ),
        ),
        (
            {State.FRESH: 2, State.CHANGED: 1},
            {},
            "warn",
            (
                "2 of 3 sites were backed up in the last 26 hours."
                " 1 has paths or databases not backed up yet."
            ),
        ),
        ({State.UNKEPT: 2}, {}, "warn", "2 have backups where files do not stay."),
        ({State.FRESH: 2}, {"missing": 1}, "bad", "1 archive is missing."),
        ({State.FRESH: 2}, {"worse": 2}, "warn", "2 servers have got worse since yesterday."),
    ],
)
def test_the_first_sentence_says_how_everything_stands(
    sites: dict[State, int], others: dict[str, int], level: str, said: str
) -> None:
    found = verdict(NUMBERS | sites, sites.get(State.FRESH, 0), **others)
    assert f"{found.first} {found.rest}".strip().endswith(said)
    assert found.level == level


def test_an_archive_that_is_missing_is_told_wherever_it_is_shown(
    app: Flask, owner: Browser
) -> None:
    ids = build(app, "missing")
    front = words(owner.get("/"))
    assert "1 has no good backup left and 2 archives are missing." in front
    assert "Missing archives" in front
    assert "is its disk mounted?" in front
    page = owner.get(f"/backups/{ids['backup']}")
    assert "ARCHIVE_MISSING" in page.text
    assert "Nothing is left in /mnt/disk/cloudpilot: is its disk mounted?" in page.text
    for path in ("/backups", f"/servers/{ids['server']}", f"/sites/{ids['site']}"):
        assert words(owner.get(path)).count("Missing") == 2


def test_growth_and_shrinking_are_said_in_words() -> None:
    assert growth_words(Growth(-60, timedelta(days=31))) == "Shrank 60 % in 31 days"


def test_the_overview_shows_all_that_is_wrong_and_what_to_do(app: Flask, owner: Browser) -> None:
    build(app, "much")
    page = owner.get("/")
    said = words(page)
    for expected in (
        "7 of 11 sites were backed up in the last 26 hours.",
        "1 failed at the last attempt, 1 has never been backed up, 1 has no good backup left",
        "DISK_FULL Only 2.1 GB are free",
        "Free space on the server",
        "SSH_UNREACHABLE",
        "Worse than yesterday",
        "1 schedule is late",
        "21.4 GB of backups, 9.4 GB free",
    ):
        assert expected in said, (expected, said)
    [table] = [t for t in page.all("table") if "Last attempt" in t.text]
    names = re.findall(r"archive|private|crm|wiki|blog-mail", table.text)
    assert list(dict.fromkeys(names)) == ["archive", "private", "crm", "wiki", "blog-mail"]
    with_title = [e.text for e in page.all("title") if e.inside("svg")]
    assert any("with warnings, 1 failed" in text for text in with_title)
    assert "no backup" in " ".join(with_title)


def test_a_backup_with_serious_warnings_is_not_called_good(app: Flask, owner: Browser) -> None:
    ids = build(app, "much unread")
    assert "All 1" not in words(owner.get("/"))
    page = owner.get(f"/backups/{ids['backup']}")
    assert "Much unreadable" in page.text
    assert "Too much is missing for it to count as a good backup" in page.text


@pytest.mark.parametrize(
    ("paths", "trap", "state", "said"),
    [
        (["/etc"], None, "changed", "A path or database that the site has now is not in it."),
        (["/srv/shop"], "In memory.", "unkept", "backup directory does not keep files"),
    ],
)
def test_a_backup_that_does_not_protect_the_site_is_not_called_fresh(
    app: Flask, owner: Browser, paths: list[str], trap: str | None, state: str, said: str
) -> None:
    with app.app_context(), transaction() as session:
        server = add_server(session, "web-1")
        site = add_site(session, server, "shop", paths=["/srv/shop"])
        add_backup(session, server, site, Status.COMPLETED, paths=paths)
        add_checkup(session, server, trap=trap)
        address = f"/sites/{site.id}"
    assert said in words(owner.get(address))
    assert "The only site was not backed up" in words(owner.get("/"))
    assert address in owner.get(f"/sites?state={state}").text


def fill(app: Flask, count: int) -> None:
    """So many sites on one server; every tenth has a fresh backup."""
    with app.app_context(), transaction() as session:
        server = add_server(session, "web-1")
        for number in range(count):
            site = add_site(session, server, f"site {number:03}")
            if number % 10 == 0:
                add_backup(session, server, site, Status.COMPLETED)


def test_all_sites_are_listed_searched_and_filtered(app: Flask, owner: Browser) -> None:
    fill(app, 2 * PAGE + 7)
    found: list[str] = []
    path = "/sites"
    while path:
        page = owner.get(path)
        found += re.findall(r">(site \d{3})<", page.text)
        path = next((a.attrs["href"] for a in page.all("a") if a.text == "More"), "")
    assert sorted(found) == [f"site {n:03}" for n in range(2 * PAGE + 7)]
    assert found[-1].endswith("0")  # the fresh ones come last
    assert re.findall(r">(site \d{3})<", owner.get("/sites?q=TE+01").text).count("site 010") == 1
    fresh = re.findall(r">(site \d{3})<", owner.get("/sites?state=fresh&q=site+00").text)
    assert fresh == ["site 000"]
    for address in ("/sites?q=nothing", "/sites?state=lost", "/sites?state=what", "/sites?page=99"):
        assert "No site fits" in owner.get(address).text, address
    assert "Back" in owner.get("/sites?page=2").buttons


@pytest.mark.parametrize("role", [Role.OWNER, Role.MEMBER, Role.VIEWER])
def test_an_empty_list_leads_on_whoever_looks(
    role: Role, sign_in: Callable[[Role], Browser]
) -> None:
    """With a button for those who may, with whom to ask for those who may not."""
    browser = sign_in(role)
    for path in ("/", "/sites", "/backups"):
        page = browser.get(path)
        forward = {"Add a server", "Choose a server"} & page.buttons
        assert bool(forward) is (role is Role.OWNER), path
        assert ("An owner or admin of this panel" in page.text) is (role is not Role.OWNER), path


@pytest.mark.parametrize(
    ("path", "shown"),
    [("/", 20), ("/activity/live?briefly=1", 20), ("/activity", 30), ("/activity/live", 30)],
)
def test_of_very_many_that_run_all_are_counted_and_some_are_shown(
    app: Flask, owner: Browser, path: str, shown: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: list[object] = []
    monkeypatch.setattr(queue, "watch", lambda *ids: watched.extend(ids))
    monkeypatch.setattr(under_way, "SHOWN", 30)
    with app.app_context(), transaction() as session:
        server = add_server(session)
        for number in range(31):
            add_run(session, server, add_site(session, server, f"shop {number}"))
    page = owner.get(path)
    assert f"31 runs, the newest {shown}" in re.sub(r"\s+", " ", page.text)
    assert len(re.findall(r'id="run-[0-9a-f-]{36}-link"', page.text)) == shown
    more = [link.attrs["href"] for link in page.all("a") if link.text == "More of them"]
    assert more == (["/activity"] if shown == 20 else [])
    fragment = page.one("section", id="active-runs").attrs["hx-get"]
    assert ("briefly=1" in fragment) is (shown == 20)  # what replaces it is the same
    # Each that is watched is looked at every second, for as long as the page is open.
    assert len(watched) == (WATCHED if "/live" in path else 0)


def test_the_overview_is_loaded_anew_when_one_begins_or_ends_that_it_does_not_show(
    app: Flask, owner: Browser
) -> None:
    """Of so many that all of them fit the page of what runs; of more it would be at every look."""
    with app.app_context(), transaction() as session:
        server = add_server(session)
        for number in range(25):
            add_run(session, server, add_site(session, server, f"shop {number}"))
    fragment = owner.get("/").one("section", id="active-runs").attrs["hx-get"]
    htmx = {"HX-Request": "true"}
    assert "HX-Refresh" not in owner.client.get(fragment, headers=htmx).headers
    with app.app_context(), transaction() as session:
        oldest = session.scalars(select(Run).order_by(Run.created_at).limit(1)).one()
        oldest.move(session, Status.FAILED)
    assert owner.client.get(fragment, headers=htmx).headers["HX-Refresh"] == "true"
