"""One line of a Check."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cloudpilot.engine.findings import Found

Level = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at.

    remedy  what to do, a command between backquotes; on a line that is well it is a tip
    steady  whether other words at the same level are news: a version is, free space is not
    code    that of the failure which work would end in; docs/errors.md
    """

    key: str
    level: Level
    title: str
    detail: str
    remedy: str = ""
    steady: bool = True
    code: str = ""


Ask = Callable[[Found], Line | None]  # None: there is nothing to say about this server
