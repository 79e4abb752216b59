"""The words that all parts share: how is the work going, and what has a check found?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cloudpilot.errors import CloudPilotError


@dataclass(frozen=True, slots=True)
class Report:
    """What a run's work says about itself at one look."""

    stage: str = ""  # what it is at: "measure", "archive", …
    done: int = 0  # bytes of this stage
    total: int | None = None  # bytes; None while unknown
    log: str = ""  # its last lines, safe to show
    over: bool = False
    ended_ago: int = 0  # seconds since then, by the clock of who has done it; 0 while unknown
    error: CloudPilotError | None = None  # why it failed; only when over
    result: Mapping[str, str] = field(default_factory=dict)  # counts, sizes, names; only when over
    census: tuple[str, ...] = ()  # what is in its dumps, as census.pl says it; only when over
    warnings: tuple[str, ...] = ()  # what was left out or changed meanwhile, one sentence each
    wants: tuple[tuple[str, int], ...] = ()  # item and first part that lacks a signed request
    never_started: bool = False  # there is nothing of it at the server


class Grade(StrEnum):
    """How a line of a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One thing that a check has looked at: a sentence, and what to do if it is not ok."""

    about: str
    grade: Grade
    sentence: str
    remedy: str = ""
    code: str = ""  # of the failure, if it is one of the catalogue
