"""Who may open what: every route with every visitor. A route without a row here fails."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain import sessions
from cloudpilot.domain.people import Person, Right
from cloudpilot.kinds import Role
from cloudpilot.web.access import PUBLIC, access_of
from tests.web.conftest import Browser
from tests.web.scenes import little

UNKNOWN = UUID(int=1)
ROUTES = {
    ("GET", "/"): Right.VIEW,
    ("GET", "/account"): Right.VIEW,
    ("POST", "/account/name"): Right.VIEW,
    ("POST", "/account/password"): Right.VIEW,
    ("POST", "/account/sessions/<uuid:session_id>/end"): Right.VIEW,
    ("POST", "/account/sessions/end-others"): Right.VIEW,
    ("GET", "/activity"): Right.VIEW,
    ("GET", "/activity/live"): Right.VIEW,
    ("GET", "/audit"): Right.PEOPLE,
    ("GET", "/audit/export"): Right.PEOPLE,
    ("GET", "/backups"): Right.VIEW,
    ("GET", "/backups/<uuid:backup_id>"): Right.VIEW,
    ("GET", "/backups/<uuid:backup_id>/copies/<uuid:copy_id>/download"): Right.DOWNLOAD,
    ("GET", "/backups/<uuid:backup_id>/copies/<uuid:copy_id>/status"): Right.VIEW,
    ("GET", "/backups/<uuid:backup_id>/delete"): Right.DELETE,
    ("POST", "/backups/<uuid:backup_id>/delete"): Right.DELETE,
    ("GET", "/backups/<uuid:backup_id>/download"): Right.DOWNLOAD,
    ("GET", "/backups/<uuid:backup_id>/files"): Right.VIEW,
    ("GET", "/backups/<uuid:backup_id>/files/command"): Right.DOWNLOAD,
    ("GET", "/backups/<uuid:backup_id>/files/download"): Right.DOWNLOAD,
    ("POST", "/backups/<uuid:backup_id>/files/read"): Right.RUN,
    ("GET", "/backups/<uuid:backup_id>/files/status"): Right.VIEW,
    ("GET", "/backups/<uuid:backup_id>/status"): Right.VIEW,
    ("POST", "/backups/<uuid:backup_id>/stop"): Right.RUN,
    ("GET", "/backups/<uuid:backup_id>/upload"): Right.RUN,
    ("POST", "/backups/<uuid:backup_id>/upload"): Right.RUN,
    ("GET", "/backups/new"): Right.RUN,
    ("POST", "/backups/new"): Right.RUN,
    ("GET", "/clouds"): Right.VIEW,
    ("GET", "/clouds/<uuid:cloud_id>"): Right.VIEW,
    ("POST", "/clouds/<uuid:cloud_id>/check"): Right.VAULTS,
    ("GET", "/clouds/<uuid:cloud_id>/checkup"): Right.VIEW,
    ("GET", "/clouds/<uuid:cloud_id>/edit"): Right.VAULTS,
    ("POST", "/clouds/<uuid:cloud_id>/edit"): Right.VAULTS,
    ("GET", "/clouds/<uuid:cloud_id>/machines"): Right.VIEW,
    ("GET", "/clouds/<uuid:cloud_id>/machines/which"): Right.SERVERS,
    ("GET", "/clouds/<uuid:cloud_id>/remove"): Right.VAULTS,
    ("POST", "/clouds/<uuid:cloud_id>/remove"): Right.VAULTS,
    ("GET", "/clouds/new"): Right.VAULTS,
    ("POST", "/clouds/new"): Right.VAULTS,
    ("GET", "/databases/<uuid:database_id>/edit"): Right.SERVERS,
    ("POST", "/databases/<uuid:database_id>/edit"): Right.SERVERS,
    ("GET", "/databases/<uuid:database_id>/findings"): Right.VIEW,
    ("POST", "/databases/<uuid:database_id>/inspect"): Right.RUN,
    ("GET", "/databases/<uuid:database_id>/remove"): Right.SERVERS,
    ("POST", "/databases/<uuid:database_id>/remove"): Right.SERVERS,
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/metrics"): PUBLIC,
    ("GET", "/pulse"): Right.VIEW,
    ("GET", "/vaults"): Right.VIEW,
    ("GET", "/vaults/<uuid:vault_id>"): Right.VIEW,
    ("GET", "/vaults/<uuid:vault_id>/adopt"): Right.VAULTS,
    ("POST", "/vaults/<uuid:vault_id>/adopt"): Right.VAULTS,
    ("GET", "/vaults/<uuid:vault_id>/adopt/progress"): Right.VAULTS,
    ("POST", "/vaults/<uuid:vault_id>/adopt/signatures"): Right.VAULTS,
    ("POST", "/vaults/<uuid:vault_id>/check"): Right.VAULTS,
    ("GET", "/vaults/<uuid:vault_id>/checkup"): Right.VIEW,
    ("GET", "/vaults/<uuid:vault_id>/edit"): Right.VAULTS,
    ("POST", "/vaults/<uuid:vault_id>/edit"): Right.VAULTS,
    ("GET", "/vaults/<uuid:vault_id>/forget"): {Right.VAULTS, Right.FORGET},
    ("POST", "/vaults/<uuid:vault_id>/forget"): {Right.VAULTS, Right.FORGET},
    ("GET", "/vaults/<uuid:vault_id>/remove"): Right.VAULTS,
    ("POST", "/vaults/<uuid:vault_id>/remove"): Right.VAULTS,
    ("GET", "/vaults/new"): Right.VAULTS,
    ("POST", "/vaults/new"): Right.VAULTS,
    ("GET", "/schedules"): Right.VIEW,
    ("GET", "/schedules/<uuid:schedule_id>"): Right.VIEW,
    ("GET", "/schedules/<uuid:schedule_id>/edit"): Right.SERVERS,
    ("POST", "/schedules/<uuid:schedule_id>/edit"): Right.SERVERS,
    ("POST", "/schedules/<uuid:schedule_id>/pause"): Right.SERVERS,
    ("GET", "/schedules/<uuid:schedule_id>/remove"): Right.SERVERS,
    ("POST", "/schedules/<uuid:schedule_id>/remove"): Right.SERVERS,
    ("POST", "/schedules/<uuid:schedule_id>/resume"): Right.SERVERS,
    ("POST", "/schedules/<uuid:schedule_id>/run"): Right.RUN,
    ("GET", "/schedules/new"): Right.SERVERS,
    ("POST", "/schedules/new"): Right.SERVERS,
    ("GET", "/schedules/reading"): Right.VIEW,
    ("GET", "/status"): Right.SERVERS,
    ("GET", "/status/<token>"): PUBLIC,
    ("POST", "/status/end"): Right.SERVERS,
    ("POST", "/status/make"): Right.SERVERS,
    ("POST", "/backups/<uuid:backup_id>/pin"): Right.DELETE,
    ("POST", "/backups/<uuid:backup_id>/unpin"): Right.DELETE,
    ("POST", "/backups/<uuid:backup_id>/size-is-right"): Right.DELETE,
    ("GET", "/sites/<uuid:site_id>/retention"): Right.VIEW,
    ("GET", "/link/<token>"): PUBLIC,
    ("POST", "/link/<token>"): PUBLIC,
    ("GET", "/people"): Right.PEOPLE,
    ("GET", "/people/<uuid:person_id>"): Right.PEOPLE,
    ("POST", "/people/<uuid:person_id>/disable"): Right.PEOPLE,
    ("POST", "/people/<uuid:person_id>/enable"): Right.PEOPLE,
    ("POST", "/people/<uuid:person_id>/reset-link"): Right.PEOPLE,
    ("POST", "/people/<uuid:person_id>/role"): Right.PEOPLE,
    ("POST", "/people/<uuid:person_id>/sessions/<uuid:session_id>/end"): Right.PEOPLE,
    ("POST", "/people/<uuid:person_id>/sessions/end"): Right.PEOPLE,
    ("POST", "/people/invitations/<uuid:link_id>/renew"): Right.PEOPLE,
    ("POST", "/people/invitations/<uuid:link_id>/withdraw"): Right.PEOPLE,
    ("GET", "/people/invite"): Right.PEOPLE,
    ("POST", "/people/invite"): Right.PEOPLE,
    ("GET", "/backups/<uuid:backup_id>/create"): Right.RESTORE,
    ("POST", "/backups/<uuid:backup_id>/create"): Right.RESTORE,
    ("GET", "/servers/<uuid:server_id>/snapshot"): Right.RUN,
    ("POST", "/servers/<uuid:server_id>/snapshot"): Right.RUN,
    ("GET", "/backups/<uuid:backup_id>/restore"): Right.RESTORE,
    ("POST", "/backups/<uuid:backup_id>/restore"): Right.RESTORE,
    ("GET", "/recovery"): Right.RECOVERY,
    ("POST", "/recovery/begin"): Right.RECOVERY,
    ("POST", "/recovery/confirm"): Right.RECOVERY,
    ("POST", "/recovery/export"): Right.RECOVERY,
    ("POST", "/recovery/make"): Right.RECOVERY,
    ("GET", "/restores"): Right.VIEW,
    ("GET", "/restores/<uuid:restore_id>"): Right.VIEW,
    ("GET", "/restores/<uuid:restore_id>/status"): Right.VIEW,
    ("POST", "/restores/<uuid:restore_id>/look"): Right.RESTORE,
    ("POST", "/restores/<uuid:restore_id>/start"): Right.RESTORE,
    ("GET", "/restores/<uuid:restore_id>/undo"): Right.RESTORE,
    ("POST", "/restores/<uuid:restore_id>/undo"): Right.RESTORE,
    ("GET", "/restores/<uuid:restore_id>/forget"): Right.RESTORE,
    ("POST", "/restores/<uuid:restore_id>/forget"): Right.RESTORE,
    ("GET", "/runs/<uuid:run_id>"): Right.VIEW,
    ("GET", "/runs/<uuid:run_id>/status"): Right.VIEW,
    ("POST", "/runs/<uuid:run_id>/stop"): Right.RUN,
    ("GET", "/servers"): Right.VIEW,
    ("GET", "/servers/<uuid:server_id>"): Right.VIEW,
    ("POST", "/servers/<uuid:server_id>/approve"): Right.SERVERS,
    ("POST", "/servers/<uuid:server_id>/approve-offered"): Right.SERVERS,
    ("POST", "/servers/<uuid:server_id>/backup-root"): Right.SERVERS,
    ("POST", "/servers/<uuid:server_id>/check"): Right.RUN,
    ("GET", "/servers/<uuid:server_id>/checkup"): Right.VIEW,
    ("GET", "/servers/<uuid:server_id>/cloud"): Right.SERVERS,
    ("POST", "/servers/<uuid:server_id>/cloud"): Right.SERVERS,
    ("POST", "/servers/<uuid:server_id>/cloud/unlink"): Right.SERVERS,
    ("GET", "/servers/<uuid:server_id>/edit"): Right.SERVERS,
    ("POST", "/servers/<uuid:server_id>/edit"): Right.SERVERS,
    ("GET", "/servers/<uuid:server_id>/history"): Right.VIEW,
    ("GET", "/servers/<uuid:server_id>/host-key"): Right.SERVERS,
    ("POST", "/servers/<uuid:server_id>/host-key"): Right.SERVERS,
    ("POST", "/servers/<uuid:server_id>/host-key/cancel"): Right.SERVERS,
    ("GET", "/servers/<uuid:server_id>/privilege"): Right.SERVERS,
    ("GET", "/servers/<uuid:server_id>/remove"): Right.SERVERS,
    ("POST", "/servers/<uuid:server_id>/remove"): Right.SERVERS,
    ("GET", "/servers/<uuid:server_id>/sites/new"): Right.SERVERS,
    ("POST", "/servers/<uuid:server_id>/sites/new"): Right.SERVERS,
    ("POST", "/servers/<uuid:server_id>/ssh-key"): Right.SERVERS,
    ("GET", "/servers/<uuid:server_id>/uninstall"): Right.SERVERS,
    ("POST", "/servers/<uuid:server_id>/uninstall/backups"): {Right.SERVERS, Right.DELETE},
    ("GET", "/servers/<uuid:server_id>/uninstall/left"): Right.SERVERS,
    ("POST", "/servers/<uuid:server_id>/uninstall/now"): Right.SERVERS,
    ("POST", "/servers/<uuid:server_id>/uninstall/proof"): Right.SERVERS,
    ("GET", "/servers/new"): Right.SERVERS,
    ("POST", "/servers/new"): Right.SERVERS,
    ("GET", "/setup"): PUBLIC,
    ("POST", "/setup"): PUBLIC,
    ("GET", "/sign-in"): PUBLIC,
    ("POST", "/sign-in"): PUBLIC,
    ("POST", "/sign-out"): PUBLIC,
    ("GET", "/sites"): Right.VIEW,
    ("GET", "/sites/<uuid:site_id>"): Right.VIEW,
    ("GET", "/sites/<uuid:site_id>/databases/new"): Right.SERVERS,
    ("POST", "/sites/<uuid:site_id>/databases/new"): Right.SERVERS,
    ("GET", "/sites/<uuid:site_id>/edit"): Right.SERVERS,
    ("POST", "/sites/<uuid:site_id>/edit"): Right.SERVERS,
    ("GET", "/sites/<uuid:site_id>/preview"): Right.VIEW,
    ("POST", "/sites/<uuid:site_id>/preview"): Right.RUN,
    ("GET", "/sites/<uuid:site_id>/remove"): Right.SERVERS,
    ("POST", "/sites/<uuid:site_id>/remove"): Right.SERVERS,
}
MAY = {  # literally, so that a role does not grow by accident
    Role.OWNER: set(Right),
    Role.ADMIN: set(Right) - {Right.FORGET, Right.RECOVERY},
    Role.MEMBER: {Right.VIEW, Right.RUN},
    Role.VIEWER: {Right.VIEW},
}
# What whoever looks may also change: nothing but what is their own.
OWN = {path for method, path in ROUTES if method == "POST" and path.startswith("/account")}
ENDS_THE_SESSION = "/sign-out"


def routes(app: Flask) -> dict[tuple[str, str], str]:
    """Every method and path with its endpoint."""
    return {
        (method, str(rule)): rule.endpoint
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }


def needed(access: Any) -> Any:
    """PUBLIC, or all the rights that a row names."""
    if access == PUBLIC:
        return PUBLIC
    return frozenset({access} if isinstance(access, Right) else access)


def filled(path: str) -> str:
    """An address of that route, of something that is not there."""
    return re.sub(r"<(?:(\w+):)?\w+>", lambda kind: str(UNKNOWN) if kind[1] else "x", path)


def test_every_route_has_a_row_and_every_row_a_route(app: Flask) -> None:
    assert set(routes(app)) == set(ROUTES)


def test_every_view_says_what_its_row_says(app: Flask) -> None:
    with app.app_context():
        said = {route: access_of(endpoint) for route, endpoint in routes(app).items()}
    rows = {route: needed(access) for route, access in ROUTES.items()}
    assert {route: access for route, access in said.items() if rows.get(route) != access} == {}


def test_who_lacks_one_of_two_rights_is_refused(
    sign_in: Callable[[Role], Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No role has the one without the other today."""
    browser = sign_in(Role.ADMIN)
    may = Person.may
    monkeypatch.setattr(Person, "may", lambda who, what: what != Right.DELETE and may(who, what))
    path = f"/servers/{UNKNOWN}/uninstall"
    data = {"csrf_token": browser.token(), "typed": "x"}
    assert browser.client.post(f"{path}/backups", data=data).status_code == 403
    assert browser.client.get(path).status_code == 404


