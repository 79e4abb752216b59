"""Dumps against the plain tools: `make bench` runs it; `python -m bench.dumps` alone."""

import subprocess
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from bench.figures import say, timed
from bench.runs import done, nothing
from bench.watching import Watched, watched
from cloudpilot.engine import detached, script
from cloudpilot.engine.detached import Place
from cloudpilot.engine.script import Contents, Dump
from cloudpilot.engine.ssh import Session
from cloudpilot.kinds import Compression
from tests.support import mariadb, postgresql
from tests.support.dumped import login_to
from tests.support.mariadb import MariaDb
from tests.support.postgresql import PostgreSql
from tests.support.sshd import private_sshd

ROUNDS = 3
ROWS = 800_000  # about 300 MB of text
TEXT = "repeat(md5(n), 8), n * 1.5, md5(n)"
# Measured beside ours; the first three are the floor: the dump, a copy of it, and packing it.
PIPES = (">/dev/null", "| cat >/dev/null", "| igzip -2 >/dev/null", "| gzip >/dev/null")


def main() -> None:
    """Both engines."""
    with (
        TemporaryDirectory(prefix="cp-bench-") as home,
        private_sshd(Path(home)) as sshd,
        sshd.session() as session,
    ):
        of_mariadb(session, Path(home))
        of_postgresql(session, Path(home))


def of_mariadb(session: Session, home: Path) -> None:
    """Against mariadb-dump."""
    with mariadb.running() as server:
        fill(server)
        options = "--single-transaction --quick --hex-blob --routines --events"
        tool = f"mariadb-dump --no-defaults -S {server.socket} -uroot {options} bench"
        compare("MariaDB", session, home, server, [f"{tool} {pipe}" for pipe in PIPES])


def of_postgresql(session: Session, home: Path) -> None:
    """Against pg_dump, and against its own format, which packs."""
    with postgresql.running() as server:
        fill(server)
        tool = f"pg_dump -h {server.home} -p {server.port} -U owner bench"
        others = [f"{tool} {pipe}" for pipe in PIPES] + [f"{tool} -Fc >/dev/null"]
        compare("PostgreSQL", session, home, server, others)


def fill(server: MariaDb | PostgreSql) -> None:
    """Make the database `bench`, with about 300 MB of text in one table."""
    if isinstance(server, MariaDb):
        columns, text = "b double, c char(32)", TEXT.replace("n", "seq")
        rows = f"select seq, {text} from seq_1_to_{ROWS}"
    else:
        columns, text = "b double precision, c char(40)", TEXT.replace("md5(n", "md5(''||n")
        rows = f"select n, {text} from generate_series(1, {ROWS}) n"
    server.sql("create database bench")
    server.sql(
        f"create table t (n int primary key, a text, {columns}); insert into t {rows}", "bench"
    )


def compare(
    title: str, session: Session, home: Path, server: MariaDb | PostgreSql, commands: list[str]
) -> None:
    """A whole run, from launch to `complete`, against others: the fastest of each; what ours takes
    of memory and disk is looked at in a run of its own, since looking takes time."""
    ours: list[float] = []
    others: dict[str, list[float]] = {command: [] for command in commands}
    for _ in range(ROUNDS):
        ours.append(timed(lambda: run(session, home, server)))
        for command in commands:
            others[command].append(timed(lambda command=command: by_hand(command)))  # type: ignore[misc]
    say(f"dump of {title}, about 300 MB", f"{min(ours):.2f} s", "")
    plain = min(others[commands[0]])
    for command, seconds in others.items():
        end = command.partition(" bench ")[2]
        figure = f"{min(ours) / min(seconds):.2f} ×"
        say(f"  against the plain dump {end}", figure, f"{min(seconds) / plain:.2f} × of plain")
    seen = run(session, home, server, look=True)
    say("  largest process of ours", f"{seen.memory // 1024} MiB", seen.largest)
    say("  all of ours at once", f"{seen.memory_of_all // 1024} MiB", "≤ 80 MiB each")
    say(
        "  on the disk at most", f"{seen.disk / 1e6:.0f} MB", f"archive {seen.archive / 1e6:.0f} MB"
    )


def by_hand(command: str) -> None:
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True)


def run(
    session: Session, home: Path, server: MariaDb | PostgreSql, *, look: bool = False
) -> Watched:
    """A whole backup of type `database`."""
    place = Place(str(home / "root"), str(uuid4()), "r1")
    what = Contents(
        paths=(),
        excludes=(),
        compression=Compression.GZIP,
        archive="a.tar.gz",
        backup_root=place.root,
        plan=b"{}",
        dumps=(Dump(login_to(server), "here", ("bench",)),),
    )
    mark, seen = f"{place.backup_id}/{place.run_id}", Watched()
    report = done(
        session,
        place,
        script.backup(what),
        what.secrets(),
        meanwhile=partial(watched, seen, mark, home) if look else nothing,
    )
    seen.archive = int(report.result["size"])
    detached.remove(session, place.root, place.backup_id)
    return seen


if __name__ == "__main__":
    main()
