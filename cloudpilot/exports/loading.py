"""Loading an export into an empty panel: all of it, proven, or nothing."""

import json
from contextlib import closing
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select, text, update
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from cloudpilot import clock, recovery
from cloudpilot.domain import beginning
from cloudpilot.domain.people import SetupCode
from cloudpilot.domain.rest import Import
from cloudpilot.errors import ExportDamaged, ExportOfOtherVersion, PanelNotEmpty
from cloudpilot.exports.filling import Filling, Taking
from cloudpilot.exports.lines import FORMAT, VERSION, Digest, Unpacked, panel_version
from cloudpilot.exports.older import Older
from cloudpilot.exports.tables import THERE_BEFORE, exported
from cloudpilot.exports.updating import is_before
from cloudpilot.exports.values import instant
from cloudpilot.recovery import Reader, RecoveryKey
from cloudpilot.secrets import Sealer


def load(session: Session, sealer: Sealer, key: RecoveryKey, source: Reader) -> Import:
    """Put all of an export into this panel, sealed with its own key; it is at rest then.

    The caller commits: what was read is believed only once this returns. Raises PanelNotEmpty,
    RecoveryKeyWrong, ExportDamaged, ExportOfOtherVersion, ExportFailed.
    """
    _claim(session)
    with closing(_Rows(session, sealer, recovery.manifest_key(key.secret))) as rows:
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
        # What is read, and updated elsewhere first, may take its time between two statements.
        session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        session.execute(text("LOCK TABLE people, imports IN EXCLUSIVE MODE"))
    session.execute(update(SetupCode).values(used_at=clock.now()))
    for one in exported():
        if one.name not in THERE_BEFORE and session.scalar(select(exists(one.rows))):
            raise PanelNotEmpty(f"There are {one.name.replace('_', ' ')} in this panel already.")


class _Rows:
    """Takes the lines of an export, and sees that they are all of it."""

    def __init__(self, session: Session, sealer: Sealer, key: bytes) -> None:
        self._session, self._key = session, key
        self._today = Filling(session, sealer)
        self._into: Taking = self._today
        self._first: dict[str, Any] | None = None
        self._counts: dict[str, int] = {}
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
        """It was all, and counts: its first line. Raises ExportDamaged if it was not."""
        if self._first is None or not self._is_over:
            raise ExportDamaged("The last line of the export is missing.")
        self._into.finish()
        return self._first

    def close(self) -> None:
        """Nothing is left of it but what is in the database."""
        self._into.close()

    def _begin(self, value: dict[str, Any]) -> None:
        if value.get("format") != FORMAT:
            raise ExportDamaged("This is no export of a CloudPilot panel.")
        ours = str(self._session.scalar(text("SELECT version_num FROM alembic_version")))
        revision, names = value.get("revision"), value.get("counts")
        is_older = revision != ours and is_before(revision, ours)
        if value.get("version") != VERSION or not (is_older or revision == ours):
            raise ExportOfOtherVersion(
                f"It was made by CloudPilot {value.get('panel')}, whose database is at {revision};"
                f" this is {panel_version()}, at {ours}, and does not know that."
            )
        _at(value.get("made_at"))
        if is_older:
            if not isinstance(names, dict):
                raise ExportDamaged("It does not say what it has.")
            self._into = older = Older(self._today, ours, names.keys())
            older.begin(str(revision))
        self._first, self._counts = value, dict.fromkeys(self._into.names, 0)

    def _row(self, value: dict[str, Any]) -> None:
        name = value.get("table")
        if not isinstance(name, str) or name not in self._counts or "row" not in value:
            raise ExportDamaged("A line of it is no row of a table that panels have.")
        self._into.take(name, value["row"])
        self._counts[name] += 1

    def _end(self, value: dict[str, Any]) -> None:
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