def test_what_changes_something_needs_more_than_a_look() -> None:
    open_to_viewers = {
        path
        for (method, path), access in ROUTES.items()
        if method == "POST" and access in (PUBLIC, Right.VIEW)
    }
    assert open_to_viewers - OWN == {"/setup", "/sign-in", "/sign-out", "/link/<token>"}


@pytest.mark.parametrize("role", Role)
def test_every_route_with_every_role(role: Role, sign_in: Callable[[Role], Browser]) -> None:
    """Refused is refused before anything is looked up: nobody learns what exists."""
    browser = sign_in(role)
    token = browser.token()
    for (method, path), access in ROUTES.items():
        if path == ENDS_THE_SESSION:
            continue
        answer = browser.client.open(filled(path), method=method, data={"csrf_token": token})
        where = (method, path, answer.status_code)
        if access == PUBLIC or needed(access) <= MAY[role]:
            assert answer.status_code in {200, 303, 404, 409, 410, 422}, (where, answer.text)
            if access != PUBLIC:
                assert not (answer.location or "").startswith("/sign-in"), where
        else:
            assert answer.status_code == 403, where
            assert "NOT_ALLOWED" in answer.text, where


def change(app: Flask, column: str) -> None:
    """Put the owner, or all their sessions, out."""
    with app.app_context(), transaction() as session:
        owner = session.scalars(select(Person).where(Person.role == Role.OWNER)).one()
        if column == "disabled_at":
            owner.disabled_at = clock.now()
        else:
            sessions.end_all(session, owner.id)


