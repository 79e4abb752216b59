"""What every answer carries, whoever asks for whatever."""

from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from cloudpilot import create_app
from cloudpilot.db import reading
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.domain.sessions import SignedIn
from cloudpilot.secrets import Secret
from cloudpilot.settings import Settings
from tests.support.page import Page
from tests.web.conftest import PASSWORD, Browser
from tests.web.test_sign_in import OWNER

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nothing-here", "/static/app.css", "/healthz"])
def test_every_answer_has_the_headers(anonymous: Browser, path: str) -> None:
    with anonymous.client.get(path) as answer:
        headers = answer.headers
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "Strict-Transport-Security" not in headers
    cached = "no-cache" if path.startswith("/static") else "no-store"
    assert headers["Cache-Control"] == cached


def test_a_file_whose_address_holds_its_hash_is_kept_for_long(anonymous: Browser) -> None:
    page = anonymous.get("/sign-in")
    for link in page.all("link", rel="stylesheet"):
        with anonymous.client.get(link.attrs["href"]) as answer:
            assert "immutable" in answer.headers["Cache-Control"]
            assert "Set-Cookie" not in answer.headers


def test_over_https_cookies_insist_on_it(settings: Settings) -> None:
    app = create_app(replace(settings, url="https://backups.example.com"))
    answer = app.test_client().get("/setup", base_url="https://backups.example.com")
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-cloudpilot=")
    assert "Secure" in cookie


def test_a_session_survives_a_new_secret_key_if_the_old_one_is_named(
    settings: Settings, fresh: Flask
) -> None:
    client = fresh.test_client()
    Browser(client).post("/setup", **OWNER)
    cookie = client.get_cookie("cloudpilot")
    assert cookie
    new = Secret("a new secret key that is long enough")
    for old, location in (((settings.secret_key,), None), ((), "/sign-in")):
        app = create_app(replace(settings, secret_key=new, secret_keys_old=old))
        later = app.test_client()
        later.set_cookie("cloudpilot", cookie.value)
        assert later.get("/").location == location


@pytest.mark.parametrize(
    ("proxies", "forwarded", "limited"),
    [
        (0, "203.0.113.{n}", True),
        (1, "203.0.113.{n}", False),
        (1, "203.0.113.{n}, 198.51.100.7", True),  # what the visitor forged stands before it
        (2, "203.0.113.{n}, 198.51.100.7", False),
        (2, "192.0.2.{n}, 203.0.113.1, 198.51.100.7", True),
    ],
)
def test_a_forwarded_address_is_believed_of_trusted_proxies_only(
    settings: Settings, proxies: int, forwarded: str, limited: bool
) -> None:
    app = create_app(replace(settings, trusted_proxies=proxies))
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    statuses = [
        client.post(
            "/setup",
            data=OWNER | {"email": f"{n}@example.com", "code": ""},
            headers={"X-Forwarded-For": forwarded.format(n=n)},
        ).status_code
        for n in range(22)
    ]
    assert (429 in statuses) is limited


@pytest.mark.parametrize(("proxies", "address"), [(0, "127.0.0.1"), (1, "198.51.100.7")])
def test_the_audit_log_says_where_a_visitor_really_is(
    settings: Settings, app: Flask, proxies: int, address: str
) -> None:
    panel = create_app(replace(settings, trusted_proxies=proxies))
    browser = Browser(panel.test_client())
    data = {"email": "owner@example.com", "password": PASSWORD, "csrf_token": browser.token()}
    forged = {"X-Forwarded-For": "203.0.113.1, 198.51.100.7"}
    assert browser.client.post("/sign-in", data=data, headers=forged).status_code == 303
    with app.app_context(), reading() as session:
        assert [entry.address for entry in session.query(AuditEntry)] == [address]
        assert [row.address for row in session.query(SignedIn)] == [address]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing-here", 404, "NOT_FOUND"),
        ("GET", "/servers/not-an-id", 404, "NOT_FOUND"),
        ("GET", "/servers/00000000-0000-0000-0000-000000000001", 404, "NOT_FOUND"),
        ("GET", "/backups/00000000-0000-0000-0000-000000000001", 404, "NOT_FOUND"),
        ("GET", "/backups/new?site=x", 404, "NOT_FOUND"),
        ("GET", "/backups?after=x", 422, "INVALID_CONFIG"),
        ("GET", "/backups?status=x", 422, "INVALID_CONFIG"),
        ("GET", "/backups?server=x", 422, "INVALID_CONFIG"),
        ("GET", "/activity?after=x", 422, "INVALID_CONFIG"),
        ("POST", "/", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/sign-out", 405, "METHOD_NOT_ALLOWED"),
    ],
)
def test_a_problem_has_a_page(
    owner: Browser, method: str, path: str, status: int, code: str
) -> None:
    token = {"X-CSRFToken": owner.token()}
    answer = owner.client.open(path, method=method, headers=token)
    assert (answer.status_code, code in answer.text) == (status, True)
    Page(answer, owner.client.application)
    told = owner.client.open(path, method=method, headers=token | {"HX-Request": "true"})
    assert (told.status_code, told.headers["HX-Retarget"]) == (status, "#problem")
    assert told.headers["HX-Reswap"] == "innerHTML"
    assert "<html" not in told.text


def test_what_is_too_large_is_refused(owner: Browser) -> None:
    answer = owner.client.post("/servers/new", data={"name": "x" * (1024 * 1024 + 1)})
    assert answer.status_code == 413
    assert "TOO_LARGE" in answer.text


def test_a_crash_shows_no_trace_of_the_code(app: Flask, owner: Browser) -> None:
    from cloudpilot.web.access import public  # noqa: PLC0415

    @public
    def crash() -> str:
        raise RuntimeError("secret detail")

    app.add_url_rule("/crash", "crash", crash)
    page = owner.get("/crash", 500)
    assert "INTERNAL" in page.text
    assert "secret detail" not in page.text
    assert "Traceback" not in page.text


def test_health_says_whether_the_database_answers_and_tells_no_secret(
    settings: Settings, anonymous: Browser, tmp_path: Path
) -> None:
    answer = anonymous.client.get("/healthz")
    assert (answer.status_code, answer.json["status"]) == (200, "degraded")  # there is no Redis
    broken = create_app(replace(settings, database_url=f"sqlite:///{tmp_path}/no/such/dir.db"))
    client = broken.test_client()
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json["status"]) == (503, "unavailable")
    assert str(tmp_path) not in answer.text
    page = client.get("/sign-in")
    assert page.status_code == 503
    assert "DATABASE_AWAY" in page.text
    assert "no/such/dir" not in page.text


def test_a_password_is_nowhere_in_the_answer(anonymous: Browser) -> None:
    page = anonymous.post("/sign-in", 422, email="x@example.com", password=PASSWORD)
    assert PASSWORD not in page.text
