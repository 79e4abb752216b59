"""The panel's own processes, started as the Procfile starts them, to be killed at any moment."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.support.until import until

ROOT = Path(__file__).resolve().parents[2]
STARTING = Path(__file__).parent / "starting"  # see the file in it
QUICK = {  # the periods of a test, in seconds
    "CLOUDPILOT_LOOK_SECONDS": "0.3",
    "CLOUDPILOT_LOOK_SECONDS_AT_MOST": "1",
    "CLOUDPILOT_RETRY_SECONDS": "0.5",
    "CLOUDPILOT_LEASE_SECONDS": "4",
}


class Processes:
    """Web, worker and clock by name; each may be started and killed again and again."""

    def __init__(
        self,
        environ: Mapping[str, str],
        home: Path,
        own: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """own  what one of them finds in its environment, by name"""
        self.home, self._own = home, own or {}
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        path = os.pathsep.join((str(STARTING), str(ROOT)))
        given = {"PYTHONPATH": path, "CLOUDPILOT_URL": self.url, "TZ": "UTC"}
        given |= {"CLOUDPILOT_BIND": "127.0.0.1", "PORT": str(self.port)}
        self.environ = {**os.environ, **QUICK, **given, **environ}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def command(self, name: str) -> list[str]:
        """What the Procfile says, with this interpreter; "work-2" is one more of "work"."""
        if name == "web":
            return [sys.executable, "-m", "gunicorn"]
        role = name.partition("-")[0]
        return [sys.executable, "worker.py", *([] if role == "worker" else [role])]

    def start(self, *names: str) -> None:
        """Start what does not run; the web answers when this returns."""
        for name in names:
            with (self.home / f"{name}.log").open("ab") as log:
                self._running[name] = subprocess.Popen(
                    self.command(name),
                    cwd=ROOT,
                    env={**self.environ, **self._own.get(name, {})},
                    stdout=log,
                    stderr=log,
                )
        if "web" in names:
            until(self._answers, bool, seconds=90)

    def pids(self) -> list[int]:
        """Of all that run."""
        return [process.pid for process in self._running.values()]

    def pid(self, name: str) -> int:
        """The process that was started by that name."""
        return self._running[name].pid

    def children(self, name: str) -> list[int]:
        """The processes below it, of all depths."""
        return below(self.pid(name))

    def kill(self, name: str, *, tree: bool = True) -> None:
        """SIGKILL, to all of its processes or to the first alone."""
        for pid in [self.pid(name), *(self.children(name) if tree else [])]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._running.pop(name).wait(10)

    def stop(self, name: str) -> int:
        """SIGTERM, as a platform does it at its daily restart; returns the exit status."""
        process = self._running.pop(name)
        process.terminate()
        return process.wait(30)

    def stop_all(self) -> None:
        """Everything, whatever became of it."""
        for name in list(self._running):
            self._running[name].terminate()
        for name in list(self._running):
            try:
                self._running[name].wait(15)
                self._running.pop(name)
            except subprocess.TimeoutExpired:
                self.kill(name)

    def said(self, name: str) -> str:
        """What it wrote to its log so far."""
        log = self.home / f"{name}.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def _answers(self) -> bool:
        if self._running["web"].poll() is not None:
            raise AssertionError(f"the web ended:\n{self.said('web')[-2000:]}")
        try:
            with urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


def below(pid: int) -> list[int]:
    """Its children and theirs, of all depths."""
    found: list[int] = []
    unseen = [pid]
    while unseen:
        parent = unseen.pop()
        file = Path(f"/proc/{parent}/task/{parent}/children")
        try:
            children = [int(child) for child in file.read_text().split()]
        except OSError:
            continue  # it has ended meanwhile
        found += children
        unseen += children
    return found


@contextmanager
def running(environ: Mapping[str, str], home: Path, *names: str) -> Iterator[Processes]:
    """Processes that are all gone at the end."""
    processes = Processes(environ, home)
    try:
        processes.start(*names)
        yield processes
    finally:
        processes.stop_all()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
