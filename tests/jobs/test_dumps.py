"""jobs.dumps: what is dumped is what the backup says, or nothing is."""

from collections.abc import Callable
from uuid import UUID

import pytest
from flask import Flask

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, runs
from cloudpilot.domain.databases import Database
from cloudpilot.domain.status import Status
from cloudpilot.errors import InvalidState
from cloudpilot.jobs import dumps
from cloudpilot.jobs import runs as jobs
from cloudpilot.kinds import BackupType, Engine
from cloudpilot.secrets import Sealer, Secret
from tests.support.rows import add_database, add_run, add_server, add_site

Change = Callable[[Database], None]


def names(database: Database) -> None:
    database.names = ["shop", "blog"]


def all_but(database: Database) -> None:
    database.all_but = True


def user(database: Database) -> None:
    database.user = "another"


def host(database: Database) -> None:
    database.host = "db2.example.com"


def engine(database: Database) -> None:
    database.engine = Engine.POSTGRESQL


def removed(database: Database) -> None:
    database.removed_at = clock.now()


@pytest.fixture
def queued(core: Flask) -> tuple[UUID, UUID]:
    """A run that makes a backup of a database, and the database; nothing was sent yet."""
    sealer: Sealer = core.extensions["sealer"]
    with transaction() as session:
        server = add_server(session)
        site = add_site(session, server)
        row = add_database(session, site, host="db.example.com", all_but=False, names=["shop"])
        row.password = sealer.seal(Secret("first"), row.password_place)
        run = add_run(session, server, site, BackupType.FULL)
        return run.id, row.id


def change(database_id: UUID, what: Change) -> None:
    with transaction() as session:
        what(session.get_one(Database, database_id))


@pytest.mark.parametrize("what", [names, all_but, user, host, engine, removed])
def test_a_database_that_is_changed_while_its_backup_waits_is_not_dumped(
    queued: tuple[UUID, UUID], what: Change
) -> None:
    """The backup says what it holds; what is there by now is something else."""
    run_id, database_id = queued
    change(database_id, what)
    jobs.start(str(run_id))
    with reading() as session:
        run = runs.find(session, run_id)
        assert run.backup_id
        backup = backups.find(session, run.backup_id)
        assert (run.status, backup.status) == (Status.FAILED, Status.FAILED)
        assert run.error_code == backup.error_code == InvalidState.code
        assert "db.example.com" in (run.error_detail or "")
        assert run.sent_at is None


def test_a_new_password_is_the_one_that_is_used(core: Flask, queued: tuple[UUID, UUID]) -> None:
    run_id, database_id = queued
    sealer: Sealer = core.extensions["sealer"]

    def password(database: Database) -> None:
        database.password = sealer.seal(Secret("second"), database.password_place)

    change(database_id, password)
    with reading() as session:
        run = runs.find(session, run_id)
        assert run.backup_id
        (dump,) = dumps.of(session, backups.find(session, run.backup_id))
    assert b"second" in dump.login.file().reveal().encode()
    assert dump.names == ("shop",)