@pytest.mark.parametrize("visitor", ["nobody", "disabled person", "ended session"])
def test_every_route_with_who_is_not_signed_in(
    app: Flask, anonymous: Browser, owner: Browser, visitor: str
) -> None:
    browser = anonymous if visitor == "nobody" else owner
    if visitor != "nobody":
        change(app, "disabled_at" if visitor == "disabled person" else "ended_at")
    token = browser.token()
    for (method, path), access in ROUTES.items():
        if path == ENDS_THE_SESSION:
            continue
        for headers in ({}, {"HX-Request": "true"}):
            answer = browser.client.open(
                filled(path), method=method, data={"csrf_token": token}, headers=headers
            )
            where = (method, path, answer.status_code)
            if access == PUBLIC:
                assert answer.status_code in {200, 303, 404, 410, 422, 429}, where
            elif headers:
                assert (answer.status_code, answer.data) == (401, b""), where
                assert answer.headers["HX-Redirect"].startswith("/sign-in"), where
            else:
                assert answer.status_code == 303, where
                assert answer.location.startswith("/sign-in"), where


def test_a_view_that_says_nothing_is_open_to_nobody(app: Flask, owner: Browser) -> None:
    app.add_url_rule("/forgotten", "forgotten", lambda: "secrets")
    assert "NOT_ALLOWED" in owner.get("/forgotten", 403).text


