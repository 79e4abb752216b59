"""Restores of databases by a small frame of their own: the steps are those of a real run."""

import os
import signal
import subprocess
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloudpilot.engine import restored_databases
from cloudpilot.engine.program import source
from cloudpilot.engine.restored_databases import Target
from cloudpilot.engine.statuses import failure
from cloudpilot.errors import CloudPilotError

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


@dataclass
class Restore:
    """One restore: its archive, its databases, and the folder that its runs share."""

    folder: Path
    archive: Path
    targets: Sequence[Target]
    key: str = "k1"
    lock_seconds: int = 5
    runs: int = field(default=0)
    path: str = ""  # stands before the tools of this machine

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
        (run / "script").write_bytes(b"\n".join(lines))
        secrets = restored_databases.secrets(self.targets)
        told = "".join(
            f"{name} {b64encode(secret.reveal().encode()).decode()}\n"
            for name, secret in secrets.items()
        )
        environment = os.environ | {"CLOUDPILOT_RUN": f"{self.folder.name}/{run.name}"}
        environment["PATH"] = f"{self.path}:{environment['PATH']}" if self.path else os.environ["PATH"]
        command = ["bash", "-c", 'exec bash ./script "$@" 9<&0 </dev/null >>log 2>&1', "script"]
        process = subprocess.Popen(
            [*command, *steps],
            stdin=subprocess.PIPE,
            cwd=run,
            env=environment,
            start_new_session=True,
        )
        assert process.stdin
        process.stdin.write(told.encode())
        process.stdin.close()
        return process

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
        return failure(status, error.read_text().strip() if error.exists() else "") if status else None

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
