"""Runs migrations over the application's own engine (`flask db upgrade`)."""

from alembic import context
from flask import current_app

migrate = current_app.extensions["migrate"]
database = migrate.db


def run() -> None:
    """All of an upgrade in one transaction: a half-migrated database does not exist."""
    with database.engine.connect().execution_options(writes=True) as connection:
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            compare_type=True,
            render_as_batch=True,
        )
        with context.begin_transaction():
            if connection.dialect.name == "postgresql":
                # Two release processes at once: the second waits, then finds nothing to do. The
                # lock ends with the transaction: a pooler may hand the connection to somebody else.
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(727401)")
            context.run_migrations()


run()
