"""A new secret key: what the old one has sealed is sealed anew, and the old one is let go."""

import re
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy.orm import class_mapper

from cloudpilot import cli, create_core
from cloudpilot.db import Base, db, reading, transaction
from cloudpilot.domain import databases, removals, requests, servers
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.domain.servers import Server
from cloudpilot.jobs import lifecycle, runs, sealing
from cloudpilot.jobs.on_server import login
from cloudpilot.secrets import CannotOpenError, Sealer, Secret
from cloudpilot.settings import Settings
from tests.support.rows import add_database, add_server, add_site

NEW = Secret("a new secret key, long enough for the panel")


def add_sealed(core: Flask, private_key: str, next_key: str | None = None) -> UUID:
    """A server whose keys were sealed with the panel's present key."""
    sealer: Sealer = core.extensions["sealer"]
    server_id = uuid4()
    with transaction() as session:
        server = add_server(
            session,
            id=server_id,
            private_key=sealer.seal(Secret(private_key), servers.key_place(server_id)),
        )
        if next_key:
            server.next_private_key = sealer.seal(Secret(next_key), server.next_key_place)
    return server_id


def test_passwords_of_databases_are_sealed_anew_too(core: Flask, settings: Settings) -> None:
    sealer: Sealer = core.extensions["sealer"]
    with transaction() as session:
        site = add_site(session, add_server(session, private_key=""))
        kept, gone = add_database(session, site), add_database(session, site)
        for database in (kept, gone):
            database.password = sealer.seal(Secret("s3cret"), database.password_place)
        removals.remove_database(session, gone)
    said = reseal(panel_with(settings, settings.secret_key))
    assert said.output.startswith("1 sealed anew.\nAll that is sealed opens")
    with panel_with(settings).app_context():
        with reading() as session:
            password, place = databases.find(session, kept.id).password, kept.password_place
        assert sealing.current_app.extensions["sealer"].open(password, place).reveal() == "s3cret"
        db.engine.dispose()


def panel_with(settings: Settings, *old: Secret) -> Flask:
    app = create_core(replace(settings, secret_key=NEW, secret_keys_old=old))
    cli.register(app)
    return app


def reseal(app: Flask) -> Result:
    """What the command says; in the context of that panel, not of the test's."""
    with app.app_context():
        said = app.test_cli_runner().invoke(args=["reseal"])
        db.engine.dispose()
    return said


def test_after_it_the_old_key_is_not_needed(core: Flask, settings: Settings) -> None:
    first, second = add_sealed(core, "one", "next"), add_sealed(core, "two")
    said = reseal(panel_with(settings, settings.secret_key))
    assert said.exit_code == 0
    with transaction() as session:
        (entry,) = session.query(AuditEntry).all()
        assert (entry.actor, entry.action) == ("command line", "panel.sealed-anew")
        assert entry.details == {"done": 3, "stuck": []}
    assert said.output.startswith("3 sealed anew.\nAll that is sealed opens")
    with panel_with(settings).app_context():
        assert [login(one).private_key.reveal() for one in (first, second)] == ["one", "two"]
        with reading() as session:
            server = servers.find(session, first)
        sealer: Sealer = sealing.current_app.extensions["sealer"]
        opened = sealer.open(server.next_private_key or "", server.next_key_place)
        db.engine.dispose()
    assert opened.reveal() == "next"


def test_done_twice_there_is_nothing_left_to_do(core: Flask, settings: Settings) -> None:
    add_sealed(core, "one")
    assert sealing.seal_anew() == sealing.Outcome(0, ())
    app = panel_with(settings, settings.secret_key)
    with app.app_context():
        assert [sealing.seal_anew().done for _ in range(2)] == [1, 0]
        db.engine.dispose()


def test_what_opens_with_no_key_is_named_and_stays(core: Flask, settings: Settings) -> None:
    lost = add_sealed(core, "one")
    said = reseal(panel_with(settings))
    assert said.exit_code == 1
    assert f"No key opens servers/{lost}/private_key." in said.output
    assert login(lost).private_key.reveal() == "one"  # with the key that is found again


def test_a_value_that_was_changed_meanwhile_is_left_alone(core: Flask, settings: Settings) -> None:
    server_id = add_sealed(core, "one")
    app = panel_with(settings, settings.secret_key)
    with app.app_context():
        sealer: Sealer = app.extensions["sealer"]
        (stale,) = sealing._old(sealer, sealing.SEALED[0])
        newer = sealer.seal(Secret("newer"), servers.key_place(server_id))
        with transaction() as session:
            session.get_one(Server, server_id).private_key = newer
        with transaction() as session:
            assert sealing._seal_anew(session, sealer, sealing.SEALED[0], stale) == 0
        assert login(server_id).private_key.reveal() == "newer"
        db.engine.dispose()


def test_a_sealed_value_does_not_open_in_another_row(core: Flask) -> None:
    one, two = add_sealed(core, "one"), add_sealed(core, "two")
    with transaction() as session:
        moved = session.get_one(Server, one).private_key
        session.get_one(Server, two).private_key = moved
    with pytest.raises(CannotOpenError):
        login(two)


def test_every_column_that_sounds_like_a_secret_is_sealed_or_hashed() -> None:
    """A new table with a password in it must not be forgotten by `reseal`."""
    secret = re.compile(
        r"(private_key|manifest_key|password|logins?|credentials?|secret|token|passphrase)$"
    )
    known = {sealed.column.key for sealed in sealing.SEALED}
    columns: list[Any] = [
        column
        for mapper in Base.registry.mappers
        for column in class_mapper(mapper.class_).columns
        if secret.search(column.name)
    ]
    assert {column.name for column in columns} == known


def test_work_with_a_wrong_key_says_what_to_do(core: Flask, settings: Settings) -> None:
    server_id = add_sealed(core, "one")
    with transaction() as session:
        run = requests.check(session, servers.find(session, server_id), by=None)
    with panel_with(settings).app_context():
        runs.start(str(run.id))
        ended = lifecycle.current(run.id)
        db.engine.dispose()
    assert ended.error_code == "SECRET_KEY_WRONG"
    assert "CLOUDPILOT_SECRET_KEYS_OLD" in ended.remedy
