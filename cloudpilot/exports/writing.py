"""Writing an export: one snapshot of the database, row by row, encrypted on its way."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.orm import Session

from cloudpilot import clock, recovery
from cloudpilot.domain import recovery as keys
from cloudpilot.errors import InvalidState
from cloudpilot.exports.lines import FORMAT, VERSION, Digest, Packed, line, panel_version
from cloudpilot.exports.tables import Exported, exported
from cloudpilot.exports.values import opened
from cloudpilot.recovery import Writer
from cloudpilot.secrets import Sealer

ROWS_AT_ONCE = 1000  # in memory
NUMBERED = {"audit_entries", "status_events"}  # by a column that is not exported


@dataclass(frozen=True, slots=True)
class For:
    """Whom an export is for.

    recipient  the public half of a recovery key
    key        what proves who has written it; see domain.recovery.manifest_key
    """

    recipient: str
    key: bytes


@dataclass(slots=True)
class Written:
    """What an export holds: rows by table, and the places of sealed values that no key opens."""

    made_at: datetime
    counts: dict[str, int] = field(default_factory=dict)
    stuck: list[str] = field(default_factory=list)


def whom(session: Session, sealer: Sealer) -> For:
    """Whom this panel exports for; raises InvalidState while nobody has made a recovery key."""
    key, proves = keys.current(session), keys.manifest_key(session, sealer)
    if key is None or proves is None:
        raise InvalidState("There is no recovery key yet: an owner makes it on the page Recovery.")
    return For(key.recipient, proves)


def write(engine: Engine, sealer: Sealer, whom: For, target: Writer) -> Written:
    """Write all of the panel to `target`, as it is at this moment."""
    written = Written(clock.now())
    with _snapshot(engine) as connection:
        lines = _lines(connection, sealer, whom, written)
        recovery.encrypt(whom.recipient, Packed(lines), target)
    return written


def _snapshot(engine: Engine) -> Connection:
    """Nothing that others commit meanwhile is seen."""
    connection = engine.connect()
    if engine.dialect.name == "postgresql":  # on SQLite every reader has a snapshot of its own
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        connection = connection.execution_options(**options)
    return connection


def _lines(connection: Connection, sealer: Sealer, whom: For, written: Written) -> Iterator[bytes]:
    digest, tables = Digest(), exported()
    counts = {one.name: _count(connection, one) for one in tables}
    first = {
        "format": FORMAT,
        "version": VERSION,
        "panel": panel_version(),
        "revision": connection.scalar(text("SELECT version_num FROM alembic_version")),
        "made_at": written.made_at,
        "counts": counts,
    }
    for one in _all(first, connection, sealer, tables, written):
        digest.take(one)
        yield one
    yield line(digest.end(whom.key, written.counts))


def _all(
    first: dict[str, Any],
    connection: Connection,
    sealer: Sealer,
    tables: list[Exported],
    written: Written,
) -> Iterator[bytes]:
    yield line(first)
    for table in tables:
        written.counts[table.name] = 0
        for row in rows(connection, table):
            written.stuck += opened(table, sealer, row)
            written.counts[table.name] += 1
            yield line({"table": table.name, "row": row})


def _count(connection: Connection, table: Exported) -> int:
    return connection.scalar(select(func.count()).select_from(table.table)) or 0


def rows(connection: Connection, table: Exported) -> Iterator[dict[str, Any]]:
    """Its rows, in the order in which they are numbered; what is sealed is as it stands there."""
    every = select(*(table.table.columns[name] for name in table.columns))
    if table.name in NUMBERED:
        every = every.order_by(table.table.columns["id"])
    found = connection.execute(every, execution_options={"yield_per": ROWS_AT_ONCE})
    for row in found.mappings():
        yield dict(row)
