"""Whether archives are still where they were put, of the size that they had; see presence.sh."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cloudpilot.engine.answers import number
from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.program import Program
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed
from cloudpilot.text import decode, lines

SECONDS = 14  # a job has 40 for all of it; the script itself stops after some 10
TITLE = "Stored archives"

How = Literal["there", "size", "absent", "root", "unknown"]
HOWS: tuple[How, ...] = ("there", "size", "absent", "root")


@dataclass(frozen=True, slots=True)
class Archive:
    """One that was stored: `size` in bytes."""

    root: str
    backup_id: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What the server says of an archive: `size` is what it is now, where it is another one.

    how  "root": its backup directory is not there, or holds nothing of what was looked for
    """

    archive: Archive
    how: How
    size: int | None = None

    @property
    def why(self) -> str | None:
        """Why it counts as missing; None if it does not."""
        was = self.archive
        return {
            "absent": f"It is not in {was.root} any more.",
            "size": f"It has {self.size or 0:,} bytes; {was.size:,} were written.",
            "root": f"Nothing is left in {was.root}: is its disk mounted?",
        }.get(self.how)


def look(session: Session, archives: Sequence[Archive]) -> list[Seen]:
    """What the server says of each, in their order; changes nothing there, reads no archive.

    Raises CommandFailed if its answer is not whole.
    """
    words = [
        word for one in archives for word in (one.root, one.backup_id, one.name, str(one.size))
    ]
    answer = session.run(Program("presence", tuple(words)), timeout=SECONDS)
    said: dict[int, tuple[How, int | None]] = {}
    found = lines(decode(answer, limit=len(answer)))
    for line in found:
        how, at, size = (*line.split(" "), "", "")[:3]
        known = [one for one in HOWS if one == how]
        if known and (place := number(at)) is not None:
            said[place] = known[0], number(size)
    if "end" not in found:
        raise CommandFailed("The server's answer about its archives is not whole.")
    return [Seen(one, *said.get(at, ("unknown", None))) for at, one in enumerate(archives)]


def line(seen: Sequence[Seen]) -> Line | None:
    """What a Check says of them; None where nothing was ever stored."""
    lost = [one for one in seen if one.why]
    unknown = sum(1 for one in seen if one.how == "unknown")
    if not seen:
        return None
    if lost:
        return Line("archives", "failed", TITLE, _of(lost, len(seen)), _remedy(lost))
    if unknown:
        detail = f"{unknown:,} of {len(seen):,} could not be looked for."
        remedy = "See that the backup directory can be entered, then check again."
        return Line("archives", "warning", TITLE, detail, remedy)
    detail = f"All {len(seen):,} are there, of the size that they had."
    return Line("archives", "ok", TITLE, detail, steady=False)


def unanswered() -> Line:
    """What a Check says if the server's answer makes no sense."""
    detail = "The server's answer about them cannot be understood."
    return Line("archives", "warning", TITLE, detail, "Check again.")


def _of(lost: Sequence[Seen], asked: int) -> str:
    roots = sorted({one.archive.root for one in lost if one.how == "root"})
    absent = sum(1 for one in lost if one.how == "absent")
    other = sum(1 for one in lost if one.how == "size")
    parts = [
        *(f"nothing is left in {root}" for root in roots),
        f"{absent:,} {_are(absent)} not there any more" if absent else "",
        f"{other:,} {_are(other)} of another size than was written" if other else "",
    ]
    said = ", ".join(part for part in parts if part)
    return f"{len(lost):,} of {asked:,} that were looked for are missing: {said}."


def _remedy(lost: Sequence[Seen]) -> str:
    if any(one.how == "root" for one in lost):
        return "Mount the disk that holds them, then check again."
    return "See what removes them, and make new backups."


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
