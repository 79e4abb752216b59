"""The set-up code, signing in and out, and how often one may try."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from cloudpilot import create_app
from cloudpilot.db import reading
from cloudpilot.domain.people import Person
from cloudpilot.kinds import Role
from cloudpilot.settings import Settings
from cloudpilot.web.access import own_path
from tests.web.conftest import PASSWORD, SETUP_CODE, Browser

OWNER = {
    "code": SETUP_CODE,
    "name": "Ada Lovelace",
    "email": "Ada@Example.com",
    "password": "a long password",
}


def people_of(app: Flask) -> list[Person]:
    with app.app_context(), reading() as session:
        return list(session.query(Person))


def test_a_panel_without_owner_leads_to_its_set_up(fresh: Flask) -> None:
    client = fresh.test_client()
    assert client.get("/").location == "/sign-in"
    assert client.get("/sign-in").location == "/setup"
    page = client.get("/setup")
    assert page.status_code == 200
    assert "Under <code>make run</code> it stands in that terminal." in page.text


def test_the_code_makes_an_owner_who_is_signed_in(fresh: Flask) -> None:
    browser = Browser(fresh.test_client())
    assert browser.post("/setup", **OWNER).answer.location == "/"
    assert "Your first backup" in browser.get("/").text
    [owner] = people_of(fresh)
    assert (owner.role, owner.email, owner.name) == (Role.OWNER, "ada@example.com", "Ada Lovelace")


def test_a_wrong_code_makes_nobody_and_keeps_what_was_typed(fresh: Flask) -> None:
    browser = Browser(fresh.test_client())
    page = browser.post("/setup", 422, **(OWNER | {"code": "guessed"}))
    assert "The set-up code is wrong" in page.text
    assert page.one("input", name="name").attrs["value"] == "Ada Lovelace"
    assert page.one("input", name="password").attrs.get("value", "") == ""
    assert people_of(fresh) == []


def test_the_code_works_once(fresh: Flask) -> None:
    Browser(fresh.test_client()).post("/setup", **OWNER)
    second = Browser(fresh.test_client())
    answer = second.post("/setup", **(OWNER | {"email": "eve@example.com"})).answer
    assert answer.location == "/sign-in"
    assert len(people_of(fresh)) == 1


def test_of_two_who_send_the_code_at_once_one_becomes_the_owner(fresh: Flask) -> None:
    browsers = [Browser(fresh.test_client()) for _ in range(4)]
    tokens = [browser.token() for browser in browsers]

    def send(number: int) -> Any:
        data = OWNER | {"email": f"{number}@example.com", "csrf_token": tokens[number]}
        return browsers[number].client.post("/setup", data=data)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, range(4)))
    assert sum(answer.location == "/" for answer in answers) == 1
    assert len(people_of(fresh)) == 1


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("email", "ada"),
        ("email", "a b@c"),
        ("name", ""),
        ("name", "a\u202eb"),
        ("password", "short"),
    ],
)
def test_each_field_of_the_set_up_is_judged(fresh: Flask, field: str, text: str) -> None:
    page = Browser(fresh.test_client()).post("/setup", 422, **(OWNER | {field: text}))
    assert page.one("input", name=field).attrs["aria-invalid"] == "true"
    assert people_of(fresh) == []


def test_signing_in_and_out(anonymous: Browser) -> None:
    answer = anonymous.post("/sign-in", email="OWNER@example.com ", password=PASSWORD).answer
    assert answer.location == "/"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie  # this panel's address is http
    assert "Owner Lovelace" in anonymous.get("/").text
    assert anonymous.client.get("/sign-in").location == "/"

    anonymous.post("/sign-out")
    assert anonymous.client.get("/").location == "/sign-in"


def test_nothing_of_an_earlier_session_is_kept(anonymous: Browser) -> None:
    with anonymous.client.session_transaction() as session:
        session["planted"] = "by somebody else"
    anonymous.post("/sign-in", email="owner@example.com", password=PASSWORD)
    with anonymous.client.session_transaction() as session:
        assert "planted" not in session
        assert session.permanent


@pytest.mark.parametrize("email", ["owner@example.com", "nobody@example.com", ""])
def test_the_answer_does_not_say_which_was_wrong(anonymous: Browser, email: str) -> None:
    page = anonymous.post("/sign-in", 422, email=email, password="wrong")
    assert "The e-mail address or the password is wrong." in page.text
    assert "SIGN_IN_FAILED" in page.text
    assert page.one("input", name="email").attrs["value"] == email


def test_an_account_is_not_guessed_at_for_long(app: Flask) -> None:
    """From whatever address the attempts come."""
    statuses = []
    for number in range(8):
        browser = Browser(app.test_client())
        data = {"email": "owner@example.com", "password": "x", "csrf_token": browser.token()}
        address = {"REMOTE_ADDR": f"192.0.2.{number}"}
        answer = browser.client.post("/sign-in", data=data, environ_base=address)
        statuses.append(answer.status_code)
    assert statuses == [422] * 6 + [429] * 2
    assert "TOO_MANY_ATTEMPTS" in answer.text
    seconds = int(answer.headers["Retry-After"])
    assert 0 < seconds <= 61
    assert re.search(r"Wait (\d+ s|1 min( 1 s)?), then try again", answer.text)
    other = Browser(app.test_client())
    other.post("/sign-in", email="admin@example.com", password=PASSWORD)


def test_an_address_does_not_try_many_accounts(app: Flask) -> None:
    browser = Browser(app.test_client())
    token = browser.token()
    statuses = []
    for number in range(22):
        data = {"email": f"{number}@example.com", "password": "x", "csrf_token": token}
        statuses.append(browser.client.post("/sign-in", data=data).status_code)
    assert statuses == [422] * 20 + [429] * 2
    assert browser.client.get("/sign-in").status_code == 200


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/backups?status=failed", "/backups?status=failed"),
        ("/", "/"),
        (None, None),
        ("", None),
        ("backups", None),
        ("//evil.example", None),
        ("///evil.example", None),
        ("/\\evil.example", None),
        ("\\\\evil.example", None),
        ("https://evil.example", None),
        ("/\t/evil.example", None),
        ("/\n/evil.example", None),
        ("/ok\r\nSet-Cookie: a=b", None),
        ("javascript:alert(1)", None),
        (" //evil.example", None),
        ("/\u202e/evil", None),
    ],
)
def test_the_way_back_is_a_path_of_our_own(text: str | None, path: str | None) -> None:
    assert own_path(text) == path


@pytest.mark.parametrize(
    ("following", "location"), [("/backups", "/backups"), ("//evil.example", "/")]
)
def test_the_sign_in_leads_to_where_one_wanted_to_go(
    anonymous: Browser, following: str, location: str
) -> None:
    fields = {"email": "viewer@example.com", "password": PASSWORD, "next": following}
    assert anonymous.post("/sign-in", **fields).answer.location == location


def test_attempts_are_counted_where_all_web_processes_see_them(
    settings: Settings, app: Flask, redis_url: str
) -> None:
    shared = replace(settings, redis_url=redis_url)
    statuses = []
    for _ in range(2):  # one process after the other: each has a memory of its own
        browser = Browser(create_app(shared).test_client())
        for _ in range(4):
            fields = {"email": "counted@example.com", "password": "x"}
            data = fields | {"csrf_token": browser.token()}
            statuses.append(browser.client.post("/sign-in", data=data).status_code)
    assert statuses == [422] * 6 + [429] * 2
