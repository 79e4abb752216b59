"""The panel with all its processes on this machine, under honcho, as a PaaS would start them."""

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from honcho.environ import parse_procfile
from honcho.manager import Manager
from honcho.printer import Message

from cloudpilot import parsers
from cloudpilot.embedded import redis_command
from cloudpilot.settings import unusable

ROOT = Path(__file__).resolve().parent.parent
FIRST_PORT = 5000
ASKED_TO_END = {130, 143}  # honcho's words for Ctrl-C and SIGTERM: no failure


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: where its data lies and how it is started."""

    home: Path
    port: int
    environ: dict[str, str]

    @property
    def url(self) -> str:
        """Where people open it."""
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    def prepared(cls, name: str) -> "Panel":
        """A panel whose data is in `var/<name>`, on the first free port from 5000 (or PORT)."""
        home = Path(os.environ.get("CLOUDPILOT_HOME") or ROOT / "var" / name).resolve()
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            sys.exit(unusable(home, error))
        port = _port()
        ours = {
            "CLOUDPILOT_HOME": str(home),
            "CLOUDPILOT_BIND": os.environ.get("CLOUDPILOT_BIND", "127.0.0.1"),
            "CLOUDPILOT_URL": os.environ.get("CLOUDPILOT_URL", f"http://127.0.0.1:{port}"),
            "PORT": str(port),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        panel = cls(home, port, os.environ | ours)
        panel.flask("db", "upgrade")
        return panel

    def flask(self, *words: str) -> str:
        """What `flask <words>` prints, as the release phase runs it."""
        command = [sys.executable, "-m", "flask", "--app", "wsgi", *words]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environ, check=False, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(done.stderr or f"flask {shlex.join(words)} ended with {done.returncode}")
        return done.stdout

    def new_setup_code(self) -> str | None:
        """A fresh set-up code, or None if the panel has its owner."""
        printed = self.flask("setup-code")
        return printed.strip() or None

    def run(self, *more: tuple[str, Sequence[str]]) -> int:
        """Start Redis, the Procfile's processes and `more` (name, command); until Ctrl-C."""
        manager = Manager(_Log(self.home / "log", aloud={name for name, _words in more}))
        redis = shlex.join(redis_command(self.home))
        # `exec`, or the signal that ends it would end only the shell in front of it.
        manager.add_process("redis", f"exec {redis}", env=self.environ)
        for name, command in parse_procfile((ROOT / "Procfile").read_text()).processes.items():
            if name != "release":
                manager.add_process(name, command, env=self.environ, cwd=str(ROOT))
        for name, words in more:
            line = f"exec {shlex.join(words)}"
            manager.add_process(name, line, env=self.environ, cwd=str(ROOT))
        manager.loop()
        return 0 if manager.returncode in ASKED_TO_END else int(manager.returncode or 0)


class _Log:
    """What the processes say goes to a file; only those named in `aloud` are heard."""

    def __init__(self, file: Path, aloud: set[str]) -> None:
        self.width = 0  # honcho sets it
        self._file = file.open("a", encoding="utf-8")
        self._aloud = aloud
        self._ending = False

    def write(self, message: Message) -> None:
        """One line of one process."""
        line = message.data
        text = line.decode("utf-8", "backslashreplace") if isinstance(line, bytes) else line
        print(
            f"{message.time:%H:%M:%S} {message.name}: {text.rstrip()}", file=self._file, flush=True
        )
        if message.name in self._aloud:
            print(text.rstrip("\n"), flush=True)
        elif message.name == "system":
            self._explain(text.strip())

    def _explain(self, text: str) -> None:
        """The first process that ends by itself is why everything ends: honcho's rule."""
        if " stopped (rc=" in text and not self._ending:
            print(f"{text}: everything ends. The log is {self._file.name}", flush=True)
        self._ending = self._ending or "SIG" in text or "stopped" in text


def _port() -> int:
    if not (given := os.environ.get("PORT")):
        return _free_port(FIRST_PORT)
    try:
        return parsers.port(given, 1)
    except ValueError as fault:
        sys.exit(f"PORT is wrong: {fault}")


def _free_port(first: int) -> int:
    for port in range(first, first + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    sys.exit(f"No free port from {first} on.")
