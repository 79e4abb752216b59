"""A real PostgreSQL of our own: started once, with a new database for each test."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from psycopg import sql

PREFIX = "tests-postgresql-"  # of the folder of one
MEMORY_BYTES = 4 * 1024**3
USER = "nobody"  # PostgreSQL refuses to run as root


def programs() -> Path | None:
    """The folder of the newest PostgreSQL here."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: p.parts[-3])
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).parent if on_path else None


@contextmanager
def running() -> Iterator[str]:
    """Yields a URL that lacks only the name of a database; trusts whoever reaches its socket."""
    folder = programs()
    if folder is None:
        raise RuntimeError("no PostgreSQL here: bin/setup test installs one")
    with TemporaryDirectory(prefix=PREFIX, dir=_memory(), ignore_cleanup_errors=True) as home:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        run: dict[str, Any] = quiet | as_plain_user(home)
        initdb = ["-D", f"{home}/data", "-A", "trust", "-U", "panel", "-E", "UTF8", "--no-sync"]
        subprocess.run([folder / "initdb", *initdb], check=True, **run)
        control = [folder / "pg_ctl", "-D", f"{home}/data", "-w"]
        options = f"-c listen_addresses='' -c unix_socket_directories='{home}' -c fsync=off"
        subprocess.run([*control, "-o", options, "-l", f"{home}/log", "start"], check=True, **run)
        try:
            yield f"postgresql+psycopg://panel@/{{name}}?host={home}"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, **run)


def _memory() -> str | None:
    """Where files are in memory, if there is room. On a disk a database of three hundred files for
    each test becomes slow: ext4 looks for inodes that were not in use a moment ago."""
    shared = Path("/dev/shm")
    is_roomy = shared.is_dir() and shutil.disk_usage(shared).free > MEMORY_BYTES
    return str(shared) if is_roomy else None


def create(url: str, name: str, template: str = "template1") -> str:
    """A new database, empty or like `template`; returns its URL."""
    with _server(url) as server:
        words = "CREATE DATABASE {} TEMPLATE {}"
        if server.info.server_version >= 150_000:
            words += " STRATEGY FILE_COPY"  # an eighth of the time that its way since 15 takes
        names = sql.Identifier(name), sql.Identifier(template)
        server.execute(sql.SQL(words).format(*names))
    return url.format(name=name)


def drop(url: str, name: str) -> None:
    """It is gone, whoever is connected to it."""
    with _server(url) as server:
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _server(url: str) -> psycopg.Connection:
    host = url.partition("host=")[2]
    return psycopg.connect(user="panel", host=host, dbname="postgres", autocommit=True)


def pid(url: str) -> int:
    """Of the process that has started all others of the server with this URL."""
    home = Path(url.partition("host=")[2])
    return int((home / "data" / "postmaster.pid").read_text().split()[0])


def as_plain_user(home: str) -> dict[str, Any]:
    """Arguments of subprocess that start it as somebody who owns `home`, where we are root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam(USER)
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "cwd": home}
