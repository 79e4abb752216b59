"""People's pages: invitations, roles, resets, sessions; each act with its entry in the log."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select, update

from cloudpilot import clock, create_app
from cloudpilot.db import reading, transaction
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.domain.links import OneTimeLink
from cloudpilot.domain.people import Person, folded
from cloudpilot.domain.sessions import SignedIn
from cloudpilot.kinds import Role
from cloudpilot.settings import Settings
from tests.support.page import Page
from tests.web.conftest import PASSWORD, Browser

HOSTILE = [
    '"><script>alert(1)</script>',
    "=cmd|' /C calc'!A0",
    "' or 1=1 --",
    "{{ 7*7 }}",
    "Ünï 日本 👩‍🚀",
]
BEA = {"name": "Bea", "password": "bea's own password"}


def person(app: Flask, role: Role = Role.MEMBER) -> Person:
    with app.app_context(), reading() as session:
        return session.scalars(select(Person).where(Person.role == role)).one()


def by_email(app: Flask, email: str) -> Person | None:
    with app.app_context(), reading() as session:
        return session.scalars(select(Person).where(Person.email == email)).one_or_none()


def entries(app: Flask, action: str) -> list[AuditEntry]:
    with app.app_context(), reading() as session:
        rows = select(AuditEntry).where(AuditEntry.action == action)
        return list(session.scalars(rows.order_by(AuditEntry.id)))


def path_in(page: Page) -> str:
    """The path of the link that a page shows this once."""
    address = page.one("textarea", id="link").text
    found = re.fullmatch(r"http://127\.0\.0\.1:5000(/link/[\w-]{43})", address)
    assert found, address
    return found[1]


def invite(browser: Browser, email: str = "bea@example.com", role: str = "member") -> str:
    return path_in(browser.post("/people/invite", 200, email=email, role=role))


def test_an_invitation_leads_from_the_link_to_being_signed_in(app: Flask, owner: Browser) -> None:
    link = invite(owner, " Bea@Example.com ")
    assert "bea@example.com" in owner.get("/people").text
    assert link.removeprefix("/link/") not in owner.get("/people").text

    bea = Browser(app.test_client())
    for _ in range(2):  # a mail program looks at it first
        page = bea.get(link)
        assert "invited to this panel as member" in page.text
        assert "bea@example.com" in page.text
    answer = bea.post(link, **BEA).answer
    assert answer.location == "/"
    assert bea.get("/account").one("input", name="name").attrs["value"] == "Bea"
    made = by_email(app, "bea@example.com")
    assert made is not None
    assert (made.role, made.name) == (Role.MEMBER, "Bea")
    Browser(app.test_client()).post("/sign-in", email="bea@example.com", password=BEA["password"])

    (invited,), (joined,) = entries(app, "person.invited"), entries(app, "person.joined")
    assert (invited.actor, invited.details) == ("owner@example.com", {"role": "member"})
    assert (joined.actor, joined.subject_id) == ("bea@example.com", made.id)


def test_a_link_works_once(app: Flask, owner: Browser) -> None:
    link = invite(owner)
    Browser(app.test_client()).post(link, **BEA)
    second = Browser(app.test_client())
    assert "LINK_INVALID" in second.get(link, 410).text
    answer = second.client.post(link, data=BEA | {"csrf_token": second.token()})
    assert answer.status_code == 410


def test_what_is_wrong_with_a_name_or_password_uses_nothing_up(app: Flask, owner: Browser) -> None:
    link = invite(owner)
    bea = Browser(app.test_client())
    for fault in ({"password": "short"}, {"name": ""}, {"name": "a\u202eb"}):
        assert "LINK_INVALID" not in bea.post(link, 422, **(BEA | fault)).text
    bea.post(link, **BEA)


def test_an_invitation_is_withdrawn_and_made_again(app: Flask, owner: Browser) -> None:
    first = invite(owner)
    (renew,) = re.findall(r'action="(/people/invitations/[^"]+/renew)"', owner.get("/people").text)
    second = path_in(owner.post(renew, 200))
    Browser(app.test_client()).get(first, 410)
    Browser(app.test_client()).get(second)
    withdraw = re.findall(
        r'action="(/people/invitations/[^"]+/withdraw)"', owner.get("/people").text
    )
    owner.post(withdraw[0])
    Browser(app.test_client()).get(second, 410)
    assert "bea@example.com" not in owner.get("/people").text
    (entry,) = entries(app, "person.invitation-withdrawn")
    assert (entry.subject_name, entry.details) == ("bea@example.com", {"role": "member"})


def test_an_expired_invitation_is_shown_as_such(app: Flask, owner: Browser) -> None:
    link = invite(owner)
    with app.app_context(), transaction() as session:
        session.execute(update(OneTimeLink).values(expires_at=clock.now() - timedelta(days=1)))
    assert "Expired" in owner.get("/people").text
    Browser(app.test_client()).get(link, 410)


def test_the_page_of_a_link_tells_nobody_its_address(app: Flask, owner: Browser) -> None:
    """`strict-origin` and not `no-referrer`: over https the form's token is checked with it."""
    answer = app.test_client().get(invite(owner))
    assert answer.headers["Referrer-Policy"] == "strict-origin"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_link_is_of_the_panels_own_address_and_works_over_https(
    settings: Settings, app: Flask, sign_in: Callable[[Role], Browser]
) -> None:
    """Whatever the request says of its host; and a browser sends the origin alone as referrer."""
    link = invite(sign_in(Role.OWNER))
    secure = create_app(replace(settings, url="https://backups.example.com"))
    here: dict[str, Any] = {"base_url": "https://backups.example.com"}
    client = secure.test_client()
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get(link, **here).text)
    assert token
    sent = {"data": BEA | {"csrf_token": token[1]}, **here}
    assert client.post(link, **sent).status_code == 400  # no referrer: the form's token is refused
    origin = {"Referer": "https://backups.example.com/"}
    assert client.post(link, headers=origin, **sent).location == "/"


