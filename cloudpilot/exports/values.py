"""What a row is as JSON, and back. Who reads an export may not trust what is in it."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Boolean, ColumnClause, Enum, Integer, TableClause, Uuid
from sqlalchemy.orm import DeclarativeBase

from cloudpilot.db import UtcDateTime
from cloudpilot.errors import ExportDamaged
from cloudpilot.exports.sealed import Sealed
from cloudpilot.exports.tables import Exported
from cloudpilot.secrets import CannotOpenError, Sealer, Secret

# How a value is written that was sealed: in clear, or as it was if no key opens it.
CLEAR, SEALED = "clear", "sealed"


def plain(value: object) -> object:
    """What JSON writes of something that it does not know."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is in no column that we export")


def opened(exported: Exported, sealer: Sealer, row: dict[str, Any]) -> list[str]:
    """Put what is sealed in `row` into clear; returns the places of what no key opens."""
    stuck = []
    for name, sealed in exported.sealed.items():
        if not row[name]:
            continue  # it was removed
        place = _place(sealed, row["id"])
        try:
            row[name] = {CLEAR: sealer.open(row[name], place).reveal()}
        except CannotOpenError:
            row[name] = {SEALED: row[name]}
            stuck.append(place)
    return stuck


def read(exported: Exported, sealer: Sealer, row: Any) -> dict[str, Any]:
    """The columns of a row that was exported, sealed anew; raises ExportDamaged."""
    values = typed(exported.rows, row, exported.sealed)
    for name, sealed in exported.sealed.items():
        values[name] = _sealed(sealer, _place(sealed, values["id"]), row[name])
    return values


def typed(rows: TableClause, row: Any, but: Collection[str] = ()) -> dict[str, Any]:
    """The columns of a row as a database takes them, without those of `but`; raises
    ExportDamaged."""
    if not isinstance(row, dict) or set(row) != set(rows.columns.keys()):
        raise ExportDamaged(f"A row of {rows.name} has other columns than it should.")
    return {
        one.name: _value(rows.name, one, row[one.name])
        for one in rows.columns
        if one.name not in but
    }


def _value(table: str, column: ColumnClause[Any], value: Any) -> Any:
    if value is None or isinstance(column.type, JSON):
        return _without_nul(table, column, value)
    try:
        return _typed(column.type, value)
    except (TypeError, ValueError) as error:
        raise ExportDamaged(f"A row of {table} has a {column.name} that cannot be.") from error


def _typed(kind: Any, value: Any) -> Any:
    if isinstance(kind, Uuid):
        return UUID(_text(value))
    if isinstance(kind, UtcDateTime):
        return instant(value)
    if isinstance(kind, Enum):
        enumeration: Any = kind.enum_class
        return enumeration(value)
    wanted = bool if isinstance(kind, Boolean) else int if isinstance(kind, Integer) else None
    if wanted and type(value) is not wanted:
        raise TypeError(value)
    return value if wanted else _text(value)


def instant(value: str) -> datetime:
    """Raises TypeError, ValueError."""
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError("It does not say which zone.")
    return at


def _text(value: object) -> str:
    """What every database takes: no NUL, nothing that is no character."""
    if not isinstance(value, str):
        raise TypeError(value)
    if "\x00" in value:
        raise ValueError("There is a NUL in it.")
    value.encode()
    return value


def _without_nul(table: str, column: ColumnClause[Any], value: Any) -> Any:
    """PostgreSQL keeps a NUL in JSON and cannot read it again."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str) and "\x00" in one:
            raise ExportDamaged(f"A row of {table} has a NUL in {column.name}.")
        if isinstance(one, dict):
            left += [*one, *one.values()]
        if isinstance(one, list):
            left += one
    return value


def _sealed(sealer: Sealer, place: str, value: Any) -> str | None:
    if not value:
        return None if value is None else ""
    match value:
        case {"clear": str(text)}:
            return sealer.seal(Secret(text), place)
        case {"sealed": str(text)}:
            return text
    raise ExportDamaged(f"{place} is neither in clear nor sealed.")


def _place(sealed: Sealed, row_id: UUID) -> str:
    row: DeclarativeBase = sealed.table(id=row_id)
    return sealed.place(row)
