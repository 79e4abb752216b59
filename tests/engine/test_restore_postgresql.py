"""Databases of a real PostgreSQL come back, or are as they were, whatever is killed."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudpilot.engine.restored_databases import Method, Target
from cloudpilot.engine.script import Dump
from cloudpilot.errors import (
    DbAuthFailed,
    DbImportFailed,
    DbInTheWay,
    DbPrivilegeMissing,
    DbUnreachable,
    DumpIncomplete,
    InvalidConfig,
    NotCompleted,
    RunKilled,
)
from tests.engine.test_dumps import HOSTILE, POSTGRESQL
from tests.support import comparing
from tests.support import postgresql as postgresql_server
from tests.support.dumped import login_to
from tests.support.must_run import must_run
from tests.support.postgres import programs
from tests.support.postgresql import PostgreSql
from tests.support.restoring import Restore, Stubs, backed_up, spoilt
from tests.support.until import until

SWAP = ("prepare", "import", "swap")
SMALL = "create table t (x int); insert into t values (1), (2); create view v as select x from t"
SMALLER = "drop view v; delete from t where x = 1; create table n (y int)"
SETTINGS = """
alter database small set work_mem = '7MB';
alter database small set search_path = "$user", "odd ""n", public;
alter role reader in database small set statement_timeout = '9s';
alter database small connection limit 40; comment on database small is 'it''s \\ ours';
revoke connect on database small from public;
grant connect, temporary on database small to reader with grant option;
alter database small owner to keeper;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSql]:
    """One that may be killed."""
    if programs() is None:
        must_run("postgresql", "it is not installed")
    with postgresql_server.running() as found:
        found.sql(
            "create role reader; create role keeper; create role limited login password 'right'"
        )
        yield found


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def make(server: PostgreSql, name: str, content: str) -> None:
    server.sql(f"create database {quoted(name)}")
    server.sql(content, name)


def drop(server: PostgreSql, *names: str) -> None:
    for name in names:
        server.sql(f"drop database if exists {quoted(name)} with (force)")


def state(server: PostgreSql, name: str) -> list[str]:
    """All that it holds and all that is set for it."""
    return comparing.of_postgresql(server, name) + settings(server, name)


def settings(server: PostgreSql, name: str) -> list[str]:
    """What pg_dump says of the database itself."""
    text = server.dump("--create", "--schema-only", "--exclude-schema=*", name)
    told = re.compile(r"(ALTER|CREATE|COMMENT ON|GRANT .* ON|REVOKE .* ON) (DATABASE|ROLE) ")
    return sorted(line for line in text.split("\n") if told.match(line))


def ours(server: PostgreSql) -> list[str]:
    """Databases of ours that are beside."""
    return [name for name in server.databases() if name.startswith("cp_")]