@pytest.mark.parametrize("field", ["", "owner", "root", "ADMIN", "viewer "])
def test_a_role_that_one_may_not_give_is_no_choice(
    app: Flask, sign_in: Callable[[Role], Browser], field: str
) -> None:
    admin = sign_in(Role.ADMIN)
    page = admin.post("/people/invite", 422, email="bea@example.com", role=field)
    assert "owner" not in {option.attrs["value"] for option in page.all("option")}
    admin.post(f"/people/{person(app).id}/role", 422, role=field)
    assert person(app).role is Role.MEMBER
    assert entries(app, "person.invited") == []


def test_somebody_who_is_here_is_not_invited(owner: Browser) -> None:
    page = owner.post("/people/invite", 409, email="Viewer@example.com", role="admin")
    assert "here already" in page.text


def test_a_role_is_changed(app: Flask, owner: Browser) -> None:
    member = person(app)
    owner.post(f"/people/{member.id}/role", role="admin")
    (entry,) = entries(app, "person.role-changed")
    assert (entry.subject_name, entry.details) == (
        "member@example.com",
        {"before": "member", "after": "admin"},
    )
    page = owner.post(f"/people/{member.id}/role", 409, role="admin")
    assert "is admin already" in page.text
    chosen = [option.attrs["value"] for option in page.all("option") if "selected" in option.attrs]
    assert chosen == ["admin"]


def test_the_owner_cannot_be_put_out_of_their_own_panel(
    app: Flask, owner: Browser, sign_in: Callable[[Role], Browser]
) -> None:
    mine = person(app, Role.OWNER)
    page = owner.get(f"/people/{mine.id}")
    assert "This is you" in page.text
    assert not [form for form in page.all("form") if "/role" in form.attrs["action"]]
    for browser in (owner, sign_in(Role.ADMIN)):
        browser.post(f"/people/{mine.id}/role", 403, role="viewer")
        for act in ("disable", "enable", "reset-link", "sessions/end"):
            assert "NOT_ALLOWED" in browser.post(f"/people/{mine.id}/{act}", 403).text
    assert person(app, Role.OWNER).disabled_at is None
    assert "Only an owner can change" in sign_in(Role.ADMIN).get(f"/people/{mine.id}").text


def test_disabling_puts_out_at_once_and_is_undone(
    app: Flask, owner: Browser, sign_in: Callable[[Role], Browser]
) -> None:
    member, browser = person(app), sign_in(Role.MEMBER)
    browser.get("/servers")
    owner.post(f"/people/{member.id}/disable")
    assert browser.client.get("/servers").location.startswith("/sign-in")
    stranger = Browser(app.test_client())
    stranger.post("/sign-in", 422, email=member.email, password=PASSWORD)
    assert "Disabled" in owner.get(f"/people/{member.id}").text
    owner.post(f"/people/{member.id}/enable")
    stranger.post("/sign-in", email=member.email, password=PASSWORD)
    assert browser.client.get("/servers").location.startswith("/sign-in")  # it stays ended
    assert [len(entries(app, f"person.{act}")) for act in ("disabled", "enabled")] == [1, 1]


