"""How long pages take with 100,000 backups, on both databases."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import flask_migrate
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from cloudpilot import create_app
from cloudpilot.db import db, transaction
from cloudpilot.domain import sessions
from cloudpilot.settings import from_environment
from tests.support import postgres
from tests.support.database import SECRET_KEY
from tests.support.rows import add_person
from tests.web.test_lists import MANY, fill

PATHS = ("/", "/servers", "/sites", "/backups", "/activity")
ROUNDS = 20


def measured() -> Iterator[tuple[str, str, float]]:
    """A database, a page and the milliseconds that 19 of 20 looks at it take at most."""
    with TemporaryDirectory(prefix="cloudpilot-bench-") as folder:
        yield from _measured("SQLite", f"sqlite:///{Path(folder) / 'panel.db'}")
    with postgres.running() as url:
        yield from _measured("PostgreSQL", postgres.create(url, "bench"))


def _measured(name: str, url: str) -> Iterator[tuple[str, str, float]]:
    environ = {"DATABASE_URL": url, "REDIS_URL": "unix:///nowhere"}
    app = create_app(from_environment(environ | {"CLOUDPILOT_SECRET_KEY": SECRET_KEY}))
    with _owner(app) as browser:
        for path in PATHS:
            seconds = []
            for _ in range(ROUNDS):
                started = time.monotonic()
                assert browser.get(path).status_code == 200
                seconds.append(time.monotonic() - started)
            yield name, path, sorted(seconds)[-2] * 1000


@contextmanager
def _owner(app: Flask) -> Iterator[FlaskClient]:
    """The browser of somebody who is signed in to a panel that has MANY backups."""
    with app.app_context():
        flask_migrate.upgrade()
    fill(app, MANY)
    with app.app_context(), transaction() as session:
        token = sessions.begin(session, add_person(session), "127.0.0.1", "bench")
    with app.app_context():
        vacuum = "VACUUM ANALYZE" if db.engine.dialect.name == "postgresql" else "ANALYZE"
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as database:
            database.execute(text(vacuum))
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = token.reveal()
    yield client
    with app.app_context():
        db.engine.dispose()
