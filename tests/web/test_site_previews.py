"""Sites: what was found on the server, and what patterns leave out."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import checkups, previews
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.kinds import Role, RunKind
from tests.support.rows import add_server, add_site
from tests.web.conftest import Browser

COUNTED: dict[str, Any] = {
    "kept": {"entries": 120, "bytes": 5_000_000},
    "out": {"entries": 30, "bytes": 9_000_000},
    "patterns": [
        {"pattern": "*.log", "entries": 30, "bytes": 9_000_000, "samples": ["/srv/shop/<b>.log"]},
        {"pattern": "/cahce", "entries": 0, "bytes": 0, "samples": []},
        {"pattern": "late", "entries": None},
    ],
    "folders": [
        {"path": "/srv/shop/wp-content/cache", "entries": 9, "bytes": 4_000_000},
        {"path": "/srv/shop/uploads", "entries": 9, "bytes": 1_000_000},
    ],
    "stopped": True,
}
FOUND = [
    {"name": "blog.org", "path": "/srv/blog", "kind": "wordpress", "readable": True},
    {"name": "shop", "path": "/srv/shop/public", "kind": "folder", "readable": True},
    {"name": "<i>", "path": "/srv/it's & <b>", "kind": "folder", "readable": False},
]


@pytest.fixture
def ids(app: Flask) -> dict[str, UUID]:
    """A server with a site, and what its Check found."""
    with app.app_context(), transaction() as session:
        server = add_server(session)
        checkups.keep(session, server, [], {"sites": FOUND})
        site = add_site(session, server, paths=["/srv/shop"], excludes=["*.log", "/cahce", "late"])
        return {"server": server.id, "site": site.id}


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_what_was_found_is_offered_and_one_click_fills_the_form(
    owner: Browser, ids: dict[str, UUID]
) -> None:
    page = owner.get(f"/servers/{ids['server']}/sites/new")
    said = words(page.one("section", **{"aria-labelledby": "found-title"}).text)
    assert "WordPress" in said
    assert "Covered by shop" in said
    assert "Not readable for cloudpilot" in said
    links = [e.attrs["href"] for e in page.all("a") if e.text.startswith("Use")]
    assert len(links) == 2  # not for what is covered
    assert "<b>" not in page.text
    filled = owner.get(next(link for link in links if "blog" in link))
    assert filled.one("input", id="name").attrs["value"] == "blog.org"
    assert filled.one("textarea", id="paths").text == "/srv/blog"
    assert "/wp-content/cache" in filled.one("textarea", id="excludes").text
    odd = owner.get(next(link for link in links if "blog" not in link))
    assert odd.one("textarea", id="paths").text == "/srv/it's & <b>"


def test_a_path_that_nobody_found_is_only_typed_for_you(
    owner: Browser, ids: dict[str, UUID]
) -> None:
    address = f"/servers/{ids['server']}/sites/new"
    page = owner.get(f"{address}?path=/etc/%3Cscript%3E")
    assert page.one("textarea", id="paths").text == "/etc/<script>"
    refused = owner.post(f"{address}?path=/srv/blog", 422, name="x", paths="relative", excludes="")
    assert "it must begin with a slash" in refused.text


def test_without_a_check_nothing_is_offered(app: Flask, owner: Browser) -> None:
    with app.app_context(), transaction() as session:
        server_id = add_server(session).id
    assert "Found on this server" not in owner.get(f"/servers/{server_id}/sites/new").text


def runs(app: Flask) -> list[Run]:
    with app.app_context(), reading() as session:
        return list(session.scalars(select(Run)))


def actions(app: Flask) -> list[str]:
    with app.app_context(), reading() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_the_button_asks_once_and_leaves_a_note(
    app: Flask, owner: Browser, ids: dict[str, UUID]
) -> None:
    page = owner.get(f"/sites/{ids['site']}")
    assert "Preview" in page.buttons
    owner.post(f"/sites/{ids['site']}/preview")
    [run] = runs(app)
    assert (run.kind, run.options) == (RunKind.PREVIEW, {"site": str(ids["site"])})
    assert run.subject == "shop on web-1"
    assert actions(app) == ["site.preview-requested"]
    owner.post(f"/sites/{ids['site']}/preview", 409)
    waiting = owner.get(f"/sites/{ids['site']}")
    assert "Preview" not in waiting.buttons
    part = owner.get(f"/sites/{ids['site']}/preview")
    assert "every 2s" in part.text
    assert part.one("section").attrs["id"] == f"site-{ids['site']}-preview"


def test_saving_may_be_followed_by_a_preview(
    app: Flask, owner: Browser, ids: dict[str, UUID]
) -> None:
    fields = {"name": "shop", "paths": "/srv/shop", "excludes": "*.tmp", "compression": "gzip"}
    for _ in range(2):  # the second time one is under way: it is saved all the same
        owner.post(f"/sites/{ids['site']}/edit", then="preview", **fields)
    assert len(runs(app)) == 1
    owner.post(f"/servers/{ids['server']}/sites/new", then="preview", **fields)
    assert len(runs(app)) == 2


def count(app: Flask, ids: dict[str, UUID]) -> None:
    with app.app_context(), transaction() as session:
        site = session.get_one(Site, ids["site"])
        site.preview, site.previewed_at = previews.stamped(COUNTED, site), clock.now()


def test_it_says_what_each_pattern_leaves_out(
    app: Flask, owner: Browser, ids: dict[str, UUID]
) -> None:
    count(app, ids)
    page = owner.get(f"/sites/{ids['site']}")
    said = words(page.one("section", **{"aria-label": "Preview"}).text)
    assert "5.0 MB in 120 files and folders are backed up, 9.0 MB in 30" in said
    assert "At least: there was no time" in said
    assert said.count("Leaves out nothing") == 1
    assert said.count("Not counted") == 1
    assert "Looks like a cache" in said
    assert "<b>.log" not in page.text
    assert "has been changed since" not in said
    part = owner.get(f"/sites/{ids['site']}/preview")
    assert part.text.strip() in page.text


@pytest.mark.parametrize("change", [{"excludes": ["*.log"]}, {"paths": ["/srv"]}])
def test_figures_for_former_patterns_are_marked(
    app: Flask, owner: Browser, ids: dict[str, UUID], change: dict[str, list[str]]
) -> None:
    count(app, ids)
    with app.app_context(), transaction() as session:
        for name, value in change.items():
            setattr(session.get_one(Site, ids["site"]), name, value)
    assert "has been changed since" in owner.get(f"/sites/{ids['site']}").text


def test_why_it_could_not_be_counted_is_said(
    app: Flask, owner: Browser, ids: dict[str, UUID]
) -> None:
    owner.post(f"/sites/{ids['site']}/preview")
    with app.app_context(), transaction() as session:
        run = session.scalars(select(Run)).one()
        run.move(
            session, Status.FAILED, error_code="PATH_MISSING", error_detail="/srv/shop is gone."
        )
    said = owner.get(f"/sites/{ids['site']}").text
    assert "PATH_MISSING" in said
    assert "/srv/shop is gone." in said


def test_a_viewer_may_look_but_not_ask(
    app: Flask, ids: dict[str, UUID], sign_in: Callable[[Role], Browser]
) -> None:
    viewer = sign_in(Role.VIEWER)
    assert "Preview" not in viewer.get(f"/sites/{ids['site']}").buttons
    viewer.post(f"/sites/{ids['site']}/preview", 403)
    assert "Preview" in sign_in(Role.MEMBER).get(f"/sites/{ids['site']}").buttons


def test_a_server_that_is_not_set_up_is_not_asked(
    app: Flask, owner: Browser, ids: dict[str, UUID]
) -> None:
    with app.app_context(), transaction() as session:
        session.get_one(Server, ids["server"]).host_keys = []
    assert "Preview" not in owner.get(f"/sites/{ids['site']}").buttons
    owner.post(f"/sites/{ids['site']}/preview", 409)
