"""Loading an export into an empty panel: all of it, proven, or nothing."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import exists, insert, select, text, update
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from cloudpilot import clock, recovery
from cloudpilot.domain import beginning
from cloudpilot.domain.people import SetupCode
from cloudpilot.domain.rest import Import
from cloudpilot.errors import ExportDamaged, ExportOfOtherVersion, PanelNotEmpty
from cloudpilot.exports.lines import FORMAT, VERSION, Digest, Unpacked, panel_version
from cloudpilot.exports.tables import THERE_BEFORE, Exported, exported
from cloudpilot.exports.values import instant, read
from cloudpilot.recovery import Reader, RecoveryKey
from cloudpilot.secrets import Sealer

ROWS_AT_ONCE = 500


def load(session: Session, sealer: Sealer, key: RecoveryKey, source: Reader) -> Import:
    """Put all of an export into this panel, sealed with its own key; it is at rest then.

    The caller commits: what was read is believed only once this returns. Raises PanelNotEmpty,
    RecoveryKeyWrong, ExportDamaged, ExportOfOtherVersion.
    """
    _claim(session)
    rows = _Rows(session, sealer, recovery.manifest_key(key.secret))
    unpacked = Unpacked(rows.take)
    try:
        recovery.decrypt(key.secret, source, unpacked)
        unpacked.finish()
        first = rows.finish()
    except (IntegrityError, DataError, OverflowError) as error:
        raise ExportDamaged("The rows of the export do not belong together.") from error
    return beginning.take_over(session, _at(first["made_at"]), str(first["panel"]))


def _claim(session: Session) -> None:
    """This panel is empty, and nobody else fills it or becomes its owner meanwhile."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE people, imports IN EXCLUSIVE MODE"))
    session.execute(update(SetupCode).values(used_at=clock.now()))
    for one in exported():
        if one.name not in THERE_BEFORE and session.scalar(select(exists(one.rows))):
            raise PanelNotEmpty(f"There are {one.name.replace('_', ' ')} in this panel already.")


class _Rows:
    """Takes the lines of an export and puts them into the database."""

    def __init__(self, session: Session, sealer: Sealer, key: bytes) -> None:
        self._session, self._sealer, self._key = session, sealer, key
        self._first: dict[str, Any] | None = None
        self._tables = {one.name: one for one in exported()}
        self._counts = dict.fromkeys(self._tables, 0)
        self._waiting: list[dict[str, Any]] = []
        self._of: Exported | None = None
        self._digest, self._is_over = Digest(), False

    def take(self, one: bytes) -> None:
        """A line, without its end."""
        if self._is_over:
            raise ExportDamaged("There is more after the last line of the export.")
        value = _parsed(one)
        if self._first is not None and "end" in value:
            self._end(value)
            return
        self._digest.take(one + b"\n")
        if self._first is None:
            self._begin(value)
        else:
            self._row(value)

    def finish(self) -> dict[str, Any]:
        """It was all: its first line. Raises ExportDamaged if it was not."""
        if self._first is None or not self._is_over:
            raise ExportDamaged("The last line of the export is missing.")
        return self._first

    def _begin(self, value: dict[str, Any]) -> None:
        if value.get("format") != FORMAT:
            raise ExportDamaged("This is no export of a CloudPilot panel.")
        ours = self._session.scalar(text("SELECT version_num FROM alembic_version"))
        if value.get("version") != VERSION or value.get("revision") != ours:
            raise ExportOfOtherVersion(
                f"It was made by CloudPilot {value.get('panel')}, whose database is at"
                f" {value.get('revision')}; this is {panel_version()}, at {ours}."
            )
        _at(value.get("made_at"))
        self._first = value

    def _row(self, value: dict[str, Any]) -> None:
        table = self._tables.get(str(value.get("table")))
        if table is None or "row" not in value:
            raise ExportDamaged("A line of it is no row of a table that panels have.")
        if table is not self._of or len(self._waiting) >= ROWS_AT_ONCE:
            self._insert()
        self._of = table
        self._waiting.append(read(table, self._sealer, value["row"]))
        self._counts[table.name] += 1

    def _insert(self) -> None:
        if self._of is not None and self._waiting:
            self._session.execute(insert(self._of.rows), self._waiting)
        self._waiting = []

    def _end(self, value: dict[str, Any]) -> None:
        self._insert()
        if value != self._digest.end(self._key, self._counts):
            raise ExportDamaged("Its last line does not fit what came before it.")
        if self._first is None or self._first.get("counts") != self._counts:
            raise ExportDamaged("It has more or fewer rows than its first line says.")
        self._is_over = True


def _parsed(one: bytes) -> dict[str, Any]:
    try:
        value = json.loads(one)
    except (ValueError, RecursionError) as error:
        raise ExportDamaged("A line of it is no JSON.") from error
    if not isinstance(value, dict):
        raise ExportDamaged("A line of it is no JSON object.")
    return value


def _at(value: Any) -> datetime:
    try:
        return instant(value)
    except (TypeError, ValueError) as error:
        raise ExportDamaged("It does not say when it was made.") from error
