"""A real MariaDB of our own, as a plain user's process, on a socket and a port of loopback."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.postgres import as_plain_user
from tests.support.until import until

SYSTEM = {"information_schema", "mysql", "performance_schema", "sys"}


@dataclass
class MariaDb:
    """One that runs; `sql` speaks as its owner."""

    home: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def socket(self) -> str:
        return f"{self.home}/s"

    def sql(self, statements: str, database: str = "", *, user: str = "root") -> str:
        """Run statements; returns rows, tabs between their columns."""
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", f"--user={user}"]
        options = ["--batch", "--raw", "--skip-column-names", "--default-character-set=utf8mb4"]
        done = subprocess.run(
            [*command, *options, *([database] if database else [])],
            input=statements.encode(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def dump(self, *words: str) -> str:
        """What mariadb-dump says with these words; that it succeeds is not asked."""
        command = ["mariadb-dump", "--no-defaults", f"--socket={self.socket}", "--user=root"]
        done = subprocess.run([*command, *words], check=False, capture_output=True)
        return done.stdout.decode(errors="backslashreplace")

    def load(self, database: str, dump: bytes) -> None:
        """Restore a dump by hand."""
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root"]
        subprocess.run([*command, database], input=dump, check=True, capture_output=True)

    def databases(self) -> list[str]:
        """Those of people."""
        names = self.sql("show databases").split("\n")[:-1]
        return [name for name in names if name not in SYSTEM]

    def speaking(self, statements: str, database: str) -> subprocess.Popen[bytes]:
        """A session that has said this and stays, until its input is closed."""
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root"]
        options = ["--batch", "--skip-column-names", "--unbuffered", database]
        pipe = subprocess.PIPE
        session = subprocess.Popen([*command, *options], stdin=pipe, stdout=pipe)
        assert session.stdin
        session.stdin.write(statements.encode() + b"\n")
        session.stdin.flush()
        return session

    def kill(self) -> None:
        """The server dies, as by the out-of-memory killer."""
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        """Start it again."""
        self.process = _process(self.home, self.port)
        until(self.answers, bool)

    def answers(self) -> bool:
        command = ["mariadb-admin", "--no-defaults", f"--socket={self.socket}", "-uroot", "ping"]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0


def is_here() -> bool:
    """Whether one is installed."""
    return bool(shutil.which("mariadbd", path=_path()))


@contextmanager
def running() -> Iterator[MariaDb]:
    """An empty server whose root signs in without a password."""
    if not is_here():
        raise RuntimeError("no MariaDB here: bin/setup test installs one")
    with TemporaryDirectory(prefix="cp-my-", ignore_cleanup_errors=True) as home:
        os.chmod(home, 0o755)  # noqa: PTH101  (others reach its socket)
        run = as_plain_user(home)
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={home}/data"]
        auth = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        run["env"] = os.environ | {"TMPDIR": home}  # one that starts empties it of others' tables
        done = subprocess.run([*install, *auth], check=False, capture_output=True, **run)
        assert done.returncode == 0, (done.stdout, done.stderr)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        found = MariaDb(Path(home), port, _process(Path(home), port))
        try:
            until(found.answers, bool)
            yield found
        finally:
            found.process.terminate()
            found.process.wait()


def _process(home: Path, port: int) -> subprocess.Popen[bytes]:
    options = [
        f"--datadir={home}/data",
        f"--socket={home}/s",
        f"--port={port}",
        "--bind-address=127.0.0.1",
        f"--pid-file={home}/pid",
        f"--tmpdir={home}",
        f"--log-error={home}/log",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-buffer-pool-size=32M",
        "--event-scheduler=OFF",
        "--skip-name-resolve",
    ]
    program = shutil.which("mariadbd", path=_path()) or "mariadbd"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    run: dict[str, Any] = quiet | as_plain_user(str(home))
    return subprocess.Popen([program, "--no-defaults", *options], **run)


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"
