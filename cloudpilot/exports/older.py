"""An export by an older version: its rows wait in a database of their own revision, which is then
updated, and come out as rows of today.

What was sealed is in clear in an export, and reaches no disk: it stays in memory, and a word that
says nothing goes through the migrations in its place.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from sqlalchemy import JSON, TableClause, column, insert, table
from sqlalchemy.exc import OperationalError

from cloudpilot.errors import ExportDamaged, ExportFailed
from cloudpilot.exports import updating, writing
from cloudpilot.exports.filling import ROWS_AT_ONCE, Filling
from cloudpilot.exports.lines import line
from cloudpilot.exports.tables import Exported, exported
from cloudpilot.exports.values import typed


class Older:
    """Takes rows of the tables of an older revision.

    into   takes those of today, at the revision `ours`
    names  the tables that the export says it has
    """

    def __init__(self, into: Filling, ours: str, names: Collection[str]) -> None:
        self._into, self._ours, self.names = into, ours, names
        self._tables: dict[str, TableClause] = {}
        self._waiting: list[dict[str, Any]] = []
        self._of: TableClause | None = None
        self._secrets: dict[str, Any] = {}  # by the words in their places
        self._connection = updating.nameless()
        self._columns: dict[str, Mapping[str, Any]] = {}

    def begin(self, revision: str) -> None:
        """They are of that one. Raises ExportFailed."""
        with self._told():
            updating.update(self._connection, revision)
            self._columns = updating.columns(self._connection)

    def take(self, name: str, row: Any) -> None:
        """A row as an export has it; raises ExportDamaged, ExportFailed."""
        if not isinstance(row, dict) or not set(row) <= set(self._columns.get(name, ())):
            raise ExportDamaged(f"A row of {name} has other columns than it should.")
        rows = self._tables.setdefault(name, self._rows(name, row))
        if rows is not self._of or len(self._waiting) >= ROWS_AT_ONCE:
            self._insert()
        self._of = rows
        self._waiting.append(typed(rows, self._without_secrets(rows, row)))

    def finish(self) -> None:
        """All of them, as they are today, are handed over. Raises ExportDamaged, ExportFailed."""
        self._insert()
        self._connection.commit()
        with self._told():
            updating.update(self._connection, self._ours)
        for one in exported():
            for row in self._today(one):
                self._into.take(one.name, row)
        self._into.finish()

    def close(self) -> None:
        """The database is gone."""
        self._connection.close()
        self._connection.engine.dispose()

    def _rows(self, name: str, row: dict[str, Any]) -> TableClause:
        """Which columns are exported of a table by that version its first row says."""
        return table(name, *(column(one, self._columns[name][one]) for one in row))

    def _without_secrets(self, rows: TableClause, row: dict[str, Any]) -> dict[str, Any]:
        """What is a mapping and no JSON is the value of something that was sealed."""
        left = dict(row)
        for one in rows.columns:
            if isinstance(row.get(one.name), dict) and not isinstance(one.type, JSON):
                left[one.name] = word = f"sealed-{uuid4().hex}"
                self._secrets[word] = row[one.name]
        return left

    def _today(self, of: Exported) -> Iterator[dict[str, Any]]:
        try:
            for row in writing.rows(self._connection, of):
                yield {name: self._with_secret(value) for name, value in _plain(row).items()}
        except LookupError as error:
            raise ExportDamaged(f"A row of {of.name} has a word that cannot be.") from error

    def _with_secret(self, value: Any) -> Any:
        return self._secrets.get(value, value) if isinstance(value, str) else value

    def _insert(self) -> None:
        if self._of is not None and self._waiting:
            with self._told():
                self._connection.execute(insert(self._of), self._waiting)
        self._waiting = []

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise ExportFailed(f"The export could not be updated: {error.orig}.") from error


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as an export has it."""
    return dict(json.loads(line(row)))
