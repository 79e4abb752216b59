"""What is new in the lines of a Check, compared with those of the one before. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

RANK: Mapping[str | None, int] = {None: 0, "ok": 0, "warning": 1, "failed": 2}

Lines = Sequence[Mapping[str, Any]]
Changes = list[dict[str, Any]]


def compare(before: Lines | None, after: Lines) -> Changes:
    """What is new in the lines of a Check; nothing at the first one, where `before` is None.

    A line counts as changed when its level has, or when its words have and they are `steady`:
    a version is, free space is not. One that comes or goes counts unless it is well.

    >>> tar = {"key": "tar", "title": "tar", "level": "ok", "detail": "1.34", "remedy": ""}
    >>> [change["after"] for change in compare([tar], [tar | {"level": "failed"}])]
    ['failed']
    """
    if before is None:
        return []
    old = {line["key"]: line for line in before}
    new = {line["key"]: line for line in after}
    pairs = [(old.get(key), new.get(key)) for key in {**new, **old}]
    return [_change(was, now) for was, now in pairs if _differs(was, now)]


def is_worse(change: Mapping[str, Any]) -> bool:
    """Whether the level has gone down."""
    return RANK[change["after"]] > RANK[change["before"]]


def is_better(change: Mapping[str, Any]) -> bool:
    """Whether the level has gone up."""
    return RANK[change["after"]] < RANK[change["before"]]


def _differs(was: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> bool:
    before, after = _level(was), _level(now)
    if was is None or now is None:
        return RANK[before] != RANK[after]
    steady = now.get("steady", False) and was.get("steady", False)
    return before != after or (steady and was["detail"] != now["detail"])


def _change(was: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> dict[str, Any]:
    line = now or was or {}
    return {
        "key": line["key"],
        "title": line["title"],
        "before": _level(was),
        "after": _level(now),
        "was": was["detail"] if was else "",
        "detail": now["detail"] if now else "",
        "remedy": now["remedy"] if now else "",
    }


def _level(line: Mapping[str, Any] | None) -> str | None:
    return line["level"] if line else None
