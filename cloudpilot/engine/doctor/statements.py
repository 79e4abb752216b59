"""What is judged of a database server, and the statements that its administrator may paste."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.inspected import shown
from cloudpilot.errors import DbNotFound, InvalidConfig

NAMES_SHOWN = 10
PASSWORD = "the password"  # noqa: S105  (in its place: nobody is shown it)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which databases are backed up: these, or all that there are but these."""

    names: tuple[str, ...]
    all_but: bool = False

    def has(self, name: str) -> bool:
        """Whether this one is."""
        return (name in self.names) is not self.all_but


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement to paste.

    database   where it has to be run; "": anywhere
    what       what it is for, in words
    statement  with its semicolon; it can be pasted as it is
    """

    database: str
    what: str
    statement: str


@dataclass(slots=True)
class Judgement:
    """Everything there is to say about a server that lets us in."""

    version: str
    flavour: str
    databases: list[dict[str, Any]]
    lines: list[Line]
    statements: list[Statement]


def pasted(what: str, make: Callable[..., str], *names: str, database: str = "") -> list[Statement]:
    """A statement, or none at all where a name in it cannot be pasted.

    make  called with `names`, puts the statement together
    """
    try:
        return [Statement(shown(database), what, make(*names))]
    except InvalidConfig:
        return []


def listed(names: Iterable[str], total: int = 0) -> str:
    """Some names for a sentence, and how many more there are.

    total  how many there are, where `names` are not all of them

    >>> listed(["b", "a"]), listed(map(str, range(12))), listed(["a"], 1200)
    ('b, a', '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more', 'a and 1,199 more')
    """
    every = [shown(name) for name in names]
    more = max(total, len(every)) - min(NAMES_SHOWN, len(every))
    text = ", ".join(every[:NAMES_SHOWN])
    return f"{text} and {more:,} more" if more > 0 else text


def selected(selection: Selection, there: Sequence[str]) -> tuple[list[str], Line]:
    """Those that are backed up, of those that are there; and what there is to say about that.

    What was excluded and is gone is no fault, and neither is it of use.
    """
    chosen = [name for name in there if selection.has(name)]
    gone = [] if selection.all_but else [name for name in selection.names if name not in there]
    if gone:
        detail = f"Not there, or hidden from this user: {listed(gone)}."
        remedy = f"{DbNotFound.remedy} If they are there, paste the statements that are shown."
        return chosen, _failed(detail, remedy)
    if not chosen:
        detail = "There is none to back up, or this user may see none."
        return chosen, _failed(detail, "See the names, and what this user may read.")
    return chosen, Line(
        "databases", "ok", "Databases", f"Backed up: {listed(chosen)}.", steady=True
    )


def _failed(detail: str, remedy: str) -> Line:
    return Line("databases", "failed", "Databases", detail, remedy, code=DbNotFound.code)
