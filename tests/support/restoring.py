"""Restores of databases by a small frame of their own: the steps are those of a real run.

Backups and restores are started as they would be on a server, without the way to it.
"""

import json
import os
import shutil
import signal
import subprocess
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from cloudpilot.engine import restored_databases, script
from cloudpilot.engine.program import source
from cloudpilot.engine.restored_databases import Target
from cloudpilot.engine.script import Contents, Dump
from cloudpilot.engine.statuses import failure
from cloudpilot.errors import CloudPilotError
from cloudpilot.kinds import Compression
from cloudpilot.secrets import Secret

SCRIPTS = ("words", "ending", "prelude", "clients", *restored_databases.SCRIPTS)
# How a run ends that fails: before the swap what is beside goes, else all is put back.
FRAME = """
members_of() { tar -xOf "$archive" --wildcards "databases/$1/$2*"; }
let_go() {
  [ -e swapping ] || { databases_discard; return; }
  databases_back || echo "$databases_said" >back_failed
}
step() {
  case $1 in
    swap) : >swapping; databases_swap ;;
    prepare | import) "databases_$1" ;;
    *) "databases_$1" || fail "$?" "$databases_said" ;;
  esac
}
begin
for one in "$@"; do step "$one"; done
"""


def started(
    run: Path, secrets: Mapping[str, Secret], words: Sequence[str], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """The script of a run directory, in a process group of its own."""
    command = ["bash", "-c", 'exec bash ./script "$@" 9<&0 </dev/null >>log 2>&1', "script"]
    process = subprocess.Popen(
        [*command, *words],
        stdin=subprocess.PIPE,
        cwd=run,
        env=os.environ | environment,
        start_new_session=True,
    )
    assert process.stdin
    for name, secret in secrets.items():
        process.stdin.write(f"{name} {b64encode(secret.reveal().encode()).decode()}\n".encode())
    process.stdin.close()
    return process


def backed_up(folder: Path, *dumps: Dump) -> Path:
    """A backup of these databases: its archive."""
    root, run = folder, folder / "b1" / "run-r1"
    run.mkdir(parents=True)
    contents = Contents((), (), Compression.GZIP, "a.tar.gz", str(root), b"{}", dumps=dumps)
    for name, text in script.backup(contents).items():
        (run / name).write_bytes(text)
    started(run, contents.secrets(), (), {"CLOUDPILOT_RUN": f"{uuid4()}/r1"}).wait(60)
    assert (run / "exit").read_text() == "0\n", (run / "log").read_text()
    return run.parent / "a.tar.gz"


def spoilt(archive: Path, folder: Path, change: Callable[[Any], None]) -> Path:
    """The same archive with another census."""
    folder.mkdir()
    subprocess.run(["tar", "-xf", archive], cwd=folder, check=True)
    census = folder / "databases/1/census.json"
    found = json.loads(census.read_text())
    change(found)
    census.write_text(json.dumps(found))
    subprocess.run(["tar", "-czf", "a.tar.gz", "databases"], cwd=folder, check=True)
    return folder / "a.tar.gz"


class Stubs:
    """Tools that stand before those of the machine, for one restore."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def put(self, name: str, body: str) -> None:
        real = shutil.which(name)
        text = f'#!/bin/bash\nreal={real}\n{body}\nexec "$real" "$@"\n'
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def when_noted(self, word: str, body: str) -> None:
        """Do it when this word has just been written into a journal."""
        last = '[[ $1 != */journal || $(tail -n 1 "$1") != ' + word + " ]]"
        self.put("sync", f'"$real" "$@"\n{last} || {{ {body}; }}')

    def remove(self) -> None:
        for path in self.folder.iterdir():
            path.unlink()


@dataclass
class Restore:
    """One restore: its archive, its databases, and the folder that its runs share."""

    folder: Path
    archive: Path
    targets: Sequence[Target]
    key: str = "k1"
    lock_seconds: int = 5
    runs: int = 0
    mark: str = field(default_factory=lambda: uuid4().hex)  # by which its processes are found
    path: str = ""  # stands before the tools of this machine
    changed: tuple[str, str] | None = None  # in the script, the one for the other

    @property
    def kept(self) -> Path:
        return self.folder / "kept"

    def journal(self, number: int = 0) -> list[str]:
        file = self.kept / f"db-{number}/journal"
        return file.read_text().split() if file.exists() else []

    def start(self, *steps: str) -> subprocess.Popen[bytes]:
        """A run that does these steps: prepare, import, swap; or back, discard, forget."""
        self.runs += 1
        run = self.run
        self.kept.mkdir(parents=True, exist_ok=True)
        run.mkdir()
        for name in restored_databases.PROGRAMS:
            (run / name).write_bytes(source(name))
        lines = (
            b"main() {",
            *restored_databases.settings(self.targets, self.key, lock_seconds=self.lock_seconds),
            *(source(f"{name}.sh") for name in SCRIPTS),
            f"archive={self.archive}\nkept=$backup/kept".encode(),
            FRAME.encode() + b'}\nmain "$@"; exit\n',
        )
        (run / "script").write_bytes(self._changed(b"\n".join(lines)))
        secrets = restored_databases.secrets(self.targets)
        environment = {"CLOUDPILOT_RUN": f"{self.mark}/{run.name}"}
        if self.path:
            environment["PATH"] = f"{self.path}:{os.environ['PATH']}"
        return started(run, secrets, steps, environment)

    def _changed(self, script: bytes) -> bytes:
        if self.changed is None:
            return script
        old, new = (text.encode() for text in self.changed)
        assert script.count(old) == 1
        return script.replace(old, new)

    @property
    def run(self) -> Path:
        return self.folder / f"run-{self.runs}"

    def ends(self, process: subprocess.Popen[bytes]) -> CloudPilotError | None:
        """What its end means; None: it has succeeded."""
        process.wait(60)
        file = self.run / "exit"
        if not file.exists():
            return failure(76, "It was killed.")
        status = int(file.read_text())
        error = self.run / "error"
        return (
            failure(status, error.read_text().strip() if error.exists() else "") if status else None
        )

    def does(self, *steps: str) -> CloudPilotError | None:
        return self.ends(self.start(*steps))

    def done(self, *steps: str) -> None:
        error = self.does(*steps)
        assert error is None, (error, (self.run / "log").read_text())

    def warnings(self) -> list[str]:
        file = self.run / "warnings"
        return file.read_text().splitlines() if file.exists() else []

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """The run dies with all that it has started."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