@pytest.mark.parametrize("how", ["disabled_at", "ended_at"])
def test_who_was_put_out_is_out_at_once(app: Flask, owner: Browser, how: str) -> None:
    owner.get("/servers")
    change(app, how)
    assert owner.client.get("/servers").location == "/sign-in?next=/servers"


def test_a_role_that_was_changed_holds_at_once(app: Flask, owner: Browser) -> None:
    owner.get("/people")
    with app.app_context(), transaction() as session:
        session.query(Person).filter_by(role=Role.OWNER).one().role = Role.VIEWER
    assert "As viewer you may not do this." in owner.get("/people", 403).text


@pytest.mark.parametrize("cookie", ["", "x", f"{UNKNOWN}.abc", "'; drop table people", "1.2.3"])
def test_a_cookie_that_makes_no_sense_is_nobody(app: Flask, cookie: str) -> None:
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"] = cookie
    assert client.get("/").location == "/sign-in"


def test_a_page_that_was_asked_for_is_where_the_sign_in_leads(anonymous: Browser) -> None:
    answer = anonymous.client.get("/backups?status=failed")
    assert answer.location == "/sign-in?next=/backups?status%3Dfailed"


@pytest.mark.parametrize(
    ("page", "location"),
    [
        ("", "/sign-in"),
        ("http://127.0.0.1:5000/", "/sign-in"),
        ("http://127.0.0.1:5000/activity?after=x#top", "/sign-in?next=/activity?after%3Dx"),
        ("https://evil.example/backups", "/sign-in?next=/backups"),  # of it only the path is used
        ("http://panel.example//evil.example", "/sign-in"),
        ("//evil.example/x", "/sign-in"),
        ("javascript:alert(1)", "/sign-in"),
        ("http://[", "/sign-in"),
    ],
)
def test_a_poll_of_an_ended_session_is_sent_to_the_sign_in_and_back(
    anonymous: Browser, page: str, location: str
) -> None:
    """A 303 would put the sign-in page into a table."""
    headers = {"HX-Request": "true", "HX-Current-URL": page}
    answer = anonymous.client.get("/activity/live", headers=headers)
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, location)
    assert answer.data == b""


def test_what_a_form_without_its_token_asks_for_is_not_done(app: Flask, owner: Browser) -> None:
    with app.app_context(), transaction() as session:
        ids = little(session).ids
    for data in ({}, {"csrf_token": "wrong"}):
        answer = owner.client.post(f"/backups/{ids['backup']}/delete", data=data)
        assert answer.status_code == 400
        assert "FORM_EXPIRED" in answer.text
    assert "Being deleted" not in owner.get(f"/backups/{ids['backup']}").text
