"""A database without a name, in which rows of an older version are updated as an older panel's are:
by the migrations themselves.

SQLite keeps it in memory, and what has no room there in a file that is for its owner alone and is
unlinked as soon as it is open: nothing of it is left, however the process ends.
"""

import sqlite3
from collections.abc import Mapping
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import CHAR, JSON, Connection, DateTime, Uuid, create_engine, inspect
from sqlalchemy.pool import StaticPool

from cloudpilot.db import MIGRATIONS, UtcDateTime

NAMELESS = ""  # SQLite's word for it
UUID_LENGTH = 32  # of the text that stands for one
THEIR_OWN = {"alembic_version"}  # of the migrations


def is_before(revision: object, ours: str) -> bool:
    """Whether a database at `revision` can be updated to ours."""
    steps = ScriptDirectory.from_config(_config()).iterate_revisions(ours, "base")
    return revision in [one.revision for one in steps if one.revision != ours]


def nameless() -> Connection:
    """An empty database, gone once its connection is closed."""
    # One connection is the database: none is taken back and replaced by another.
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(NAMELESS),
        poolclass=StaticPool,
        hide_parameters=True,
    )
    return engine.connect()


def update(connection: Connection, revision: str) -> None:
    """Bring it up to that revision; it is not in a transaction."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def columns(connection: Connection) -> dict[str, Mapping[str, Any]]:
    """What there is: the kinds of columns, by table and name."""
    there = inspect(connection)
    return {
        name: {one["name"]: _kind(one["type"]) for one in there.get_columns(name)}
        for name in there.get_table_names()
        if name not in THEIR_OWN
    }


def _kind(kept: Any) -> Any:
    """SQLite says how a column is kept; what it is for follows from that."""
    if isinstance(kept, CHAR) and kept.length == UUID_LENGTH:
        return Uuid()
    if isinstance(kept, DateTime):
        return UtcDateTime()
    return JSON(none_as_null=True) if isinstance(kept, JSON) else kept


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
