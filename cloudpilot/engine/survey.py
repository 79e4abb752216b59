"""What a restore would find on a server: where each path is to be, and what is there now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cloudpilot.engine.findings import numbers
from cloudpilot.engine.program import Program, quoted_words, source
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed
from cloudpilot.excludes import distinct
from cloudpilot.kinds import Privilege
from cloudpilot.text import decode, lines

SECONDS = 30
KINDS = {"absent", "folder", "file", "link", "other"}


@dataclass(frozen=True)
class Question(Program):
    """Looks at where `paths` would go: below `into`, or where they were ("")."""

    name: str = "survey"
    paths: Sequence[str] = ()
    into: str = ""
    backup_root: str = "/"
    privilege: Privilege = Privilege.PLAIN
    zstd: bool = False  # an archive is packed with it
    curl: bool = False  # an archive is read from a vault
    rsync: bool = False  # it is a snapshot tree

    def text(self) -> bytes:
        """As Program.text: all of it in one function."""
        values = {
            "into": self.into,
            "backup_root": self.backup_root,
            "privilege": self.privilege.value,
            "zstd": "yes" if self.zstd else "",
            "curl": "yes" if self.curl else "",
            "rsync": "yes" if self.rsync else "",
        }
        parts = (
            b"cloudpilot_main() {",
            quoted_words("paths=(", _distinct(self.paths)) + b" )",
            *(quoted_words("declare", (f"{name}={text}",)) for name, text in values.items()),
            *(source(f"{name}.sh") for name in ("words", "common", "rights", "survey")),
            b"}\ncloudpilot_main </dev/null\nexit\n",
        )
        return b"\n".join(parts)


def ask(session: Session, question: Question) -> dict[str, Any]:
    """What was found, for the database; see `understood`. Changes nothing there.

    Raises PrivilegeMissing, CommandFailed; SshUnreachable.
    """
    return understood(session.run(question, timeout=SECONDS), _distinct(question.paths))


def _distinct(paths: Sequence[str]) -> tuple[str, ...]:
    """None at all, if only databases are restored."""
    return distinct(paths) if paths else ()


def understood(answer: bytes, paths: Sequence[str]) -> dict[str, Any]:
    """
    missing  tools that are not there
    room     bytes that are free: of "root", the backup directory, and of each path's file system;
             None where nobody can say
    inodes   the same of files that can be made, where their number has a limit
    root_system  as `system` below, of the backup directory
    paths    of each: path, kind (absent, folder, file, link, other), mounted (it is or holds a
             mount point), writable (that into which it goes), system (a number: equal ones share
             their room), entries and bytes that it holds now, more (they are at least)

    Raises CommandFailed unless all of it is understood.
    """
    found: dict[str, Any] = {"missing": [], "room": {}, "inodes": {}, "paths": []}
    *said, end = [line for line in lines(decode(answer)) if line] or [""]
    if end != "end":
        raise CommandFailed("The server's answer is not whole.")
    for line in said:
        word, _, rest = line.partition(" ")
        _take(found, paths, word, rest.split())
    if len(found["paths"]) != len(paths) or "root" not in found["room"]:
        raise CommandFailed("The server's answer cannot be understood.")
    return found


def _take(found: dict[str, Any], paths: Sequence[str], word: str, words: Sequence[str]) -> None:
    rows = found["paths"]
    match word, words:
        case "missing", [tool]:
            found["missing"].append(tool)
        case "path", [_, kind, mounted, writable] if kind in KINDS and len(rows) < len(paths):
            rows.append(
                {
                    "path": paths[len(rows)],
                    "kind": kind,
                    "mounted": mounted == "yes",
                    "writable": writable == "yes",
                    "entries": 0,
                    "bytes": 0,
                    "more": False,
                }
            )
        case "room", [place, system, "-", *more] if len(numbers(system)) == 1:
            _take_room(found, place, int(system), None, *numbers(" ".join(more[:1])))
        case "room", [place, *figures] if len(numbers(" ".join(figures))) in {2, 3}:
            _take_room(found, place, *numbers(" ".join(figures)))
        case "holds", [_, *figures] if rows and len(numbers(" ".join(figures))) == 2:
            rows[-1]["entries"], rows[-1]["bytes"] = numbers(" ".join(figures))
        case "more", [_] if rows:
            rows[-1]["more"] = True


def _take_room(
    found: dict[str, Any], place: str, system: int, free: int | None, inodes: int | None = None
) -> None:
    found["room"][place] = free
    if inodes is not None:
        found["inodes"][place] = inodes
    if place == "root":
        found["root_system"] = system
    elif found["paths"]:
        found["paths"][-1]["system"] = system
