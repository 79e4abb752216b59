"""The whole application over SQLite, and browsers of people with each role."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask, Response, g, request
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import func, select

from cloudpilot import create_app
from cloudpilot.db import db, transaction
from cloudpilot.domain import passwords, people, sessions
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.domain.people import Person
from cloudpilot.kinds import Role
from cloudpilot.secrets import Secret
from cloudpilot.settings import Settings, from_environment
from tests.support.database import SECRET_KEY, compile_once
from tests.support.page import Page

PASSWORD = "correct horse battery"
PASSWORD_HASH = passwords.hashed(Secret(PASSWORD))  # once: it is slow on purpose
SETUP_CODE = "the set-up code"
SETUP_CODE_HASH = passwords.hashed(Secret(SETUP_CODE))
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Browser:
    """A person's browser: sends forms with the token of the page that they are on."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str, status: int = 200, **options: object) -> Page:
        """The page at `path`; its markup is checked as that of any page."""
        answer = self.client.get(path, **options)
        assert answer.status_code == status, answer.text[:3000]
        return Page(answer, self.client.application)

    def post(self, path: str, status: int = 303, *, htmx: bool = False, **fields: object) -> Page:
        """Send a form; returns what comes back."""
        headers = {"HX-Request": "true"} if htmx else {}
        data = {"csrf_token": self.token()} | fields
        answer = self.client.post(path, data=data, headers=headers)
        assert answer.status_code == status, answer.text[:3000]
        return Page(answer, self.client.application)

    def token(self) -> str:
        """The token of this session's forms."""
        text = self.client.get("/servers", follow_redirects=True).text
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', text)
        assert found, text
        return found[1]


def watch(app: Flask) -> list[str]:
    """From now on, the acts of people that this app does and does not write into its audit log."""
    silent: list[str] = []

    def entries() -> int:
        with db.engine.connect() as connection:
            return connection.scalar(select(func.count(AuditEntry.id))) or 0

    @app.before_request
    def look() -> None:
        if request.method == "POST":
            g.entries_before = entries()

    @app.after_request
    def compare(answer: Response) -> Response:
        refused = answer.status_code >= 400 or (answer.location or "").startswith("/sign-in")
        is_act = request.method == "POST" and not refused
        if is_act and entries() == g.entries_before and not _only_asks(answer):
            silent.append(request.path)
        return answer

    return silent


def _only_asks(answer: Response) -> bool:
    """What is sent to a sign-in by who is in, and to the question which site to back up."""
    if answer.status_code == 200:
        return request.endpoint in {"backups.new", "schedules.new"}
    return request.endpoint in {"sign_in.show", "setup.show"} and g.me is not None


@pytest.fixture
def settings(sqlite_template: Path, tmp_path: Path) -> Settings:
    """A panel over a database of its own, without Redis: pages must not need it."""
    shutil.copy(sqlite_template, tmp_path / "panel.db")
    return from_environment(
        {
            "DATABASE_URL": f"sqlite:///{tmp_path / 'panel.db'}",
            "REDIS_URL": f"unix://{tmp_path}/no-redis.sock",
            "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
        }
    )


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """Templates are compiled once, not once for each test."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def empty(settings: Settings, compiled: FileSystemBytecodeCache) -> Iterator[Flask]:
    """A panel with nobody in it."""
    app = create_app(settings)
    app.jinja_env.bytecode_cache = compiled
    silent = watch(app)
    with app.app_context():
        compile_once(db.engine)
    yield app
    assert silent == [], "what people do is written into the audit log"
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def fresh(empty: Flask) -> Flask:
    """A panel that waits for its owner."""
    with empty.app_context(), transaction() as session:
        people.replace_setup_code(session, SETUP_CODE_HASH)
    return empty


@pytest.fixture
def app(empty: Flask) -> Flask:
    """A panel with one person of each role; they are called after it."""
    with empty.app_context(), transaction() as session:
        for role in Role:
            session.add(
                Person(
                    email=f"{role}@example.com",
                    name=f"{role} Lovelace".title(),
                    role=role,
                    password_hash=PASSWORD_HASH,
                )
            )
    return empty


@pytest.fixture
def anonymous(app: Flask) -> Browser:
    """Somebody who has not signed in."""
    return Browser(app.test_client())


@pytest.fixture
def sign_in(app: Flask) -> Callable[[Role], Browser]:
    """A browser in which somebody with that role has signed in."""

    def browser(role: Role) -> Browser:
        with app.app_context(), transaction() as session:
            person = session.scalars(select(Person).where(Person.role == role)).one()
            token = sessions.begin(session, person, "127.0.0.1", AGENT)
        client = app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"] = token.reveal()
        return Browser(client)

    return browser


@pytest.fixture
def owner(sign_in: Callable[[Role], Browser]) -> Browser:
    """The owner's browser."""
    return sign_in(Role.OWNER)
