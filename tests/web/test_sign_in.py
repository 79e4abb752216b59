"""The set-up code, signing in and out, and how often one may try."""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask

from cloudpilot import create_app
from cloudpilot.db import db, reading
from cloudpilot.domain import passwords
from cloudpilot.domain.attempts import SignInFailure
from cloudpilot.domain.audit import AuditEntry
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
    assert 'value="owner@example.com"' in answer.text
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


def tries(browser: Browser, address: str, count: int, email: str = "owner@example.com") -> Any:
    """What so many wrong passwords from that address are answered with."""
    data = {"email": email, "password": "x", "csrf_token": browser.token()}
    far = {"REMOTE_ADDR": address}
    answers = [browser.client.post("/sign-in", data=data, environ_base=far) for _ in range(count)]
    return [answer.status_code for answer in answers]


@pytest.mark.parametrize("redis", ["absent", "emptied"])
def test_attempts_are_counted_whatever_happens_to_redis(
    settings: Settings, app: Flask, redis_url: str, redis: str
) -> None:
    """One web process after the other, each with a memory of its own; the rows remember."""
    used = settings if redis == "absent" else replace(settings, redis_url=redis_url)
    statuses = []
    for _ in range(2):
        process = create_app(used)
        statuses += tries(Browser(process.test_client()), "192.0.2.1", 4)
        if redis == "emptied":
            process.extensions["redis"].flushall()
    assert statuses == [422] * 6 + [429] * 2


def test_an_address_is_counted_over_all_processes_too(settings: Settings, app: Flask) -> None:
    statuses = []
    for process in range(2):
        browser = Browser(create_app(settings).test_client())
        for n in range(11):
            statuses += tries(browser, f"2001:db8::{n:x}", 1, f"{process}{n}@example.com")
    assert statuses == [422] * 20 + [429] * 2  # all of one /64 are one


def test_nobody_locks_the_owner_out(app: Flask, anonymous: Browser) -> None:
    home = {"REMOTE_ADDR": "198.51.100.7"}
    data = {"email": "owner@example.com", "password": PASSWORD}
    sent = data | {"csrf_token": anonymous.token()}
    assert anonymous.client.post("/sign-in", data=sent, environ_base=home).status_code == 303
    attacker, owner = Browser(app.test_client()), Browser(app.test_client())
    for n in range(8):
        tries(attacker, f"192.0.2.{n}", 1)
    sent = data | {"csrf_token": owner.token()}
    strange = {"REMOTE_ADDR": "203.0.113.1"}
    assert owner.client.post("/sign-in", data=sent, environ_base=strange).status_code == 429
    assert owner.client.post("/sign-in", data=sent, environ_base=home).status_code == 303


@pytest.mark.parametrize("door", ["/setup", "/link/guessed"])
def test_codes_and_links_are_not_guessed_at_for_long(fresh: Flask, door: str) -> None:
    statuses = []
    for n in range(22):  # in turn with a process of its own: only the rows can count them
        client = Browser(fresh.test_client())
        if door == "/setup":
            data = OWNER | {"code": f"guess {n}", "csrf_token": client.token()}
            statuses.append(client.client.post(door, data=data).status_code)
        else:
            data = {"csrf_token": client.token()}
            statuses.append(client.client.post(f"{door}{n}", data=data).status_code)
    assert statuses == [422 if door == "/setup" else 410] * 20 + [429] * 2


def test_a_foreign_page_that_loads_links_locks_nobody_out(app: Flask, anonymous: Browser) -> None:
    for n in range(22):
        assert anonymous.client.get(f"/link/{n}").status_code == 410
        assert anonymous.client.post(f"/link/{n}").status_code == 400
    with app.app_context(), reading() as session:
        assert session.query(SignInFailure).count() == 0
        assert session.query(AuditEntry).count() == 0
    data = {"csrf_token": anonymous.token()}
    for n in range(20):
        assert anonymous.client.post(f"/link/{n}", data=data).status_code == 410
    anonymous.post("/sign-in", email="owner@example.com", password=PASSWORD)


def test_refusals_are_written_down_but_do_not_flood_the_log(app: Flask) -> None:
    """Nothing that was typed is kept: it may be a password in the wrong field."""
    browser = Browser(app.test_client())
    for email in ("owner@example.com", "my-secret-password"):
        tries(browser, "192.0.2.1", 4, email)
    tries(browser, "192.0.2.2", 2)
    with app.app_context(), reading() as session:
        found = session.query(AuditEntry).filter_by(action="session.refused").all()
        failures = session.query(SignInFailure).all()
    told = [(entry.actor, entry.address, entry.subject_name) for entry in found]
    assert told == [
        ("somebody", "192.0.2.1", "owner@example.com"),
        ("somebody", "192.0.2.1", ""),
        ("somebody", "192.0.2.2", "owner@example.com"),
    ]
    kept = [str(vars(row)) for row in (*found, *failures)]
    plain = hashlib.sha256(b"my-secret-password").hexdigest()
    assert not [text for text in kept if "my-secret-password" in text or plain in text]


def test_no_password_is_looked_at_while_a_transaction_is_open(
    fresh: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes long, and SQLite has one writer: everybody would wait."""
    looked: list[bool] = []

    class Hasher(PasswordHasher):
        def hash(self, *args: Any, **kwargs: Any) -> str:
            looked.append(db.session.registry.has())
            return super().hash(*args, **kwargs)

        def verify(self, *args: Any, **kwargs: Any) -> Any:
            looked.append(db.session.registry.has())
            return super().verify(*args, **kwargs)

    monkeypatch.setattr(passwords, "_hasher", Hasher())
    browser = Browser(fresh.test_client())
    browser.post("/setup", **OWNER)
    browser.post("/account/password", old=OWNER["password"], password=PASSWORD)
    browser.post("/sign-out")
    browser.post("/sign-in", 422, email=OWNER["email"], password="wrong")
    browser.post("/sign-in", email=OWNER["email"], password=PASSWORD)
    link = browser.post("/people/invite", 200, email="bea@example.com", role="viewer")
    path = link.one("textarea", id="link").text.removeprefix("http://127.0.0.1:5000")
    browser.post(path, name="Bea", password=PASSWORD)
    assert looked == [False] * 7


def test_signing_in_and_out_is_written_down(app: Flask, anonymous: Browser) -> None:
    anonymous.post("/sign-out")  # nobody is signed in: nothing happens
    anonymous.post("/sign-in", email="owner@example.com", password=PASSWORD)
    anonymous.post("/sign-out")
    with app.app_context(), reading() as session:
        told = [(e.action, e.actor, e.address) for e in session.query(AuditEntry)]
    assert told == [
        ("session.signed-in", "owner@example.com", "127.0.0.1"),
        ("session.signed-out", "owner@example.com", "127.0.0.1"),
    ]
