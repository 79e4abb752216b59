"""A real PostgreSQL that is backed up: on a socket, which trusts, and a port, which asks."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.postgres import as_plain_user, programs

OWNER = "owner"


@dataclass
class PostgreSql:
    """One that runs; `sql` speaks as its owner, a superuser."""

    home: Path
    port: int

    def sql(self, statements: str, database: str = "postgres", *, user: str = OWNER) -> str:
        """Run statements; returns rows, tabs between their columns."""
        command = ["psql", "-X", "-h", self.home, "-p", str(self.port), "-U", user, "-At", "-F\t"]
        done = subprocess.run(
            [*command, "-v", "ON_ERROR_STOP=1", "-d", _quoted(database)],
            input=statements.encode(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def dump(self, *words: str) -> str:
        """What pg_dump says with these words, the last of which is a database."""
        command = ["pg_dump", "-h", str(self.home), "-p", str(self.port), "-U", OWNER]
        target = [*words[:-1], "-d", _quoted(words[-1])]
        done = subprocess.run([*command, *target], check=True, capture_output=True)
        return done.stdout.decode(errors="backslashreplace")

    def run(self, program: str, *words: str, input: bytes = b"") -> None:  # noqa: A002
        """One of PostgreSQL's programs, as the owner."""
        command = [program, "-h", str(self.home), "-p", str(self.port), "-U", OWNER]
        subprocess.run([*command, *words], check=True, capture_output=True, input=input)

    def databases(self) -> list[str]:
        """Those of people."""
        return self.sql("select datname from pg_database where not datistemplate").split("\n")[:-1]

    def speaking(self, statements: str, database: str) -> subprocess.Popen[bytes]:
        """A session that has said this and stays, until its input is closed."""
        command = ["psql", "-X", "-h", str(self.home), "-p", str(self.port), "-U", OWNER, "-Atq"]
        options = ["-d", _quoted(database)]
        pipe = subprocess.PIPE
        session = subprocess.Popen([*command, *options], stdin=pipe, stdout=pipe)
        assert session.stdin
        session.stdin.write(statements.encode() + b"\n")
        session.stdin.flush()
        return session

    def kill(self) -> None:
        """The server dies at once."""
        _control(self.home, "-m", "immediate", "stop")

    def start(self) -> None:
        """Start it again."""
        options = f"-p {self.port} -c unix_socket_directories='{self.home}' -c fsync=off"
        listen = "-c listen_addresses=127.0.0.1 -c max_connections=50"
        _control(self.home, "-o", f"{options} {listen}", "-l", f"{self.home}/log", "start")


def _quoted(database: str) -> str:
    """A name that libpq does not take for a connection string."""
    escaped = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"


@contextmanager
def running() -> Iterator[PostgreSql]:
    """An empty server; its owner signs in by the socket."""
    folder = programs()
    if folder is None:
        raise RuntimeError("no PostgreSQL here: bin/setup test installs one")
    with TemporaryDirectory(prefix="cp-pg-", ignore_cleanup_errors=True) as home:
        run = as_plain_user(home)
        os.chmod(home, 0o755)  # noqa: PTH101  (others reach its socket)
        initdb = ["-D", f"{home}/data", "-U", OWNER, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        auth = ["--auth-local=trust", "--auth-host=scram-sha-256"]
        subprocess.run([folder / "initdb", *initdb, *auth], check=True, capture_output=True, **run)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            found = PostgreSql(Path(home), free.getsockname()[1])
        found.start()
        try:
            yield found
        finally:
            _control(found.home, "-m", "immediate", "stop", check=False)


def _control(home: Path, *words: str, check: bool = True) -> None:
    folder = programs()
    assert folder
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    run: dict[str, Any] = quiet | as_plain_user(str(home))
    subprocess.run([folder / "pg_ctl", "-D", f"{home}/data", "-w", *words], check=check, **run)