def test_a_reset_link_gives_a_new_password_and_ends_all_sessions(
    app: Flask, owner: Browser, sign_in: Callable[[Role], Browser]
) -> None:
    member, browser = person(app), sign_in(Role.MEMBER)
    link = path_in(owner.post(f"/people/{member.id}/reset-link", 200))
    browser.get("/servers")  # the link alone ends nothing
    stranger = Browser(app.test_client())
    assert "member@example.com" in stranger.get(link).text
    assert stranger.post(link, password="another password").answer.location == "/"
    stranger.get("/servers")
    assert browser.client.get("/servers").location.startswith("/sign-in")
    again = Browser(app.test_client())
    again.post("/sign-in", 422, email=member.email, password=PASSWORD)
    again.post("/sign-in", email=member.email, password="another password")
    (made,), (used,) = entries(app, "person.reset-link-made"), entries(app, "person.password-reset")
    assert (made.actor, used.actor) == ("owner@example.com", "member@example.com")
    assert made.subject_id == used.subject_id == member.id


def test_a_reset_link_works_in_a_browser_that_is_signed_in(
    app: Flask, owner: Browser, sign_in: Callable[[Role], Browser]
) -> None:
    """The new password has ended that session by then."""
    link = path_in(owner.post(f"/people/{person(app).id}/reset-link", 200))
    browser = sign_in(Role.MEMBER)
    assert browser.post(link, password="another password").answer.location == "/"
    browser.get("/account")


def test_who_follows_a_link_leaves_the_session_that_they_had(app: Flask, owner: Browser) -> None:
    link = invite(owner)
    cookie = owner.client.get_cookie("cloudpilot")
    assert cookie
    owner.post(link, **BEA)
    before = app.test_client()
    before.set_cookie("cloudpilot", cookie.value)
    assert before.get("/servers").location.startswith("/sign-in")
    assert "Bea" in owner.get("/account").text


def test_somebody_elses_sessions_are_seen_and_ended(
    app: Flask, owner: Browser, sign_in: Callable[[Role], Browser]
) -> None:
    member, first, second = person(app), sign_in(Role.MEMBER), sign_in(Role.MEMBER)
    page = owner.get(f"/people/{member.id}")
    assert page.text.count("Firefox on Linux</span>") == 2
    ends = re.findall(r'action="(/people/[^"]+/sessions/[^"/]+/end)"', page.text)
    assert len(ends) == 2
    owner.post(ends[0])
    outcomes = [one.client.get("/servers").status_code for one in (first, second)]
    assert sorted(outcomes) == [200, 303]
    owner.post(ends[0], 404)
    owner.post(f"/people/{member.id}/sessions/end")
    assert [one.client.get("/servers").status_code for one in (first, second)] == [303, 303]
    assert len(entries(app, "session.ended")) == len(entries(app, "session.all-ended")) == 1


def test_a_session_is_ended_only_below_its_own_person(app: Flask, owner: Browser) -> None:
    with app.app_context(), reading() as session:
        mine = session.scalars(select(SignedIn)).one()
    owner.post(f"/people/{person(app).id}/sessions/{mine.id}/end", 404)
    owner.get("/servers")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_and_browsers_are_shown_as_they_are(
    app: Flask, owner: Browser, text: str
) -> None:
    member = person(app)
    with app.app_context(), transaction() as session:
        row = session.get_one(Person, member.id)
        row.name, row.email = text, folded(f"{text}@example.com")
        session.add(Person(email="x", name="x" * 10_000, role=Role.VIEWER, password_hash="!"))
    visitor = app.test_client()
    sign_in = visitor.get("/sign-in")
    token = Page(sign_in, app).one("input", name="csrf_token").attrs["value"]
    data = {"email": f"{text}@example.com", "password": PASSWORD, "csrf_token": token}
    agent = text.encode("ascii", "replace").decode()
    assert visitor.post("/sign-in", data=data, headers={"User-Agent": agent}).status_code == 303
    for path in ("/people", f"/people/{member.id}", "/audit", f"/audit?person={member.id}"):
        page = owner.get(path)
        assert "<script>alert" not in page.text
        if path != f"/audit?person={member.id}":
            assert text in "".join(element.text for element in page.elements), path


def test_a_person_who_is_not_there(owner: Browser) -> None:
    nobody: UUID = uuid4()
    for path in (f"/people/{nobody}", f"/people/{nobody}/role", f"/people/{nobody}/disable"):
        if path.endswith(str(nobody)):
            owner.get(path, 404)
        else:
            owner.post(path, 404, role="viewer")
