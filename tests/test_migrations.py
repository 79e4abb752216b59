"""What was in the database before an update is there after it."""

from datetime import UTC, datetime
from uuid import uuid4

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import select, text

from cloudpilot.db import db, reading, transaction
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.kinds import RunKind
from tests.domain.test_rest import add_import, old_run
from tests.support.rows import add_run, add_server, add_site

FIRST_RELEASE = "57cb47f7738a"
BEFORE_CLOUDS = "047cbbf95bbf"
BEFORE_MARKS = "6c1f08d2b9e7"


def test_a_server_from_before_the_audit_log_is_kept(core: Flask) -> None:
    flask_migrate.downgrade(revision=FIRST_RELEASE)
    created_at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    columns = {
        "id": uuid4().hex,
        "name": "web-1",
        "host": "h",
        "port": 22,
        "username": "cloudpilot",
        "privilege": "plain",
        "backup_root": "/var/backups/cloudpilot",
        "public_key": "k",
        "private_key": "sealed",
        "host_keys": '["SHA256:a"]',
        "created_at": created_at
        if db.engine.dialect.name == "postgresql"
        else str(created_at)[:19],
    }
    names = ", ".join(columns)
    with db.engine.begin() as connection:
        places = ", ".join(f":{name}" for name in columns)
        connection.execute(text(f"INSERT INTO servers ({names}) VALUES ({places})"), columns)
    flask_migrate.upgrade()
    with reading() as session:
        server = session.scalars(select(Server)).one()
    assert (server.host_keys, server.expected_host_keys) == (["SHA256:a"], [])
    assert server.key_made_at == server.created_at == created_at


def test_a_panel_that_was_brought_back_before_still_knows_what_is_not_its_own(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session)
        old = old_run(session, server, RunKind.CHECK, Status.PENDING)
        add_import(session).begun_at = datetime(2026, 11, 1, 12, tzinfo=UTC)
        new = add_run(session, server)
    flask_migrate.downgrade(revision=BEFORE_MARKS)
    flask_migrate.upgrade()
    with reading() as session:
        marked = {run.id: run.of_old_panel for run in session.scalars(select(Run))}
    assert marked == {old.id: True, new.id: False}


def test_what_others_refer_to_is_altered_and_nothing_is_lost(core: Flask) -> None:
    """SQLite makes a table anew to alter it: what refers to its rows must not stand in the way."""
    with transaction() as session:
        server = add_server(session)
        site, run = add_site(session, server), add_run(session, server)
    flask_migrate.downgrade(revision=BEFORE_CLOUDS)
    flask_migrate.upgrade()
    with reading() as session:
        assert session.get_one(Site, site.id).server_id == server.id
        assert session.get_one(Run, run.id).server_id == server.id
    if db.engine.dialect.name == "sqlite":  # it watches references again
        with db.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_an_update_that_would_leave_a_reference_to_nothing_is_none(
    core: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    """Only on SQLite nobody watches while tables are altered."""
    if db.engine.dialect.name != "sqlite":
        return
    with transaction() as session:
        add_site(session, add_server(session))
    flask_migrate.downgrade(revision=BEFORE_MARKS)
    connection = db.engine.raw_connection()
    for command in ("PRAGMA foreign_keys=OFF", "DELETE FROM servers", "PRAGMA foreign_keys=ON"):
        connection.cursor().execute(command)
    connection.close()
    with pytest.raises(SystemExit):
        flask_migrate.upgrade()
    assert "A row of sites refers to one of servers that is not there." in caplog.text
    with db.engine.connect() as later:
        assert later.scalar(text("SELECT version_num FROM alembic_version")) == BEFORE_MARKS
