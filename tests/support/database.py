"""An application over a database of its own, SQLite or PostgreSQL, with all migrations run."""

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4
from zlib import crc32

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import Engine

from cloudpilot import cli, create_core
from cloudpilot.db import db
from cloudpilot.settings import Settings, from_environment
from tests.support import postgres
from tests.support import redis as private_redis
from tests.support.must_run import must_run

_FIRST: dict[str, Engine] = {}  # by the name of its dialect
SECRET_KEY = "only for tests, only for tests, only for tests"


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis for this test session."""
    try:
        server = private_redis.running(tmp_path_factory.mktemp("r"))
        with server as url:
            yield url
    except RuntimeError as error:
        must_run("redis", str(error))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL for this test session: a URL with `{name}` for the database."""
    if postgres.programs() is None:
        must_run("postgresql", "it is not installed")
    with postgres.running() as url:
        yield url


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], None]:
    """Runs all migrations on the database of a URL."""

    def upgrade(url: str) -> None:
        environ = {"DATABASE_URL": url, "REDIS_URL": "unix:///nowhere"}
        app = create_core(from_environment(environ | {"CLOUDPILOT_SECRET_KEY": SECRET_KEY}))
        cli.register(app)
        with app.app_context():
            flask_migrate.upgrade()
            db.engine.dispose()

    return upgrade


@pytest.fixture(scope="session")
def sqlite_template(
    tmp_path_factory: pytest.TempPathFactory, migrated: Callable[[str], None]
) -> Path:
    """A migrated database to copy: migrations take longer than most tests."""
    file = tmp_path_factory.mktemp("template") / "panel.db"
    migrated(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str, migrated: Callable[[str], None]) -> str:
    """The name of a migrated database to copy."""
    migrated(postgres.create(postgres_url, "migrated"))
    return "migrated"


KINDS = ("sqlite", "postgresql")


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database of each kind."""
    return database(request.param, request, tmp_path)


def by_name(name: str) -> str:
    """One of the kinds, always the same for the same name, each for about half of all names."""
    return KINDS[crc32(name.encode()) % len(KINDS)]


def database(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a migrated database of that kind, for one test."""
    if kind == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "panel.db")
        return f"sqlite:///{tmp_path / 'panel.db'}"
    template = request.getfixturevalue("postgres_template")
    url, name = request.getfixturevalue("postgres_url"), f"t{uuid4().hex}"
    request.addfinalizer(partial(postgres.drop, url, name))  # ten megabytes, thousands of times
    return postgres.create(url, name, template)


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    """What a panel over these two is started with."""
    return from_environment(
        {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
            "CLOUDPILOT_RETRY_SECONDS": "0.1",
        }
    )


def compile_once(engine: Engine) -> None:
    """SQL is compiled once for each kind of database, and not anew for the engine of each test."""
    first = _FIRST.setdefault(engine.dialect.name, engine)
    if first is not engine and first.dialect.server_version_info:  # it has been connected
        engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache


@pytest.fixture
def core(settings: Settings) -> Iterator[Flask]:
    """The application without pages, in its context, over a migrated database."""
    app = create_core(settings)
    cli.register(app)
    with app.app_context():
        compile_once(db.engine)
        app.extensions["redis"].flushall()
        yield app
        db.session.remove()
        db.engine.dispose()
        app.extensions["redis"].close()
