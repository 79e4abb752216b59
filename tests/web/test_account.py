"""My account: name, password, and where I am signed in."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain.sessions import IDLE, SEEN, SignedIn
from cloudpilot.kinds import Role
from tests.web.conftest import AGENT, PASSWORD, Browser
from tests.web.test_people import entries, person

NEW = "another long password"


def rows(app: Flask) -> list[SignedIn]:
    with app.app_context(), reading() as session:
        return list(session.scalars(select(SignedIn).order_by(SignedIn.created_at)))


def long_ago(app: Flask) -> None:
    """Nobody has been there for two minutes."""
    with app.app_context(), transaction() as session:
        session.execute(update(SignedIn).values(seen_at=clock.now() - 2 * SEEN))


def test_one_is_called_something_else(app: Flask, owner: Browser) -> None:
    owner.post("/account/name", name=" Ada ")
    assert person(app, Role.OWNER).name == "Ada"
    assert "Ada" in owner.get("/servers").text
    page = owner.post("/account/name", 422, name="")
    assert page.one("input", name="name").attrs["aria-invalid"] == "true"
    (entry,) = entries(app, "person.renamed")
    assert entry.details["changes"]["name"][0] == "Owner Lovelace"


def test_a_new_password_signs_out_everywhere_else(
    app: Flask, sign_in: Callable[[Role], Browser]
) -> None:
    here, elsewhere, other = sign_in(Role.MEMBER), sign_in(Role.MEMBER), sign_in(Role.VIEWER)
    here.post("/account/password", old=PASSWORD, password=NEW)
    here.get("/account")
    other.get("/account")
    assert elsewhere.client.get("/account").location.startswith("/sign-in")
    stranger = Browser(app.test_client())
    stranger.post("/sign-in", 422, email="member@example.com", password=PASSWORD)
    stranger.post("/sign-in", email="member@example.com", password=NEW)
    assert len(entries(app, "person.password-changed")) == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("not the password", NEW, "The password that you gave as yours is wrong."),
        ("", NEW, "The password that you gave as yours is wrong."),
        (PASSWORD, "short", "at least 10 characters"),
    ],
)
def test_a_password_is_changed_only_by_who_knows_it(
    app: Flask, owner: Browser, old: str, new: str, said: str
) -> None:
    before = person(app, Role.OWNER).password_hash
    page = owner.post("/account/password", 422, old=old, password=new)
    assert said in page.text
    assert old not in page.text or not old
    assert person(app, Role.OWNER).password_hash == before


def test_the_old_password_is_not_guessed_at_for_long(app: Flask, owner: Browser) -> None:
    """Whoever sits down at an open browser has no better chance than at the sign-in."""
    token = owner.token()
    data = {"old": "x", "password": NEW, "csrf_token": token}
    far = {"REMOTE_ADDR": "203.0.113.9"}
    statuses = [
        owner.client.post("/account/password", data=data, environ_base=far).status_code
        for _ in range(8)
    ]
    assert statuses == [422] * 6 + [429] * 2
    (entry,) = entries(app, "session.refused")
    assert entry.details == {"door": "password change"}


def test_my_sessions_are_listed_and_ended(app: Flask, sign_in: Callable[[Role], Browser]) -> None:
    here, elsewhere, other = sign_in(Role.MEMBER), sign_in(Role.MEMBER), sign_in(Role.VIEWER)
    page = here.get("/account")
    assert page.text.count("Firefox on Linux</span>") == 2
    assert page.text.count("This one") == 1
    assert "127.0.0.1" in page.text
    mine, elses, _ = rows(app)
    assert not [form for form in page.all("form") if str(mine.id) in form.attrs["action"]]
    here.post(f"/account/sessions/{elses.id}/end")
    assert elsewhere.client.get("/account").location.startswith("/sign-in")
    here.post(f"/account/sessions/{elses.id}/end", 404)
    other.get("/account")
    (entry,) = entries(app, "session.ended")
    assert entry.details == {"agent": AGENT}


def test_nobody_ends_somebody_elses_session_from_their_own_page(
    app: Flask, sign_in: Callable[[Role], Browser]
) -> None:
    owner, viewer = sign_in(Role.OWNER), sign_in(Role.VIEWER)
    viewer.post(f"/account/sessions/{rows(app)[0].id}/end", 404)
    owner.get("/account")


def test_all_others_are_ended_at_once(app: Flask, sign_in: Callable[[Role], Browser]) -> None:
    browsers = [sign_in(Role.MEMBER) for _ in range(3)]
    browsers[1].post("/account/sessions/end-others")
    alive = [one.client.get("/account").status_code == 200 for one in browsers]
    assert alive == [False, True, False]
    (entry,) = entries(app, "session.all-ended")
    assert entry.details == {"count": 2}


def test_each_sign_in_has_a_token_of_its_own_and_sign_out_ends_it(app: Flask) -> None:
    tokens = []
    browser = Browser(app.test_client())
    for _ in range(2):
        browser.post("/sign-in", email="member@example.com", password=PASSWORD)
        with browser.client.session_transaction() as cookie:
            tokens.append(cookie["_user_id"])
            assert set(cookie) <= {"_user_id", "_fresh", "_id", "_permanent", "csrf_token"}
        browser.post("/sign-out")
    assert len(set(tokens)) == 2
    assert all(row.ended_at for row in rows(app))
    for token in tokens:  # whoever has kept a cookie has nothing
        late = app.test_client()
        with late.session_transaction() as cookie:
            cookie["_user_id"] = token
        assert late.get("/account").location.startswith("/sign-in")


@pytest.mark.parametrize(
    ("method", "path", "headers", "noticed"),
    [
        ("GET", "/servers", {}, True),
        ("GET", "/servers", {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1"}, True),
        ("GET", "/activity", {"Sec-Fetch-Mode": "navigate"}, False),  # nobody has clicked
        ("GET", "/activity", {"Cache-Control": "max-age=0"}, False),  # it has loaded itself anew
        ("GET", "/activity", {"Cache-Control": "no-cache"}, False),
        ("GET", "/activity/live", {"HX-Request": "true"}, False),
        ("POST", "/backups/new", {"HX-Request": "true", "Sec-Fetch-Mode": "cors"}, True),
        ("GET", "/static/app.css", {}, False),
    ],
)
def test_a_page_that_polls_keeps_no_session_alive(
    app: Flask,
    owner: Browser,
    method: str,
    path: str,
    headers: dict[str, str],
    noticed: bool,
) -> None:
    token = owner.token()
    long_ago(app)
    with owner.client.open(path, method=method, headers=headers, data={"csrf_token": token}):
        (row,) = rows(app)
    assert (row.seen_at > clock.now() - SEEN) is noticed


def test_a_session_that_was_left_alone_ends(app: Flask, owner: Browser) -> None:
    with app.app_context(), transaction() as session:
        old = clock.now() - IDLE - timedelta(seconds=1)
        session.execute(update(SignedIn).values(seen_at=old))
    assert owner.client.get("/account").location.startswith("/sign-in")
