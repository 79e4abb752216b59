"""Restores of databases against an import by hand, which compares nothing.

`bench.restores` runs it.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from bench.dumps import fill
from bench.figures import say, timed
from bench.runs import done
from cloudpilot.engine import restoring, script
from cloudpilot.engine.detached import Place
from cloudpilot.engine.restored_databases import Target
from cloudpilot.engine.restoring import Archive, Restoration
from cloudpilot.engine.script import Contents, Dump
from cloudpilot.engine.ssh import Session
from cloudpilot.kinds import Compression, Privilege
from tests.support.dumped import login_to
from tests.support.mariadb import MariaDb
from tests.support.postgresql import PostgreSql

ROUNDS = 3
NAME = "a.tar.gz"


@dataclass(frozen=True)
class Databases:
    """A database server, whose database `bench` is backed up and restored by real runs."""

    session: Session
    home: Path
    server: MariaDb | PostgreSql

    def backed_up(self) -> Archive:
        """Once."""
        place = Place(str(self.home / "root"), str(uuid4()), "r1")
        dump = Dump(login_to(self.server), "here", ("bench",))
        what = Contents((), (), Compression.GZIP, NAME, place.root, b"{}", dumps=(dump,))
        result = done(self.session, place, script.backup(what), what.secrets()).result
        path = f"{place.backup_directory}/{NAME}"
        return Archive(NAME, int(result["size"]), result["sha256"], path)

    def restored(self, archive: Archive) -> float:
        """Seconds of a whole restore, from launch to its result; what was there goes after."""
        what = Restoration(
            restore_id=str(uuid4()),
            privilege=Privilege.PLAIN,
            archives=(archive,),
            paths=(),
            tops=(),
            needed=archive.size,
            databases=(Target(login_to(self.server), 1, "bench", "bench"),),
        )
        place = Place(str(self.home / "root"), what.restore_id, "restore")
        files = restoring.restore(what)
        seconds = timed(lambda: done(self.session, place, files, what.secrets()))
        after = Place(place.root, what.restore_id, "forget")
        files = restoring.forget(what.restore_id, what.privilege, what.databases)
        done(self.session, after, files, what.secrets())
        return seconds


def of_mariadb(databases: Databases) -> None:
    """Against `gzip -dc | mariadb`."""
    server = databases.server
    assert isinstance(server, MariaDb)
    fill(server)
    login = f"--no-defaults -S {server.socket} -uroot"
    pack = f"mariadb-dump {login} --single-transaction --quick bench | gzip"
    back = f"mariadb {login} -e 'create database hand' && gzip -dc FILE | mariadb {login} hand"
    drop = f"mariadb {login} -e 'drop database hand'"
    compared("MariaDB", databases, (pack, back, drop), "≤ 1.0 ×")


def of_postgresql(databases: Databases) -> None:
    """Against `gzip -dc | psql`."""
    server = databases.server
    assert isinstance(server, PostgreSql)
    fill(server)
    login = f"-h {server.home} -p {server.port} -U owner"
    pack = f"pg_dump {login} bench | gzip"
    back = f"createdb {login} hand && gzip -dc FILE | psql -q {login} -v ON_ERROR_STOP=1 hand"
    compared("PostgreSQL", databases, (pack, back, f"dropdb {login} hand"), "≤ 0.8 ×")


def compared(title: str, databases: Databases, commands: tuple[str, str, str], aim: str) -> None:
    """In place of the one that is there, compared with the dump, against an import by hand, which
    compares nothing; the fastest of each, in turn."""
    databases.home.mkdir()
    archive = databases.backed_up()
    pack, back, drop = (command.replace("FILE", f"{databases.home}/gz") for command in commands)
    shell(f"{pack} >{databases.home}/gz")
    ours, hand = [], []
    for _ in range(ROUNDS):
        ours.append(databases.restored(archive))
        hand.append(timed(lambda: shell(back)))
        shell(drop)
    say(f"restore of {title}, about 300 MB", f"{min(ours):.1f} s", "")
    tool = "mariadb" if isinstance(databases.server, MariaDb) else "psql"
    say(f"  against `gzip -dc | {tool}`", f"{min(ours) / min(hand):.2f} ×", aim)


def shell(command: str) -> None:
    """As a person types it."""
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True, stdout=subprocess.DEVNULL)
