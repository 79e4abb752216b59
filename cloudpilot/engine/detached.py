"""Work on a server that outlives our connection, and us.

A run has a directory of its own there; docs/remote-protocol.md says what is in it, and why.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex
from types import MappingProxyType

from cloudpilot.engine.answers import parse
from cloudpilot.engine.program import Program
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import InvalidPath
from cloudpilot.redaction import for_sed
from cloudpilot.reports import Report
from cloudpilot.secrets import Secret

LAUNCH_SECONDS = 20
STOP_SECONDS = 20
REMOVE_SECONDS = 30  # what takes longer goes on there, and is found gone at the next attempt

LOOK = Program("look", (for_sed(),), stays=True)

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where on its server a run works: all that it takes to find it again."""

    root: str  # the backup directory of the server
    backup_id: str
    run_id: str

    def __post_init__(self) -> None:
        _check(self.root, self.backup_id, self.run_id)

    @property
    def backup_directory(self) -> str:
        """Where the archive will be."""
        return f"{self.root}/{self.backup_id}"

    @property
    def run_directory(self) -> str:
        """Where the script, its log and its words are."""
        return f"{self.backup_directory}/run-{self.run_id}"


def launch(
    session: Session,
    place: Place,
    files: Mapping[str, bytes],
    secrets: Mapping[str, Secret] = MappingProxyType({}),
) -> None:
    """Start the file `script` of `files` as a process of its own, and see it begin.

    secrets  what the script finds by `reveal NAME`; handed over in a pipe, so that they are in no
             file, in no command line and in nobody's environment

    Launched twice, or ten times at once, it runs once; with a connection that breaks on the way
    it is begun whole or not at all, and may be launched again.

    Raises BackupDirUnsafe, PermissionDenied, DiskFull, ToolMissing; SshUnreachable.
    """
    program = Program("launch", (*_words(place), token_hex(8)), files, secrets)
    session.run(program, timeout=LAUNCH_SECONDS)


def look(session: Session, place: Place) -> Report:
    """How the work is doing; to ask changes nothing."""
    return parse(session.ask(LOOK, _words(place)))


def stop(session: Session, place: Place) -> None:
    """End the work and all that it has started, and confirm that nothing of it runs.

    It may clean up first and is killed after some seconds. The report that follows says
    RunStopped, or that it was over already. Harmless when nothing runs. Raises StillThere.
    """
    session.run(Program("stop", _words(place)), timeout=STOP_SECONDS)


def remove(session: Session, root: str, backup_id: str, *, stored: bool = False) -> None:
    """End what still works for a backup, remove all of it, and prove that it is gone.

    stored  it is known to have been there: without the backup directory itself nothing is proven

    Nothing there is fine. Raises StillThere, PermissionDenied, BackupDirUnsafe, BackupDirMissing.
    """
    _check(root, backup_id)
    words = (root, backup_id, "stored" if stored else "")
    session.run(Program("remove", words), timeout=REMOVE_SECONDS)


def _words(place: Place) -> tuple[str, str, str]:
    return place.root, place.backup_id, place.run_id


def _check(root: str, *ids: str) -> None:
    if not root.startswith("/") or root.endswith("/"):
        raise InvalidPath(f"“{root}” is not a whole path.")
    if not all(_ID.fullmatch(one) for one in ids):
        raise InvalidPath("An id has only letters, digits, - and _.")
