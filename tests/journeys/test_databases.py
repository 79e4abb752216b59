"""A site's files and databases as one restore point, from the queue to the archive."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import requests
from cloudpilot.domain.databases import Database
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.jobs import queue
from cloudpilot.kinds import BackupType, Engine
from cloudpilot.secrets import Sealer, Secret
from tests.support.canaries import Sightings, files, processes, watching
from tests.support.mariadb import MariaDb
from tests.support.postgresql import OWNER, PostgreSql
from tests.support.rows import add_database, add_run
from tests.support.until import until
from tests.support.world import World

PASSWORD = f'cAnArY {uuid4().hex} it\'s "secret" # \\'


@pytest.fixture
def names(world: World, mariadb: MariaDb, postgresql: PostgreSql) -> Iterator[list[str]]:
    """A database of each kind, which belong to the site; by password, and by the socket."""
    name = f"cp_{uuid4().hex[:8]}"
    fill = "create table t (x int); insert into t values (1), (2), (3)"
    quoted = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
    mariadb.sql(f"create database {name}; use {name}; {fill}")
    mariadb.sql(f"create user {name}@'%' identified by '{quoted}'; grant all on *.* to {name}@'%'")
    postgresql.sql(f"create database {name}")
    postgresql.sql(fill, name)
    by_port = {"host": "127.0.0.1", "port": mariadb.port, "socket": "", "user": name}
    by_socket = {"socket": str(postgresql.home), "port": postgresql.port, "user": OWNER}
    belongs_to(world, Engine.MARIADB, PASSWORD, names=[name], all_but=False, **by_port)
    belongs_to(world, Engine.POSTGRESQL, "", names=[name], all_but=False, **by_socket)
    yield [name, name]
    mariadb.sql(f"drop database {name}; drop user {name}@'%'")
    postgresql.sql(f"drop database {name}")


def belongs_to(world: World, engine: Engine, password: str, **columns: object) -> None:
    sealer: Sealer = world.core.extensions["sealer"]
    with transaction() as session:
        site = session.get_one(Site, world.site_id)
        row = add_database(session, site, engine=engine, **columns)
        row.password = sealer.seal(Secret(password), row.password_place)


def back_up(world: World, kind: BackupType) -> UUID:
    with transaction() as session:
        server = session.get_one(Server, world.server_id)
        run = add_run(session, server, session.get_one(Site, world.site_id), kind)
        queue.ring(session, run)
    return run.id


@pytest.fixture
def unseen(tmp_path: Path) -> Iterator[None]:
    """While the test goes on, the password is looked for in the panel's and the server's files, in
    memory, and in command lines and environments."""
    sightings = Sightings()
    sightings.plant("password", PASSWORD)
    sightings.plant("as the clients read it", PASSWORD.replace("\\", "\\\\").replace('"', '\\"'))
    with watching(sightings, files(tmp_path, Path("/dev/shm")), processes(set)):
        yield
    assert sightings.rounds > 5
    assert sightings.seen == set()


@pytest.mark.usefixtures("unseen")
def test_killed_on_the_way_files_and_dumps_are_one_restore_point(
    world: World, names: list[str]
) -> None:
    world.hold()
    run_id = back_up(world, BackupType.FULL)
    world.until(run_id, lambda run: run.stage in {"dump", "archive"}, seconds=30)
    world.processes.kill("worker")
    world.processes.start("worker")
    world.release()
    world.ended(run_id)
    backup = world.backup(run_id)
    with reading() as session:
        census = session.get_one(type(backup), backup.id).census
    assert [(one["name"], one["rows"], one["exact"]) for one in census] == [
        (name, 3, True) for name in names
    ]
    members = world.names(run_id)
    assert members.index("databases/2/dump.pgdump.000000") < members.index(
        f"files{world.files}/index.html"
    )
    until(world.working, lambda left: not left)


def test_a_dump_that_shrinks_is_a_warning_and_a_failed_one_leaves_nothing(
    world: World, names: list[str], mariadb: MariaDb
) -> None:
    first = back_up(world, BackupType.DATABASE)
    world.ended(first)
    assert world.backup(first).warning_count == 0
    mariadb.sql("delete from t", names[0])
    second = back_up(world, BackupType.DATABASE)
    world.ended(second)
    assert [names[0] in warning for warning in world.backup(second).warnings] == [True]
    mariadb.sql(f"alter user {names[0]}@'%' identified by 'another'")
    third = back_up(world, BackupType.DATABASE)
    run = world.ended(third, Status.FAILED)
    assert run.error_code == "DB_AUTH_FAILED"
    kept = {str(world.backup(one).id) for one in (first, second)}
    until(lambda: set(world.left_over()), lambda left: left == kept)


@pytest.mark.usefixtures("unseen")
def test_a_look_at_a_database_says_what_is_there(world: World, names: list[str]) -> None:
    with transaction() as session:
        rows = list(session.scalars(select(Database)))
        runs = [requests.inspect(session, row, None) for row in rows]
        for run in runs:
            queue.ring(session, run)
    for run in runs:
        world.ended(run.id)
    with reading() as session:
        for row in session.scalars(select(Database)):
            found = row.findings or {}
            assert names[0] in [one["name"] for one in found["databases"]]
            assert found["missing"] == []
