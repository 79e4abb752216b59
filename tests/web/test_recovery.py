"""Recovery as an owner sees it: the key, exports, and a panel that was brought back."""

import gzip
import re
from collections.abc import Callable, Iterator
from io import BytesIO

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot import recovery
from cloudpilot.db import reading, transaction
from cloudpilot.domain import recovery as keys
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.kinds import Role
from tests.support.rows import add_server, add_site
from tests.web.conftest import PASSWORD, Browser

KEY = re.compile(r"AGE-SECRET-KEY-1[0-9A-Z]+")


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def made(browser: Browser) -> str:
    """The key as it is shown, once."""
    page = browser.post("/recovery/make", 200, **{"make-password": PASSWORD})
    return page.one("textarea", id="recovery-key").text.strip()


def recipient() -> str | None:
    with reading() as session:
        key = keys.current(session)
    return key.recipient if key else None


def test_a_key_is_shown_once_and_counts_when_its_end_was_typed(owner: Browser) -> None:
    assert "There is none" in owner.get("/recovery").text
    shown = made(owner)
    assert recipient() is None
    page = owner.get("/recovery")
    assert "A new key waits" in page.text
    assert not KEY.search(page.text)
    assert "last characters" in owner.post("/recovery/confirm", 422, ending="QQQQQQQQ").text
    owner.post("/recovery/confirm", ending=f" {shown[-8:].lower()} ")
    assert recipient() == recovery.read(shown).recipient
    page = owner.get("/recovery")
    assert "In use" in page.text
    assert recovery.read(shown).recipient in page.text


def test_it_is_replaced_and_the_former_counts_until_then(owner: Browser) -> None:
    first = made(owner)
    owner.post("/recovery/confirm", ending=first[-8:])
    second = made(owner)
    assert recipient() == recovery.read(first).recipient
    page = owner.get("/recovery")
    assert "encrypted for the former one" in page.text
    owner.post("/recovery/confirm", ending=second[-8:])
    assert recipient() == recovery.read(second).recipient
    assert "last characters" in owner.post("/recovery/confirm", 422, ending=first[-8:]).text


def test_a_key_that_is_confirmed_twice_is_in_use(owner: Browser) -> None:
    """A double click: the second answer is what is shown."""
    shown = made(owner)
    for _ in range(2):
        owner.post("/recovery/confirm", ending=shown[-8:])
        assert recipient() == recovery.read(shown).recipient
    owner.post("/recovery/confirm", 422, ending="QQQQQQQQ")
    made(owner)  # what was typed for the former one says nothing of this
    owner.post("/recovery/confirm", 422, ending=shown[-8:])


def test_two_confirmations_at_once_are_one(owner: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = made(owner)
    with reading() as session:
        waiting = keys.unconfirmed(session)
    owner.post("/recovery/confirm", ending=shown[-8:])
    monkeypatch.setattr(keys, "unconfirmed", lambda _: waiting)  # as the other one has read it
    owner.post("/recovery/confirm", ending=shown[-8:])
    assert recipient() == recovery.read(shown).recipient


def test_whoever_asks_gives_their_password(owner: Browser) -> None:
    page = owner.post("/recovery/make", 422, **{"make-password": "a borrowed browser"})
    assert "The password that you gave as yours is wrong." in page.text
    assert not KEY.search(page.text)
    with reading() as session:
        assert keys.unconfirmed(session) is None
        refused = session.scalars(select(AuditEntry)).all()[-1]
    assert (refused.action, refused.details) == ("session.refused", {"door": "recovery key"})


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER, Role.VIEWER])
def test_it_is_the_owners_alone(role: Role, sign_in: Callable[[Role], Browser]) -> None:
    browser = sign_in(role)
    browser.get("/recovery", 403)
    assert "/recovery" not in browser.get("/").text


def test_the_audit_log_says_who_made_it_and_not_what_it_is(owner: Browser) -> None:
    shown = made(owner)
    owner.post("/recovery/confirm", ending=shown[-8:])
    with reading() as session:
        entries = [str(vars(entry)) for entry in session.scalars(select(AuditEntry))]
    assert ["panel.recovery-key-made" in one for one in entries[-2:]] == [True, False]
    assert "panel.recovery-key-confirmed" in entries[-1]
    assert not any(KEY.search(entry) or shown[-8:] in entry for entry in entries)


def test_owners_are_reminded_until_there_is_one(owner: Browser) -> None:
    with transaction() as session:
        add_site(session, add_server(session))
    assert "no recovery key yet" in owner.get("/").text
    owner.post("/recovery/confirm", ending=made(owner)[-8:])
    assert "no recovery key yet" not in owner.get("/").text


def test_nobody_else_is_reminded(sign_in: Callable[[Role], Browser]) -> None:
    with transaction() as session:
        add_site(session, add_server(session))
    assert "no recovery key yet" not in sign_in(Role.ADMIN).get("/").text


def test_all_of_the_panel_is_taken_away_as_a_file(owner: Browser, app: Flask) -> None:
    refused = owner.post("/recovery/export", 409, **{"export-password": PASSWORD})
    assert "no recovery key yet" in refused.text
    shown = made(owner)
    owner.post("/recovery/confirm", ending=shown[-8:])
    wrong = owner.post("/recovery/export", 422, **{"export-password": "a borrowed browser"})
    assert "is wrong" in wrong.text
    data = {"csrf_token": owner.token(), "export-password": PASSWORD}
    answer = owner.client.post("/recovery/export", data=data)
    assert (answer.status_code, len(answer.data) > 200, answer.close()) == (200, True, None)
    assert re.search(r'"cloudpilot-\d{8}-\d{6}Z.age"', answer.headers["Content-Disposition"])
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    text = BytesIO()
    recovery.decrypt(recovery.read(shown).secret, BytesIO(answer.data), text)
    assert b"owner@example.com" in gzip.decompress(text.getvalue())
    with reading() as session:
        last = session.scalars(select(AuditEntry)).all()[-1]
    assert (last.action, last.details["rows"]["people"]) == ("panel.exported", 4)
