"""Where the rows of an export go: into the tables of this panel, sealed with its own key."""

from collections.abc import Collection
from typing import Any, Protocol

from sqlalchemy import insert
from sqlalchemy.orm import Session

from cloudpilot.exports.tables import Exported, exported
from cloudpilot.exports.values import read
from cloudpilot.secrets import Sealer

ROWS_AT_ONCE = 500


class Taking(Protocol):
    """What takes the rows of an export, table by table."""

    names: Collection[str]  # of the tables whose rows it takes

    def take(self, name: str, row: Any) -> None:
        """A row as an export has it; raises ExportDamaged."""

    def finish(self) -> None:
        """It was all, and is proven. Raises ExportDamaged."""

    def close(self) -> None:
        """Nothing of it is needed any more, whatever has become of it."""


class Filling:
    """Takes rows of today's tables; the caller commits."""

    def __init__(self, session: Session, sealer: Sealer) -> None:
        self._session, self._sealer = session, sealer
        self._tables = {one.name: one for one in exported()}
        self.names: Collection[str] = self._tables.keys()
        self._waiting: list[dict[str, Any]] = []
        self._of: Exported | None = None

    def take(self, name: str, row: Any) -> None:
        """A row as an export has it; raises ExportDamaged."""
        table = self._tables[name]
        if table is not self._of or len(self._waiting) >= ROWS_AT_ONCE:
            self.finish()
        self._of = table
        self._waiting.append(read(table, self._sealer, row))

    def finish(self) -> None:
        """All that was taken is in the database."""
        if self._of is not None and self._waiting:
            self._session.execute(insert(self._of.rows), self._waiting)
        self._waiting = []

    def close(self) -> None:
        """Nothing was opened."""
