"""Dumps against the plain tools: `make bench` runs it; `python -m bench.dumps` alone."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from bench.figures import say, timed
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
        text = TEXT.replace("n", "seq")
        server.sql("create database bench")
        server.sql(
            "create table t (n int primary key, a text, b double, c char(32));"
            f"insert into t select seq, {text} from seq_1_to_{ROWS}",
            "bench",
        )
        options = "--single-transaction --quick --hex-blob --routines --events"
        tool = f"mariadb-dump --no-defaults -S {server.socket} -uroot {options} bench"
        compare("MariaDB", session, home, server, tool)


def of_postgresql(session: Session, home: Path) -> None:
    """Against pg_dump."""
    with postgresql.running() as server:
        text = TEXT.replace("md5(n", "md5(''||n")
        server.sql("create database bench")
        server.sql(
            "create table t (n int primary key, a text, b double precision, c char(40));"
            f"insert into t select n, {text} from generate_series(1, {ROWS}) n",
            "bench",
        )
        tool = f"pg_dump -h {server.home} -p {server.port} -U owner bench"
        compare("PostgreSQL", session, home, server, tool)


def compare(
    title: str, session: Session, home: Path, server: MariaDb | PostgreSql, command: str
) -> None:
    """A whole run, from launch to `complete`, against the plain tool: the fastest of each."""
    ours: list[float] = []
    plain: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        ours.append(timed(lambda: run(session, home, server)))
        for pipe in (">/dev/null", "| gzip >/dev/null", "| igzip -2 >/dev/null"):
            shell = f"{command} {pipe}"
            plain.setdefault(pipe, []).append(timed(lambda shell=shell: by_hand(shell)))  # type: ignore[misc]
    say(f"dump of {title}, about 300 MB", f"{min(ours):.2f} s", "")
    for pipe, seconds in plain.items():
        ratio = min(ours) / min(seconds)
        say(f"  against the plain dump {pipe}", f"{ratio:.2f} ×", "")


def by_hand(command: str) -> None:
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True)


def run(session: Session, home: Path, server: MariaDb | PostgreSql) -> None:
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
    detached.launch(session, place, script.backup(what), what.secrets())
    until_over(lambda: detached.look(session, place).over)
    report = detached.look(session, place)
    assert report.error is None, report.error
    detached.remove(session, place.root, place.backup_id)


def until_over(is_over: Callable[[], bool]) -> None:
    while not is_over():
        time.sleep(0.05)


if __name__ == "__main__":
    main()
