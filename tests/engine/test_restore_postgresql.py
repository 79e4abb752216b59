"""Databases of a real PostgreSQL come back, or are as they were, whatever is killed."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudpilot.engine.program import REMOTE
from cloudpilot.engine.restored_databases import Method, Target
from cloudpilot.engine.script import Dump
from cloudpilot.errors import (
    DbAuthFailed,
    DbConnectionLost,
    DbImportFailed,
    DbInTheWay,
    DbLockTimeout,
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
    deaths = {"run": "kill -KILL 0", "server": stops(server)}
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


@pytest.fixture
def owned(server: PostgreSql, tmp_path: Path) -> Iterator[Restore]:
    """What an owner without CREATEDB has, changed since, is to come back in place."""
    drop(server, "small")
    make(server, "small", "")
    server.sql("alter database small owner to limited")
    server.sql(SMALL, "small", user="limited")
    login = login_to(server, "limited", "right", by_port=True)
    archive = backed_up(tmp_path / "b", Dump(login, "here", ("small",)))
    server.sql("delete from t where x = 1; create table n (y int)", "small", user="limited")
    one = Target(login, 1, "small", "small", Method.IN_PLACE)
    yield Restore(tmp_path / "r", archive, [one])
    drop(server, "small")


def marks(server: PostgreSql) -> str:
    """What a restore in place has left in the database."""
    return server.sql("select nspname from pg_namespace where nspname ~ '^cp_'", "small")


def test_in_place_it_is_restored_by_its_owner_who_may_not_create_databases(
    server: PostgreSql, owned: Restore
) -> None:
    owned.done(*SWAP)
    assert server.sql("select count(*) from v", "small") == "2\n"
    assert server.sql("select count(*) from n", "small") == "0\n"  # the dump does not know it
    assert (marks(server), ours(server), owned.warnings()) == ("", [], [])
    assert "stays" in str(owned.does("undoable"))
    assert isinstance(owned.does("back"), NotCompleted)
    assert (owned.kept / "db-0/way_back").read_text() == "safe-mode\n"
    owned.done("forget")


def test_what_does_not_come_in_whole_is_not_committed(
    server: PostgreSql, owned: Restore, stubs: Stubs
) -> None:
    before = state(server, "small")
    owned.path = str(stubs.folder)
    stubs.put("tar", '[[ $* != *dump.pgdump* ]] || { "$real" "$@" | head -c -20; exit; }')
    assert isinstance(owned.does(*SWAP), DbImportFailed)
    assert (state(server, "small"), marks(server)) == (before, "")
    assert owned.journal()[-1] == "went_back"
    owned.done("undoable")


def test_what_hangs_on_what_is_replaced_keeps_it_from_happening(
    server: PostgreSql, owned: Restore
) -> None:
    server.sql("create view w as select x from t", "small")
    before = state(server, "small")
    error = owned.does(*SWAP)
    assert isinstance(error, DbImportFailed)
    assert "t" in str(error)
    assert (state(server, "small"), marks(server)) == (before, "")


def test_what_is_swapped_is_so_before_and_goes_back_with_it(
    server: PostgreSql, owned: Restore
) -> None:
    """Whatever their order."""
    server.sql("create view w as select x from t", "small")
    before = state(server, "small"), server.databases()
    owned.targets = [*owned.targets, target(server, "second")]
    assert isinstance(owned.does(*SWAP), DbImportFailed)
    assert (state(server, "small"), server.databases()) == before
    assert "swapped" in owned.journal(1)
    assert owned.journal(1)[-1] == "went_back"


@pytest.mark.parametrize("change", [lose_a_row, lose_a_view])
def test_in_place_it_is_compared_before_it_is_committed(
    server: PostgreSql, owned: Restore, tmp_path: Path, change: object
) -> None:
    before = state(server, "small")
    owned.archive = whole(owned.archive, tmp_path / "spoilt", change)
    error = owned.does(*SWAP)
    assert isinstance(error, DumpIncomplete)
    assert "in place of" in str(error)
    assert (state(server, "small"), marks(server)) == (before, "")


def test_a_lock_that_somebody_holds_is_not_waited_for_without_end(
    server: PostgreSql, owned: Restore
) -> None:
    before = state(server, "small")
    owned.lock_seconds = 1
    session = server.speaking("begin; select x from t limit 1;", "small")
    assert session.stdin
    assert session.stdout
    until(session.stdout.readline, bool)
    error = owned.does(*SWAP)
    session.stdin.close()
    session.wait()
    session.stdout.close()
    assert isinstance(error, DbLockTimeout)
    assert state(server, "small") == before


@pytest.mark.parametrize("who", ["run", "server"])
def test_killed_before_its_commit_nothing_has_happened(
    server: PostgreSql, owned: Restore, stubs: Stubs, who: str
) -> None:
    """All is in it, and has been compared."""
    before = state(server, "small")
    owned.path = str(stubs.folder)
    deaths = {"run": "kill -KILL 0", "server": stops(server)}
    stubs.put("perl", f'[[ $1 != compare.pl ]] || {{ "$real" "$@"; {deaths[who]}; exit; }}')
    error = owned.does(*SWAP)
    stubs.remove()
    if who == "server":
        assert isinstance(error, DbConnectionLost)
        assert isinstance(owned.does("undoable"), DbUnreachable)
        server.start()
    else:
        assert isinstance(error, RunKilled)
    owned.done("undoable")
    owned.done("back")
    assert (state(server, "small"), marks(server)) == (before, "")
    assert owned.journal()[-2:] == ["in-place", "went_back"]


@pytest.mark.parametrize("who", ["run", "server"])
def test_killed_after_its_commit_and_before_that_was_noted_it_is_done(
    server: PostgreSql, owned: Restore, who: str
) -> None:
    deaths = {"run": "kill -KILL 0", "server": f"{stops(server)}; kill -KILL 0"}
    owned.changed = ("  note swapped\n  postgresql_unmark\n", f"  {deaths[who]}\n")
    assert isinstance(owned.does(*SWAP), RunKilled)
    owned.changed = None
    assert owned.journal()[-1] == "in-place"
    if who == "server":
        server.start()
    assert marks(server) == "cp_k1_0_restored\n"
    for _ in range(2):
        assert "stays" in str(owned.does("undoable"))
        assert marks(server) == ""
    assert server.sql("select count(*) from v", "small") == "2\n"
    assert owned.journal()[-1] == "swapped"
    assert isinstance(owned.does("back"), NotCompleted)
    assert server.sql("select count(*) from v", "small") == "2\n"


def stops(server: PostgreSql) -> str:
    """What kills the server."""
    data = server.home / "data"
    stop = f"{programs()}/pg_ctl -D {data} -m immediate stop"
    return f"setpriv --reuid $(stat -c %u {data}) --clear-groups {stop} >/dev/null"


def test_no_dump_gives_psql_a_command(tmp_path: Path) -> None:
    """What it is told is what pg_restore writes, which forbids that; else nothing is told."""
    told = "SET lock_timeout = 0;\nselect 1;\nCOMMIT;\n\n--\n-- complete\n--\n\n"
    forbids, ends = "--\n-- dump\n--\n\n\\restrict k1\n\n", "\\unrestrict k1\n\n"
    assert uncommitted(f"{forbids}{told}{ends}") == (
        0,
        "--\n-- dump\n--\n\n\\restrict k1\n\nselect 1;\n\\unrestrict k1\n",
    )
    assert uncommitted(f"--\n-- dump\n--\n\n{told}") == (78, "")
    assert uncommitted(f"select 1;\n{forbids}{told}{ends}") == (78, "")
    assert uncommitted(f"{forbids}{told}")[0] == 94
    assert uncommitted(f"{forbids}{told}{ends}".replace("COMMIT", "COMMI"))[0] == 94


def uncommitted(script: str) -> tuple[int, str]:
    command = ["perl", REMOTE / "uncommitted.pl"]
    done = subprocess.run(command, check=False, input=script, capture_output=True, text=True)
    return done.returncode, done.stdout