@pytest.fixture(scope="module")
def small(server: PostgreSql, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of SMALL, with settings of its own."""
    make(server, "small", SMALL)
    server.sql(SETTINGS)
    folder = tmp_path_factory.mktemp("small")
    archive = backed_up(folder, Dump(login_to(server), "here", ("small",)))
    drop(server, "small")
    return archive


@pytest.fixture
def stubs(tmp_path: Path) -> Stubs:
    return Stubs(tmp_path / "stubs")


@pytest.fixture
def restore(server: PostgreSql, small: Path, tmp_path: Path, stubs: Stubs) -> Iterator[Restore]:
    """SMALL is to come back over SMALLER."""
    drop(server, "small", *ours(server))
    make(server, "small", f"{SMALL};{SMALLER}")
    server.sql(SETTINGS.replace("7MB", "8MB"))
    yield Restore(tmp_path / "r", small, [target(server)], path=str(stubs.folder))
    drop(server, "small", *ours(server))


def target(server: PostgreSql, name: str = "small", **how: object) -> Target:
    return Target(login_to(server), 1, "small", name, **how)  # type: ignore[arg-type]


def as_limited(server: PostgreSql, password: str = "right") -> Target:
    return Target(login_to(server, "limited", password, by_port=True), 1, "small", "small")


def test_it_comes_back_as_it_was_and_undo_as_it_had_become(
    server: PostgreSql, tmp_path: Path
) -> None:
    name = "bi\"ti'ng \\ -- ünï"
    make(server, name, POSTGRESQL.replace('"{name}"', quoted(name)))
    archive = backed_up(tmp_path / "b", Dump(login_to(server), "here", (name,)))
    before = state(server, name)
    server.sql("drop table p; create table newer (x int); delete from t; drop view v", name)
    changed = state(server, name)
    restore = Restore(tmp_path / "r", archive, [Target(login_to(server), 1, name, name)])
    restore.done("prepare", "import")
    assert state(server, name) == changed
    site = server.speaking("select 'here';", name)
    restore.done("swap")
    assert state(server, name) == before
    assert server.sql("select count(*) from pg_stat_activity where datname ~ '_old$'") == "0\n"
    assert restore.warnings() == []
    assert site.stdin
    assert site.stdout
    site.stdin.close()
    site.wait()
    site.stdout.close()
    restore.done("back")
    restore.done("back")
    assert state(server, name) == changed
    assert ours(server) == []
    drop(server, name)
    server.sql('drop role "ro ""le"')


def test_all_that_was_set_for_the_old_one_is_set_for_the_new_one(
    server: PostgreSql, restore: Restore
) -> None:
    before = settings(server, "small")
    assert any("8MB" in line for line in before)
    restore.done(*SWAP)
    assert settings(server, "small") == before
    assert restore.warnings() == []
    assert server.sql("select count(*) from v", "small") == "2\n"
    restore.done("forget")
    restore.done("forget")
    assert ours(server) == []
    assert isinstance(restore.does("back"), NotCompleted)
    assert settings(server, "small") == before


KILLS = [
    *(("run", step) for step in ("import", "swap", "swapped", "back", "went_back")),
    ("server", "import"),
    ("server", "swap"),
]


@pytest.mark.parametrize(("who", "step"), KILLS, ids=lambda word: word)
def test_whatever_is_killed_undo_brings_all_of_it_back(
    server: PostgreSql, restore: Restore, stubs: Stubs, who: str, step: str
) -> None:
    before = state(server, "small")
    data = server.home / "data"
    stop = f"{programs()}/pg_ctl -D {data} -m immediate stop"
    deaths = {
        "run": "kill -KILL 0",
        "server": f"setpriv --reuid $(stat -c %u {data}) --clear-groups {stop} >/dev/null",
    }
    stubs.when_noted(step, deaths[who])
    steps = (*SWAP, "back") if step.endswith("back") else SWAP
    error = restore.does(*steps)
    stubs.remove()
    if who == "run":
        assert isinstance(error, RunKilled)
        restore.done("discard" if step == "import" else "back")
    else:
        assert isinstance(error, DbUnreachable)
        server.start()
        restore.done("discard" if step == "import" else "back")
    assert state(server, "small") == before
    assert ours(server) == []
    restore.done("back")
    assert state(server, "small") == before


@pytest.mark.parametrize("who", ["run", "client"])
def test_killed_in_the_middle_of_the_swap_it_has_not_happened(
    server: PostgreSql, restore: Restore, who: str
) -> None:
    before = state(server, "small")
    holds = "begin; lock table pg_database in share mode; select 'held';"
    restore.done("prepare", "import")
    session = server.speaking(holds, "postgres")
    assert session.stdin
    assert session.stdout
    until(session.stdout.readline, lambda line: b"held" in line)
    process = restore.start("swap")
    waits = "select count(*) from pg_locks l join pg_stat_activity a using (pid)"
    until(
        lambda: server.sql(f"{waits} where not granted and application_name = 'cp-k1-0'"),
        "1\n".__eq__,
    )
    if who == "run":
        restore.kill(process)
    else:
        os.kill(client(), signal.SIGKILL)
    session.stdin.close()
    session.wait()
    session.stdout.close()
    if who == "run":
        restore.done("back")
    else:
        assert restore.ends(process)
        assert restore.journal()[-2:] == ["back", "went_back"]
    assert state(server, "small") == before
    assert ours(server) == []


def client() -> int:
    """The psql of a restore."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        words = path.read_bytes().split(b"\0")
        if words[0].endswith(b"psql") and any(b"cp-k1-0" in word for word in words):
            return int(path.parent.name)
    raise AssertionError("no psql is at work")


def test_a_database_that_is_not_there_is_made_with_what_was_set_and_undo_takes_it_away(
    server: PostgreSql, small: Path, tmp_path: Path
) -> None:
    before = server.databases()
    name = f"{HOSTILE} --"
    restore = Restore(tmp_path / "r", small, [target(server, name)])
    restore.done(*SWAP)
    assert server.sql("select count(*) from v", name) == "2\n"
    found = " ".join(settings(server, name))
    for word in ("7MB", "9s", "CONNECTION LIMIT = 40", "it''s", "TO reader WITH GRANT", "keeper"):
        assert word in found
    assert restore.warnings() == []
    restore.done("back")
    assert server.databases() == before


def test_it_may_belong_to_another_role(server: PostgreSql, small: Path, tmp_path: Path) -> None:
    restore = Restore(tmp_path / "r", small, [target(server, "mapped", owner="reader")])
    restore.done(*SWAP)
    owners = "select tableowner from pg_tables where tablename = 't'"
    assert server.sql(owners, "mapped") == "reader\n"
    whose = "select pg_get_userbyid(datdba) from pg_database where datname = 'mapped'"
    assert server.sql(whose) == "reader\n"
    restore.done("back")
    restore = Restore(tmp_path / "n", small, [target(server, "mapped", owner="nobody")])
    assert isinstance(restore.does("prepare"), DbInTheWay)


def test_who_may_not_is_told_before_anything_is_done(
    server: PostgreSql, restore: Restore, small: Path, tmp_path: Path
) -> None:
    before = state(server, "small")
    wrong = Restore(tmp_path / "w", small, [as_limited(server, "wrong")])
    assert isinstance(wrong.does(*SWAP), DbAuthFailed)
    lacking = Restore(tmp_path / "l", small, [as_limited(server)])
    error = lacking.does(*SWAP)
    assert isinstance(error, DbPrivilegeMissing)
    assert "CREATEDB" in str(error)
    server.sql("alter role limited createdb")
    error = lacking.does(*SWAP)
    assert isinstance(error, DbPrivilegeMissing)
    assert "own" in str(error)
    server.sql("alter database small owner to limited")
    with_somebody = server.speaking("select 'in';", "small")
    assert with_somebody.stdin
    assert with_somebody.stdout
    until(with_somebody.stdout.readline, lambda line: b"in" in line)
    error = lacking.does(*SWAP)
    assert isinstance(error, DbInTheWay)
    assert "superuser" in str(error)
    with_somebody.stdin.close()
    with_somebody.wait()
    with_somebody.stdout.close()
    server.sql("alter role limited nocreatedb; alter database small owner to keeper")
    assert (state(server, "small"), ours(server)) == (before, [])


def test_what_is_in_the_way_is_named(server: PostgreSql, restore: Restore) -> None:
    server.sql("create database cp_k1_0_old")
    assert isinstance(restore.does("prepare"), DbInTheWay)
    server.sql("drop database cp_k1_0_old")
    restore.targets = [target(server, "template1")]
    assert isinstance(restore.does("prepare"), InvalidConfig)
    assert restore.journal() == []


def lose_a_row(census: dict[str, list[list[object]]]) -> None:
    census["rows_by_table"][0][1] = 3


def lose_a_view(census: dict[str, int]) -> None:
    census["views"] = 2


@pytest.mark.parametrize("change", [lose_a_row, lose_a_view])
def test_what_is_not_what_the_archive_says_takes_nobodys_place(
    server: PostgreSql, restore: Restore, tmp_path: Path, change: object
) -> None:
    before = state(server, "small")
    restore.archive = whole(restore.archive, tmp_path / "spoilt", change)
    error = restore.does(*SWAP)
    assert isinstance(error, DumpIncomplete)
    assert "in place of" in str(error)
    assert (state(server, "small"), ours(server)) == (before, [])


def whole(archive: Path, folder: Path, change: object) -> Path:
    return spoilt(archive, folder, change)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["TERM", "KILL"])
