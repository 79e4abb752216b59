"""Redis and PostgreSQL of a lane: real processes that are killed and started again."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from cloudpilot.embedded import redis_command
from tests.support.ports import free_port
from tests.support.postgres import as_plain_user, programs
from tests.support.until import until

QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class RedisServer:
    """It keeps nothing: whoever kills it empties it."""

    def __init__(self, home: Path) -> None:
        self._home, self.port = home, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = redis_command(Path("/"))[0]
        words = ("--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly")
        command = [program, *words, "no", "--dir", str(self._home)]
        self._process = subprocess.Popen(command, **QUIET)
        until(self._answers, bool)

    def kill(self, number: int) -> None:
        """A signal; it is gone when this returns."""
        if self._process:
            self._process.send_signal(number)
            self._process.wait(30)

    def _answers(self) -> bool:
        try:
            with Redis(port=self.port, socket_timeout=1) as connection:
                return bool(connection.ping())
        except RedisError:
            return False


class PostgresServer:
    """On a port of loopback; `template` is the data folder of a stopped one with a migrated
    database `panel`."""

    def __init__(self, home: Path, template: Path | None = None) -> None:
        self._home, self.port = home, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        home.mkdir(parents=True, exist_ok=True)
        self._run = QUIET | as_plain_user(str(home))
        if template:
            copy = ["cp", "--recursive", "--preserve=mode,ownership", template, home / "data"]
            subprocess.run(copy, check=True)
        else:
            command = [self._program("initdb"), "-D", home / "data", "-A", "trust", "-U", "panel"]
            subprocess.run([*command, "-E", "UTF8", "--no-sync"], check=True, **self._run)

    @property
    def data(self) -> Path:
        return self._home / "data"

    @property
    def url(self) -> str:
        return self.at(self.port)

    def at(self, port: int) -> str:
        """Its address where a proxy listens."""
        return f"postgresql+psycopg://panel@127.0.0.1:{port}/panel"

    def start(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self._home,
            "fsync": "off",  # the machine goes on; what is written stays written
            "max_connections": 200,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [self._program("postgres"), "-D", str(self.data), *options]
        self._process = subprocess.Popen(command, **self._run)
        until(self._answers, bool)

    def kill(self, number: int) -> None:
        """To all of its processes where it is KILL; else it ends its sessions, as platforms do."""
        if not self._process:
            return
        if number == signal.SIGKILL:
            for pid in _children(self._process.pid):
                _signal(pid, signal.SIGKILL)
        self._process.send_signal(number if number == signal.SIGKILL else signal.SIGINT)
        self._process.wait(30)

    def create(self, name: str, statements: str = "") -> None:
        """A new database."""
        for where, text in (("postgres", f"CREATE DATABASE {name}"), (name, statements)):
            address = f"postgresql://panel@127.0.0.1:{self.port}/{where}"
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(text.encode())

    def _answers(self) -> bool:
        where = {"user": "panel", "host": "127.0.0.1", "port": self.port}
        try:
            psycopg.connect(dbname="postgres", connect_timeout=2, **where).close()  # type: ignore[arg-type]
        except psycopg.OperationalError:
            return False
        return True

    @staticmethod
    def _program(name: str) -> str:
        folder = programs()
        found = shutil.which(name, path=str(folder)) if folder else None
        assert found, "no PostgreSQL here: bin/setup test installs one"
        return found


def _children(pid: int) -> list[int]:
    file = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in file.read_text().split()] if file.exists() else []


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
