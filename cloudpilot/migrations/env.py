"""Runs migrations over the application's own engine (`flask db upgrade`), or over a connection that
somebody hands in."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from flask import current_app
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from cloudpilot.cli import refused

migrate = current_app.extensions["migrate"]
database = migrate.db


def run() -> None:
    """All of an upgrade in one transaction: a half-migrated database does not exist."""
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        walk(given)
        return
    try:
        connection = database.engine.connect()
    except OperationalError as error:
        raise refused(error) from error
    with connection.execution_options(writes=True):
        walk(connection)


def walk(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=database.metadata,
        compare_type=True,
        render_as_batch=True,
        transactional_ddl=True,  # on SQLite, too: we say BEGIN ourselves
    )
    with unwatched(connection), context.begin_transaction():
        if connection.dialect.name == "postgresql":
            # Two release processes at once: the second waits, then finds nothing to do. The
            # lock ends with the transaction: a pooler may hand the connection to somebody else.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(727401)")
        context.run_migrations()
        if connection.dialect.name == "sqlite":
            refuse_strays(connection)


@contextmanager
def unwatched(connection: Connection) -> Iterator[None]:
    """SQLite alters a table by making it anew, and while it watches references, dropping the old
    one counts as deleting all its rows. It can be told not to only outside of a transaction."""
    if connection.dialect.name != "sqlite":
        yield
        return
    plain = connection.connection.dbapi_connection
    assert plain is not None
    was = plain.execute("PRAGMA foreign_keys").fetchone()[0]
    plain.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        plain.execute(f"PRAGMA foreign_keys={was}")


def refuse_strays(connection: Connection) -> None:
    """Nobody has watched: now all references must lead to something."""
    if stray := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise RuntimeError(f"A row of {stray[0]} refers to one of {stray[2]} that is not there.")


run()