def test_a_stop_in_the_middle_of_an_import_leaves_nothing(
    server: PostgreSql, restore: Restore, stubs: Stubs, name: str
) -> None:
    before = state(server, "small")
    held = stubs.folder / "held"
    wait = f"touch {held}; while [ -e {held} ]; do sleep 0.02; done"
    count = stubs.folder / "count"  # its beginning is read twice before
    second = f'echo >>{count}; (($(wc -l <{count}) > 2)) || exec "$real" "$@"'
    body = f'{second}; "$real" "$@" | head -c 1500; {wait}'
    stubs.put("tar", f"[[ $* != *dump.pgdump* ]] || {{ {body}; }}")
    process = restore.start(*SWAP)
    until(held.exists, bool)
    until(lambda: ours(server), bool)
    if name == "TERM":
        process.send_signal(signal.SIGTERM)
        assert isinstance(restore.ends(process), RunKilled)
    else:
        restore.kill(process)
        restore.done("discard")
    assert (state(server, "small"), ours(server)) == (before, [])


def test_a_role_that_is_missing_is_named_and_nothing_is_changed(
    server: PostgreSql, tmp_path: Path
) -> None:
    server.sql("create role author")
    make(server, "authored", "create table t (x int); alter table t owner to author")
    archive = backed_up(tmp_path / "b", Dump(login_to(server), "here", ("authored",)))
    server.sql("reassign owned by author to owner; drop role author", "authored")
    one = Target(login_to(server), 1, "authored", "authored")
    before = state(server, "authored")
    error = Restore(tmp_path / "r", archive, [one]).does(*SWAP)
    assert isinstance(error, DbInTheWay)
    assert "author" in str(error)
    assert (state(server, "authored"), ours(server)) == (before, [])
    drop(server, "authored")


def test_in_place_is_all_or_nothing(server: PostgreSql, restore: Restore, stubs: Stubs) -> None:
    server.sql("drop table n", "small")  # one that the dump does not know would stay
    before = state(server, "small")
    restore.targets = [target(server, method=Method.IN_PLACE)]
    stubs.put("tar", '[[ $* != *dump.pgdump* ]] || { "$real" "$@" | head -c -20; exit; }')
    assert isinstance(restore.does(*SWAP), DbImportFailed)
    assert state(server, "small") == before
    restore.done("back")
    stubs.remove()
    again = Restore(restore.folder.with_name("again"), restore.archive, restore.targets, key="k2")
    again.done(*SWAP)
    assert server.sql("select count(*) from v", "small") == "2\n"
    assert isinstance(again.does("back"), NotCompleted)
    assert (again.kept / "db-0/way_back").read_text() == "safe-mode\n"
    again.done("forget")
