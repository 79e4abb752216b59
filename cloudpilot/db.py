"""The database: one session per application context, one explicit transaction per step.

Rows stay readable after their transaction (nothing expires), relations are never loaded by a
look at them: what a page needs is loaded while the transaction is open, and no connection is
held while a page is rendered or a server is asked.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import JSON, Dialect, Engine, ExceptionContext, MetaData, TypeDecorator, event
from sqlalchemy import DateTime as _DateTime
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session, registry

log = logging.getLogger(__name__)

NAMES = {  # so that a migration can name what it alters, on every database
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
SQLITE_BUSY_MS = 10_000
# Who vanishes in the middle of a step, since its machine was switched off, would keep what it has
# locked for as long as PostgreSQL's system waits: two hours. No step takes a minute.
GIVEN_UP = {
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "60",  # seconds
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
# Undefined table and column, as PostgreSQL numbers them and SQLite says it.
NOT_MIGRATED = {"42P01", "42703"}
NOT_MIGRATED_WORDS = ("no such table", "no such column")
MIGRATIONS = Path(__file__).parent / "migrations"


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC. SQLite forgets zones, so a naive one is refused on the way in."""

    impl = _DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("naive datetime: say which zone")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """What all tables share: names for constraints, UTC, lists and mappings as JSON."""

    registry = registry(
        metadata=MetaData(naming_convention=NAMES),
        type_annotation_map={
            datetime: UtcDateTime(),
            list[str]: JSON(),
            list[dict[str, Any]]: JSON(),
            dict[str, Any]: JSON(),
        },
    )


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})


@contextmanager
def transaction() -> Iterator[Session]:
    """One step that writes: committed at the end, rolled back on any exception, then released."""
    with _released() as session:
        # Asked for before the first statement: on SQLite a transaction that begins as a reader
        # cannot become a writer once somebody else has written.
        session.connection(execution_options={"writes": True})
        yield session
        session.commit()
        calls = session.info.pop("after_commit", ())
    for call in calls:
        call()


def after_commit(session: Session, call: Callable[[], None]) -> None:
    """Do `call` once this transaction is committed and its connection is free; else never."""
    session.info.setdefault("after_commit", []).append(call)


@contextmanager
def reading() -> Iterator[Session]:
    """One step that only reads; what was loaded stays readable afterwards."""
    with _released() as session:
        yield session


@contextmanager
def _released() -> Iterator[Session]:
    if db.session.registry.has():
        raise RuntimeError("a transaction is open already: two steps would become one")
    session = db.session()
    try:
        yield session
    finally:
        db.session.registry.clear()  # first: whatever closing meets, the next step has its own
        _close(session)


def _close(session: Session) -> None:
    """Rolls back whatever was not committed. What keeps us from that ends the connection, and with
    it what was not committed."""
    try:
        session.close()
    except SQLAlchemyError as error:
        log.warning("a connection to the database is given up: %s", type(error).__name__)


def lacks_tables(error: DBAPIError) -> bool:
    """Whether the migrations have not been run, or not all of them."""
    code = getattr(error.orig, "sqlstate", None)
    return code in NOT_MIGRATED or str(error.orig).startswith(NOT_MIGRATED_WORDS)


@event.listens_for(Engine, "handle_error")
def _distrust_after_an_interruption(context: ExceptionContext) -> None:
    """A job that takes too long is interrupted, maybe while it waits for PostgreSQL: then its
    connection is in the middle of a statement, and nobody may use it again. (What SQLite does is
    over before a signal is heard.)"""
    is_theirs = isinstance(context.original_exception, context.dialect.loaded_dbapi.Error)
    if context.dialect.name == "postgresql" and not is_theirs:
        context.is_disconnect, context.invalidate_pool_on_disconnect = True, False


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: Any, _record: object) -> None:
    if type(connection).__module__ != "sqlite3":
        return
    connection.isolation_level = None  # we say BEGIN ourselves, below
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"busy_timeout={SQLITE_BUSY_MS}",
    ):
        connection.execute(f"PRAGMA {pragma}")


@event.listens_for(Engine, "connect")
def _prepare_postgresql(connection: Any, _record: object) -> None:
    if not type(connection).__module__.startswith("psycopg"):
        return
    # Not among the words of the connection: some poolers refuse what they do not know there.
    calls = ", ".join(["set_config(%s, %s, false)"] * len(GIVEN_UP))
    connection.execute(f"SELECT {calls}", [word for pair in GIVEN_UP.items() for word in pair])
    # A page of many sites looks like much work, which it would compile for a tenth of a second: ten
    # times as long as that then takes. (Before 11 it does not know the word.)
    connection.execute("SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'jit'")
    connection.commit()


@event.listens_for(Engine, "begin")
def _begin_sqlite(connection: Any) -> None:
    if connection.dialect.name == "sqlite":
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
