"""What the doctor found, and what it has told over time, on the pages."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain import checkups
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.kinds import Role, RunKind
from tests.support.rows import add_server
from tests.web.conftest import Browser
from tests.web.scenes import add_run


def line(key: str, level: str, detail: str, remedy: str = "") -> dict[str, Any]:
    title = key.capitalize()
    return {"key": key, "title": title, "level": level, "detail": detail, "remedy": remedy}


WELL = [
    line("tar", "ok", "GNU tar 1.34."),
    line("compressor", "ok", "gzip. igzip would be faster.", "`apt-get install isal`"),
    line("curl", "ok", "<script>alert(1)</script>"),
]
ILL = [
    line("tar", "failed", "Not installed.", "Install it: `apt-get install tar` now."),
    line("space", "warning", "1.0 GB.", "Free space."),
    *WELL[1:],
]


def keep(session: Session, server: Server, *lines: dict[str, Any], hours_ago: float = 0) -> None:
    found = checkups.keep(session, server, lines, {"trap": None})
    found.at = clock.now() - timedelta(hours=hours_ago)
    session.flush()


@pytest.fixture
def server_id(app: Flask) -> UUID:
    """A server that was well two days ago, silent yesterday, and is ill today."""
    with app.app_context(), transaction() as session:
        server = add_server(session)
        keep(session, server, *WELL, hours_ago=48)
        at = clock.now() - timedelta(hours=20)
        also = {"created_at": at, "finished_at": at, "error_code": "SSH_UNREACHABLE"}
        also |= {"error_detail": "web-1 did not answer."}
        add_run(session, server, RunKind.CHECK, Status.FAILED, **also)
        keep(session, server, *ILL)
        return server.id


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_problems_stand_open_and_what_is_fine_is_folded_away(
    owner: Browser, server_id: UUID
) -> None:
    page = owner.get(f"/servers/{server_id}")
    folded = [words(part.text) for part in page.all("details")]
    assert any("1 thing could be better" in text and "igzip" in text for text in folded)
    assert any("1 thing is fine" in text and "Curl" in text for text in folded)
    assert not any("Not installed" in text for text in folded)
    assert (
        words(page.one("section", **{"aria-label": "Check"}).text).count("Worse than yesterday")
        == 2
    )
    assert "<script>alert" not in page.text


def test_a_server_without_problems_says_so(app: Flask, owner: Browser) -> None:
    with app.app_context(), transaction() as session:
        server = add_server(session)
        keep(session, server, *WELL)
        server_id = server.id
    assert "All is well" in owner.get(f"/servers/{server_id}").text


def test_each_command_can_be_copied_alone(owner: Browser, server_id: UUID) -> None:
    page = owner.get(f"/servers/{server_id}/checkup")
    buttons = [e.attrs["data-copy"] for e in page.all("button") if "data-copy" in e.attrs]
    assert len(buttons) == 2
    texts = {e.attrs["id"]: e.text for e in page.all("code") if "id" in e.attrs}
    assert [texts[button] for button in buttons] == ["apt-get install tar", "apt-get install isal"]


def test_while_it_is_checked_again_nothing_that_polls_holds_a_button(
    app: Flask, owner: Browser, server_id: UUID
) -> None:
    with app.app_context(), transaction() as session:
        server = session.get_one(Server, server_id)
        add_run(session, server, RunKind.CHECK, Status.RUNNING, created_at=clock.now())
    fragment = owner.get(f"/servers/{server_id}/checkup")
    assert "every 2s" in fragment.text
    assert "apt-get install tar" in fragment.text


def test_the_history_tells_what_got_worse_and_who_was_silent(
    owner: Browser, server_id: UUID
) -> None:
    said = words(owner.get(f"/servers/{server_id}/history").one("main").text)
    worse, silent, first = (said.index(w) for w in ("Worse", "Silent", "The first Check"))
    assert worse < silent < first
    assert "Before: GNU tar 1.34." in said
    assert "web-1 did not answer." in said
    assert "SSH_UNREACHABLE" in said
    assert "apt-get install tar" in said


def test_the_history_tells_what_got_better_and_what_is_merely_other(
    app: Flask, owner: Browser, server_id: UUID
) -> None:
    with app.app_context(), transaction() as session:
        server = session.get_one(Server, server_id)
        os = {"key": "os", "title": "System", "level": "ok", "remedy": "", "steady": True}
        keep(session, server, *WELL, os | {"detail": "Debian 12."}, hours_ago=-1)
        keep(session, server, *WELL, os | {"detail": "Debian 13."}, hours_ago=-2)
    said = words(owner.get(f"/servers/{server_id}/history").one("main").text)
    assert "Better" in said
    assert "Changed System Debian 13. Before: Debian 12." in said


def test_who_may_look_may_read_it_and_an_unknown_server_has_none(
    app: Flask, server_id: UUID, sign_in: Callable[[Role], Browser]
) -> None:
    viewer = sign_in(Role.VIEWER)
    assert viewer.get(f"/servers/{server_id}/history").one("h1")
    viewer.get(f"/servers/{UUID(int=1)}/history", status=404)


def test_a_server_that_was_never_checked_says_so(app: Flask, owner: Browser) -> None:
    with app.app_context(), transaction() as session:
        server_id = add_server(session, host_keys=[]).id
    assert "has not been checked yet" in owner.get(f"/servers/{server_id}/history").text
