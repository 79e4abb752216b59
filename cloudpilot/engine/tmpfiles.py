"""What systemd-tmpfiles will do to a folder: it removes what is old and empties some at boot."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cloudpilot.excludes import is_inside

SECONDS = {
    "us": 1e-6,
    "ms": 1e-3,
    "": 1.0,
    "s": 1.0,
    "sec": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "w": 604800.0,
    "week": 604800.0,
    "month": 2629800.0,
    "y": 31557600.0,
    "year": 31557600.0,
}
_AGED = "dDevqQ"  # kinds of lines whose age counts
_PART = re.compile(r"\s*([0-9.]+)\s*([a-z]*)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line: `D! /tmp 1777 root root 10d` is kind D, for /tmp, age 10 days."""

    kind: str
    path: str
    age: float | None  # seconds; None: never


def in_force(files: Iterable[tuple[str, Sequence[str]]]) -> list[Rule]:
    """The rules that count, of files as (path, lines), those of /etc before /run and /usr/lib.

    A file hides those of the same name that come later; of several lines for one path the first
    in the order of the files' names counts.

    >>> in_force([("/etc/tmpfiles.d/tmp.conf", []), ("/usr/lib/tmpfiles.d/tmp.conf", ["D /tmp"])])
    []
    """
    by_name: dict[str, Sequence[str]] = {}
    for path, lines in files:
        by_name.setdefault(path.rsplit("/", 1)[-1], lines)
    found: dict[tuple[str, bool], Rule] = {}
    for name in sorted(by_name):
        for line in by_name[name]:
            if rule := _rule(line):
                found.setdefault((rule.path, rule.kind in "xX"), rule)
    return list(found.values())


def fate(rules: Sequence[Rule], folder: str) -> tuple[bool, float | None]:
    """Whether `folder` is emptied at boot, and the age in seconds at which its files are removed.

    `x` spares what grows old, not what is emptied at boot; `X` spares a folder without its files.

    >>> fate(in_force([("/usr/lib/tmpfiles.d/tmp.conf", ["q /tmp 1777 root root 10d"])]), "/tmp/b")
    (False, 864000.0)
    """
    spared = any(rule.kind == "x" and _spares(rule, folder) for rule in rules)
    above = [rule for rule in rules if is_inside(folder, rule.path)]
    emptied = any(_empties(rule, folder) for rule in rules)
    nearest = max(
        (rule for rule in above if rule.kind in _AGED),
        key=lambda rule: len(rule.path),
        default=None,
    )
    return emptied, nearest.age if nearest and not spared else None


def _empties(rule: Rule, folder: str) -> bool:
    if rule.kind == "D":
        return is_inside(folder, rule.path)
    return rule.kind == "R" and any(fnmatchcase(part, rule.path) for part in _upwards(folder))


def _spares(rule: Rule, folder: str) -> bool:
    return any(fnmatchcase(part, rule.path) for part in _upwards(folder))


def _upwards(folder: str) -> list[str]:
    parts = folder.split("/")
    return ["/".join(parts[:length]) for length in range(len(parts), 1, -1)]


def _rule(line: str) -> Rule | None:
    words = line.split()
    if len(words) < 2 or not words[1].startswith("/"):
        return None
    age = words[5] if len(words) > 5 else "-"
    return Rule(words[0][0], words[1].strip('"').rstrip("/") or "/", seconds(age))


def seconds(age: str) -> float | None:
    """The age of a rule; None if it has none.

    >>> seconds("10d"), seconds("~1w2d"), seconds("abm:12h"), seconds("-"), seconds("odd")
    (864000.0, 777600.0, 43200.0, None, None)
    """
    text = age.rsplit(":", 1)[-1].removeprefix("~")
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    try:
        return sum(float(number) * SECONDS[unit] for number, unit in parts)
    except (KeyError, ValueError):
        return None
