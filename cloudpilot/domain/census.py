"""What is in the dumps of a backup: how many rows each table has, and what else there is."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from cloudpilot.text import decode

TABLES_KEPT = 2000  # of one database, those with the most rows
LIST_KEPT = 100
TEXT_AT_MOST = 300  # characters
_LISTS = {"definer": "definers", "extension": "extensions"}
_TEXTS = {"engine", "name", "where", "version", "tool"}
_NUMBERS = {"bytes", "tables", "views", "routines", "triggers", "events", "sequences"}
_NUMBERS |= {"rows", "listed"}
_ESCAPE = re.compile(rb"%([0-9A-F]{2})")


def read(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The lines of `engine/remote/census.pl`, a dictionary for each database.

    Its keys: engine, name, where, version, tool; bytes of the dump; how many tables, rows, views,
    routines, triggers, events and sequences; whether rows are exact; definers and extensions;
    rows_by_table, pairs of table and rows, the largest first; and whether all tables are in it.
    What the server says that is none of this is passed over.

    >>> found = read(["D 1", "V engine mariadb", "V name my%20shop", "V rows 7", "V listed 3",
    ...     "T 1 a 2", "T 1 b 5"])
    >>> found[0]["name"], found[0]["rows"], found[0]["rows_by_table"], found[0]["complete"]
    ('my shop', 7, [['b', 5], ['a', 2]], False)
    """
    found: dict[str, dict[str, Any]] = {}
    number = ""
    for line in lines:
        tag, _, rest = line.partition(" ")
        if tag == "D":
            number = rest
            found[number] = {"exact": False, "rows": 0, "rows_by_table": [], "listed": 0}
        elif tag == "V" and number in found:
            _value(found[number], *rest.partition(" ")[::2])
        elif tag == "T":
            of, name, rows = [*rest.split(" "), "", ""][:3]
            if of in found:
                found[of]["rows_by_table"].append([_text(name), _number(rows)])
    return [_kept(database) for database in found.values()]


def _value(database: dict[str, Any], key: str, value: str) -> None:
    if key in _LISTS:
        database.setdefault(_LISTS[key], []).append(_text(value))
    elif key in _TEXTS:
        database[key] = _text(value)
    elif key in _NUMBERS:
        database[key] = _number(value)
    elif key == "exact":
        database[key] = value == "1"


def _kept(database: dict[str, Any]) -> dict[str, Any]:
    """What a row of the panel's database keeps of it."""
    tables: Sequence[list[Any]] = sorted(database["rows_by_table"], key=_most_rows_first)
    database["complete"] = len(tables[:TABLES_KEPT]) == database.pop("listed")
    database["rows_by_table"] = list(tables[:TABLES_KEPT])
    for name in set(_LISTS.values()) & set(database):
        database[name] = database[name][:LIST_KEPT]
    return database


def _most_rows_first(table: list[Any]) -> tuple[int, str]:
    return -table[1], table[0]


def _text(escaped: str) -> str:
    data = _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), escaped.encode())
    return decode(data)[:TEXT_AT_MOST]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
