"""Who may open what: every route with every role."""

from collections.abc import Callable
from uuid import UUID

import pytest
from flask import Flask
from werkzeug.routing import Rule

from cloudpilot.db import transaction
from cloudpilot.domain.people import RIGHTS, Person, Right
from cloudpilot.kinds import Role
from cloudpilot.web.access import PUBLIC, access_of
from tests.web.conftest import Browser
from tests.web.scenes import little

STATIC = "static"
UNKNOWN = UUID(int=1)
VISITORS = [None, *Role]


def routes(app: Flask) -> list[tuple[Rule, str]]:
    """Every route with each of its methods."""
    return [
        (rule, method)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) & {"GET", "POST"})
        if rule.endpoint != STATIC
    ]


def test_every_route_says_who_may_open_it(app: Flask) -> None:
    with app.app_context():
        unsaid = [
            str(rule) for rule, _ in routes(app) if access_of(rule.endpoint) not in {PUBLIC, *Right}
        ]
    assert unsaid == []


def test_what_changes_something_needs_more_than_a_look(app: Flask) -> None:
    with app.app_context():
        open_to_viewers = {
            str(rule)
            for rule, method in routes(app)
            if method == "POST" and access_of(rule.endpoint) in {PUBLIC, Right.VIEW}
        }
    assert open_to_viewers == {"/setup", "/sign-in", "/sign-out"}


@pytest.mark.parametrize("role", VISITORS)
def test_every_route_with_every_role(
    app: Flask, sign_in: Callable[[Role], Browser], anonymous: Browser, role: Role | None
) -> None:
    """Refused is refused before anything is looked up: nobody learns what exists."""
    browser = sign_in(role) if role else anonymous
    token = browser.token()
    for rule, method in routes(app):
        with app.app_context():
            access = access_of(rule.endpoint)
        path = str(rule)
        for argument in rule.arguments:
            path = path.replace(f"<uuid:{argument}>", str(UNKNOWN))
        if rule.endpoint == "sign_in.leave":
            continue
        answer = browser.client.open(path, method=method, data={"csrf_token": token})
        if access == PUBLIC:
            assert answer.status_code in {200, 303, 422}, path
        elif role is None:
            assert answer.status_code == 303, path
            assert answer.location.startswith("/sign-in"), path
        elif access in RIGHTS[role]:
            assert answer.status_code in {200, 404, 422}, (path, answer.text)
        else:
            assert answer.status_code == 403, path
            assert "NOT_ALLOWED" in answer.text


def test_a_view_that_says_nothing_is_open_to_nobody(app: Flask, owner: Browser) -> None:
    app.add_url_rule("/forgotten", "forgotten", lambda: "secrets")
    assert "NOT_ALLOWED" in owner.get("/forgotten", 403).text


def test_who_was_disabled_is_out_at_once(app: Flask, owner: Browser) -> None:
    from cloudpilot import clock  # noqa: PLC0415

    owner.get("/")
    with app.app_context(), transaction() as session:
        session.query(Person).filter_by(role=Role.OWNER).one().disabled_at = clock.now()
    assert owner.client.get("/").location == "/sign-in"


def test_a_new_password_ends_old_sessions(app: Flask, owner: Browser) -> None:
    with app.app_context(), transaction() as session:
        session.query(Person).filter_by(role=Role.OWNER).one().password_hash = "another"
    assert owner.client.get("/").location == "/sign-in"


@pytest.mark.parametrize("cookie", ["", "x", f"{UNKNOWN}.abc", "'; drop table people", "1.2.3"])
def test_a_cookie_that_makes_no_sense_is_nobody(app: Flask, cookie: str) -> None:
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"] = cookie
    assert client.get("/").location == "/sign-in"


def test_a_page_that_was_asked_for_is_where_the_sign_in_leads(anonymous: Browser) -> None:
    answer = anonymous.client.get("/backups?status=failed")
    assert answer.location == "/sign-in?next=/backups?status%3Dfailed"


def test_a_poll_of_an_ended_session_is_sent_to_the_sign_in(anonymous: Browser) -> None:
    """A 303 would put the sign-in page into a table."""
    answer = anonymous.client.get("/activity/live", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/sign-in")
    assert answer.data == b""


def test_what_a_form_without_its_token_asks_for_is_not_done(app: Flask, owner: Browser) -> None:
    with app.app_context(), transaction() as session:
        ids = little(session).ids
    for data in ({}, {"csrf_token": "wrong"}):
        answer = owner.client.post(f"/backups/{ids['backup']}/delete", data=data)
        assert answer.status_code == 400
        assert "FORM_EXPIRED" in answer.text
    assert "Being deleted" not in owner.get(f"/backups/{ids['backup']}").text
