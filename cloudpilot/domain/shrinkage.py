"""Dumps that are far smaller than they used to be: a dump may succeed and be empty. Pure."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from cloudpilot.kinds import Engine
from cloudpilot.sizes import human_bytes

COMPARED = 5  # earlier dumps of a database
LOOKED_AT = 10  # earlier backups: one that was added or taken out meanwhile is not in all of them

Dumped = Mapping[str, Any]  # see census.read


def warnings(earlier: Sequence[Sequence[Dumped]], now: Sequence[Dumped]) -> list[str]:
    """A sentence for each database whose dump is less than half as large as it used to be, or
    that has no rows where it had some.

    earlier  what was in the dumps of the backups before, the newest first
    """
    sentences = []
    for dumped in now:
        before = [one for backup in earlier for one in backup if _key(one) == _key(dumped)]
        found = _judged(dumped, before[:COMPARED])
        sentences += [f"{_called(dumped)} {found}."] if found else []
    return sentences


def _judged(dumped: Dumped, before: Sequence[Dumped]) -> str:
    """What is wrong with it; nothing if all is well or there is nothing to compare it with."""
    usual = int(median([one.get("bytes", 0) for one in before])) if before else 0
    count = "one" if len(before) == 1 else f"{len(before)}"
    was = "was" if len(before) == 1 else "were"
    if dumped.get("bytes", 0) * 2 < usual:
        size = human_bytes(dumped.get("bytes", 0))
        return f"is {size}; the last {count} {was} about {human_bytes(usual)}"
    rows = max((one.get("rows", 0) for one in before[:1]), default=0)
    # What was not counted row by row may be any number.
    if dumped.get("exact") and not dumped.get("rows") and rows:
        return f"has no rows; the last one had {rows:,} {'row' if rows == 1 else 'rows'}"
    return ""


def _key(dumped: Dumped) -> tuple[Any, ...]:
    return dumped.get("engine"), dumped.get("where"), dumped.get("name")


def _called(dumped: Dumped) -> str:
    """
    >>> _called({"engine": "mysql", "name": "shop", "where": "db:3306"})
    'The dump of shop (MySQL at db:3306)'
    """
    engine = dumped.get("engine", "")
    brand = Engine(engine).brand if engine in set(Engine) else "database"
    return f"The dump of {dumped.get('name', '')} ({brand} at {dumped.get('where', '')})"
