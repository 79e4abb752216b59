"""What a site's exclude patterns leave out, and what is large of the rest: tar itself decides."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cloudpilot.engine import findings
from cloudpilot.engine.findings import numbers
from cloudpilot.engine.program import Program, quoted_words, source
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed
from cloudpilot.excludes import distinct, options
from cloudpilot.kinds import Privilege
from cloudpilot.text import decode, lines

SECONDS = 32  # a job has 40 for all of it; the script stops itself after some 27
NAME_AT_MOST = 500  # characters of a name that is shown


@dataclass(frozen=True)
class Question(Program):
    """Counts what a site of `paths` with these patterns holds and leaves out; see preview.sh."""

    name: str = "preview"
    paths: Sequence[str] = ()
    patterns: Sequence[str] = ()
    backup_root: str = "/"
    privilege: Privilege = Privilege.PLAIN

    def text(self) -> bytes:
        """As Program.text: all of it in one function."""
        paths = distinct(self.paths)
        each = [options([pattern], paths) for pattern in self.patterns]
        lengths = tuple(str(len(words)) for words in each)
        parts = (
            b"cloudpilot_main() {",
            _array("paths", paths),
            _array("user_excludes", options(self.patterns, paths)),
            _array("pattern_words", tuple(word for words in each for word in words)),
            _array("pattern_lengths", lengths),
            quoted_words("declare", (f"backup_root={self.backup_root}",)),
            quoted_words("declare", (f"privilege={self.privilege.value}",)),
            *(source(f"{name}.sh") for name in ("words", "ending", "common", "rights", "measure")),
            b"preview_perl() {\ncat <<'CLOUDPILOT_PERL'",
            source("preview.pl") + b"CLOUDPILOT_PERL\n}",
            source("preview.sh"),
            b"}\ncloudpilot_main </dev/null\nexit\n",
        )
        return b"\n".join(parts)


@dataclass(slots=True)
class _Counted:
    """The answer, by its words."""

    sums: dict[str, list[int]] = field(default_factory=dict)
    by_pattern: dict[int, dict[str, Any]] = field(default_factory=dict)
    folders: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    locked: int | None = None
    whole: bool = False


def ask(session: Session, question: Question) -> dict[str, Any]:
    """What the server has counted; see `understood`. Takes up to SECONDS; changes nothing there.

    Raises what a backup of these paths would fail with (PathMissing, …), and CommandFailed.
    """
    return understood(session.run(question, timeout=SECONDS), question.patterns)


def understood(answer: bytes, patterns: Sequence[str]) -> dict[str, Any]:
    """For the database, in entries and bytes.

    kept, out  sums of what is backed up and what is left out
    patterns   each with its sums and up to three names; None where time was too short to count
    folders    the largest of what is backed up
    locked     how many the panel's user may not read of what is to be kept; None: it may read all
    stopped    whether figures are at least, since time was too short for all of it
    """
    counted = _sorted(lines(decode(answer, limit=len(answer))))
    if not counted.whole or not {"kept", "out"} <= set(counted.sums):
        raise CommandFailed("The server's answer to the preview is not whole.")
    return {
        "kept": _sum(counted.sums["kept"]),
        "out": _sum(counted.sums["out"]),
        "patterns": [
            {"pattern": pattern} | counted.by_pattern.get(number, {"entries": None})
            for number, pattern in enumerate(patterns)
        ],
        "folders": counted.folders,
        "locked": counted.locked,
        "stopped": bool(counted.stopped),
    }


def _sorted(answer: Sequence[str]) -> _Counted:
    found = _Counted()
    for line in answer:
        word, _, rest = line.partition(" ")
        if word in {"kept", "out"}:
            found.sums[word] = numbers(rest)
        elif word == "pattern":
            number, *sums = [*numbers(rest), 0, 0, 0][:3]
            found.by_pattern[number] = _sum(sums) | {"samples": []}
        elif word == "sample":
            _add_sample(found, *rest.partition(" ")[::2])
        elif word == "folder":
            entries, size, name = (*rest.split(" ", 2), "", "", "")[:3]
            found.folders.append(_sum(numbers(f"{entries} {size}")) | {"path": name[:NAME_AT_MOST]})
        elif word == "locked":
            found.locked = findings.number(rest)
        elif word == "stopped":
            found.stopped.append(rest)
        found.whole = found.whole or word == "end"
    return found


def _add_sample(found: _Counted, number: str, name: str) -> None:
    counted = found.by_pattern.get(int(number)) if number.isdecimal() else None
    if counted is not None and len(counted["samples"]) < 3:
        counted["samples"].append(name[:NAME_AT_MOST])


def _sum(counted: Sequence[int]) -> dict[str, Any]:
    entries, size = (*counted, 0, 0)[:2]
    return {"entries": entries, "bytes": size}


def _array(name: str, words: tuple[str, ...]) -> bytes:
    return quoted_words(f"{name}=(", words) + b" )"
