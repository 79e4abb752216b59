"""Commands that let somebody in: the set-up code, and the way back for an owner."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot import ROOT, clock, create_app, recovery
from cloudpilot.db import db, reading, transaction
from cloudpilot.domain import passwords, people
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.domain.people import Person
from cloudpilot.kinds import Role
from cloudpilot.secrets import Secret
from cloudpilot.settings import Settings
from tests.support import postgres
from tests.support.database import KINDS, SECRET_KEY
from tests.support.ports import free_port
from tests.support.rows import add_person


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The whole panel, at an address of its own."""
    panel = create_app(replace(settings, url="https://backups.example.com/"))
    yield panel
    with panel.app_context():
        db.session.remove()
        db.engine.dispose()


def run(app: Flask, *arguments: str) -> tuple[int, str]:
    with app.app_context():
        done = app.test_cli_runner().invoke(args=list(arguments))
    return done.exit_code, done.output.strip()


def log(app: Flask) -> list[tuple[str, str, str]]:
    with app.app_context(), reading() as session:
        rows = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        return [(row.actor, row.action, row.subject_name) for row in rows]


def test_a_locked_out_owner_gets_a_link_of_the_panels_address(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        owner = add_person(session)
        owner.disabled_at = clock.now()
    status, printed = run(app, "reset-owner")
    assert status == 0
    assert printed.startswith("https://backups.example.com/link/")
    page = app.test_client().get(printed, base_url="https://backups.example.com")
    assert page.status_code == 200
    assert "owner@example.com" in page.text
    with app.app_context(), reading() as session:
        assert session.get_one(Person, owner.id).disabled_at is None
    assert log(app) == [
        ("command line", "person.owner-restored", "owner@example.com"),
        ("command line", "person.reset-link-made", "owner@example.com"),
    ]


def test_who_is_no_owner_gets_none_while_there_is_one(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        add_person(session)
        add_person(session, Role.ADMIN)
    assert run(app, "reset-owner", "admin@example.com")[0] == 1
    status, said = run(app, "reset-owner", "nobody@example.com")
    assert status == 1
    assert "owner@example.com" in said
    assert log(app) == []


def test_the_set_up_code_is_printed_until_there_is_an_owner(app: Flask) -> None:
    status, code = run(app, "setup-code")
    assert status == 0
    with app.app_context():
        with reading() as session:
            code_hash = people.setup_code_hash(session)
        assert passwords.matches(code_hash, Secret(code))
        with transaction() as session:
            add_person(session)
    assert run(app, "setup-code") == (0, "")
    assert log(app) == [("command line", "panel.set-up-code-made", "")]


def failed(*arguments: str, **environ: str) -> str:
    """The one line of a command, as somebody types it, that ends with status 1."""
    done = flask(*arguments, **environ)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    [line] = done.stderr.splitlines()
    return line


def flask(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    given = {"REDIS_URL": "unix:///nowhere", "CLOUDPILOT_SECRET_KEY": SECRET_KEY} | environ
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **given},
        check=False,
        capture_output=True,
        text=True,
        input=recovery.new().secret.reveal(),
        timeout=60,
    )


COMMANDS = [["setup-code"], ["export", "/nowhere/x"], ["import", __file__], ["reset-owner"]]


@pytest.mark.parametrize("command", [["db", "upgrade"], *COMMANDS], ids=" ".join)
def test_a_database_that_refuses_is_told_in_a_sentence(command: list[str]) -> None:
    url = f"postgresql://panel:refused-password@127.0.0.1:{free_port()}/panel"
    said = failed(*command, DATABASE_URL=url)
    assert said.startswith("Error: DATABASE_URL: connection failed: ")
    assert "refused-password" not in said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_before_the_migrations_say_what_to_run_first(
    kind: str, command: list[str], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    if kind == "postgresql":
        url = postgres.create(request.getfixturevalue("postgres_url"), f"t{uuid4().hex}")
    assert "first run `flask --app wsgi db upgrade`" in failed(*command, DATABASE_URL=url)


def test_a_redis_that_is_away_fails_no_release_and_is_told() -> None:
    done = flask("check-redis", DATABASE_URL="sqlite:///nowhere.db")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("Redis does not answer: ConnectionError. The release goes on")
