"""What lies in a server's backup directories, and how large it is; see folders.sh, weigh.sh."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cloudpilot.engine.answers import number
from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.packages import command
from cloudpilot.engine.program import Program
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed
from cloudpilot.sizes import human_bytes
from cloudpilot.text import decode, lines

SECONDS = 12  # for each of two questions; the scripts stop themselves after some 5
WEIGHED_AT_MOST = 2000  # folders of one question
NAMED = 3  # folders in a sentence
KEY, TITLE = "orphans", "Orphans"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOOK_FIRST = (
    "Look what is in them: after the panel's own database was restored they may be good backups."
    " CloudPilot deletes none of them."
)

Kind = Literal["backup", "schedule"]
KINDS: tuple[Kind, ...] = ("backup", "schedule")


@dataclass(frozen=True, slots=True)
class Folder:
    """One that has an id for a name.

    kind  whose: a backup's, or what a schedule has its increments continue
    age   seconds since something in it came or went, by the server's clock
    """

    root: str
    kind: Kind
    id: str
    age: int

    @property
    def path(self) -> str:
        """Where it is on its server."""
        between = "" if self.kind == "backup" else "/state"
        return f"{self.root.rstrip('/')}{between}/{self.id}"


@dataclass(slots=True)
class Lying:
    """What lies in backup directories.

    others  how much that has no id for a name; such names are not even asked for
    unseen  directories that could not be looked at, or not to the end
    cut     whether there are more folders than these
    """

    folders: list[Folder] = field(default_factory=list)
    others: int = 0
    unseen: list[str] = field(default_factory=list)
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Weight:
    """How much room folders take: `size` in bytes, at least that unless it is `whole`."""

    size: int = 0
    whole: bool = True


def lying(session: Session, roots: Sequence[str]) -> Lying:
    """What lies there; changes nothing. Raises CommandFailed if the answer is not whole."""
    return understood(session.run(Program("folders", tuple(roots)), timeout=SECONDS), roots)


def understood(answer: bytes, roots: Sequence[str]) -> Lying:
    """The answer of folders.sh about these; raises CommandFailed if it is not whole.

    >>> said = b"now 90\\nbackup 0 30.5 0b7d6f3e-1111-2222-3333-444444444444\\nother 0 2\\nend\\n"
    >>> found = understood(said, ["/srv/b"])
    >>> found.folders[0].path, found.folders[0].age, found.others
    ('/srv/b/0b7d6f3e-1111-2222-3333-444444444444', 60, 2)
    """
    said = lines(decode(answer, limit=len(answer)))
    now = next((number(line[4:]) for line in said if line.startswith("now ")), None)
    if now is None or "end" not in said:
        raise CommandFailed("The server's answer about its backup directories is not whole.")
    found = Lying(cut="cut" in said)
    for line in said:
        word, at, what, name = (*line.split(" ", 3), "", "", "")[:4]
        place = number(at)
        if place is not None and place < len(roots):
            _add(found, word, roots[place], what, (name, now))
    return found


def _add(found: Lying, word: str, root: str, what: str, named: tuple[str, int]) -> None:
    name, now = named
    count = number(what.partition(".")[0])
    kind = next((one for one in KINDS if one == word), None)
    if word == "unseen" and root not in found.unseen:
        found.unseen.append(root)
    elif word == "other":
        found.others += count or 0
    elif kind and count is not None and _ID.fullmatch(name):
        found.folders.append(Folder(root, kind, name, now - count))


def weighed(session: Session, folders: Sequence[Folder]) -> Weight:
    """How much room they take, as far as there is time to add it up; changes nothing.

    Raises CommandFailed if the answer is not whole.
    """
    if not folders:
        return Weight()
    paths = tuple(folder.path for folder in folders[:WEIGHED_AT_MOST])
    answer = session.run(Program("weigh", paths), timeout=SECONDS)
    said = lines(decode(answer, limit=len(answer)))
    if "end" not in said:
        raise CommandFailed("The server's answer about the size of folders is not whole.")
    sizes = (number(line[6:]) for line in said if line.startswith("bytes "))
    return Weight(sum(filter(None, sizes)), "whole" in said and len(paths) == len(folders))


def line(
    orphans: Sequence[Folder], elsewhere: Collection[str], seen: Lying, weight: Weight
) -> Line:
    """What a Check says of folders that no row knows.

    elsewhere  ids of those of them that the panel knows as being on another server: they may
               have been left there on purpose, so no command is offered for them
    weight     of all orphans
    """
    beside = _beside(seen)
    if not orphans:
        detail = f"Every folder there of a backup or schedule is known.{beside}"
        return Line(KEY, "ok", TITLE, detail, steady=False)
    detail = f"{_of(orphans, weight)}{_known_elsewhere(orphans, elsewhere)}{beside}"
    return Line(KEY, "warning", TITLE, detail, _remedy(orphans, elsewhere), steady=False)


def unanswered() -> Line:
    """What a Check says if the server's answer makes no sense."""
    detail = "The server's answer about its backup directories cannot be understood."
    return Line(KEY, "warning", TITLE, detail, "Check again.", steady=False)


def _of(orphans: Sequence[Folder], weight: Weight) -> str:
    one = len(orphans) == 1
    named = ", ".join(folder.path for folder in orphans[:NAMED])
    more = len(orphans) - NAMED
    size = f"{'' if weight.whole else 'at least '}{human_bytes(weight.size)}"
    return (
        f"{len(orphans):,} {'folder' if one else 'folders'} with {size}"
        f" {'belongs' if one else 'belong'} to no backup and no schedule that the panel knows:"
        f" {named}{f' and {more:,} more' if more > 0 else ''}."
    )


def _known_elsewhere(orphans: Sequence[Folder], elsewhere: Collection[str]) -> str:
    count = sum(1 for folder in orphans if _is_elsewhere(folder, elsewhere))
    if not count:
        return ""
    are = "is of a backup" if count == 1 else "are of backups"
    return (
        f" Of them {count:,} {are} that the panel knows on another server, or on this one"
        " as it was called before CloudPilot was removed from it."
    )


def _beside(seen: Lying) -> str:
    unseen = ", ".join(seen.unseen[:NAMED])
    said = (
        f"{seen.others:,} other {'thing' if seen.others == 1 else 'things'} there"
        f" {'has' if seen.others == 1 else 'have'} no name of CloudPilot's."
        if seen.others
        else "",
        f"Not all of {unseen} could be looked at." if unseen else "",
        "There are more than were looked at." if seen.cut else "",
    )
    return "".join(f" {sentence}" for sentence in said if sentence)


def _remedy(orphans: Sequence[Folder], elsewhere: Collection[str]) -> str:
    free = [folder for folder in orphans if not _is_elsewhere(folder, elsewhere)]
    by_hand = command("rm", "-rf", *(folder.path for folder in free[:NAMED])) if free else ""
    if not by_hand:
        return f"{_LOOK_FIRST} Remove by hand what nobody needs."
    return f"{_LOOK_FIRST} What nobody needs can be removed by hand: {by_hand}"


def _is_elsewhere(folder: Folder, elsewhere: Collection[str]) -> bool:
    return folder.kind == "backup" and folder.id in elsewhere
