"""Databases of a real MariaDB come back, or are as they were, whatever is killed."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    NotCompleted,
    RunKilled,
)
from tests.engine.test_dumps import HOSTILE, MARIADB
from tests.support import comparing
from tests.support import mariadb as mariadb_server
from tests.support.dumped import login_to
from tests.support.mariadb import MariaDb
from tests.support.must_run import must_run
from tests.support.restoring import Restore, Stubs, backed_up, spoilt
from tests.support.until import until

BITING = "sh`op x -- ünï"
CHANGED = """
drop table child; drop view w; drop procedure pr; delete from t; drop table parts;
create table newer (x int); insert into newer values (9); create view v2 as select x from newer;
create procedure pq() select 2; create trigger t2 before update on t for each row set @z = 1;
create event e2 on schedule every 1 hour disable do select 3;
"""
SMALL = """
create table t (x int); insert into t values (1), (2); create view v as select x from t;
create trigger tr before insert on t for each row set @a = 1;
create function f() returns int return 1; create event ev on schedule every 1 day do select 1;
"""
SMALLER = """
drop view v; drop function f; drop event ev; delete from t where x = 1; create table n (y int);
create view w as select y from n; create trigger tr2 before insert on n for each row set @a = 2;
create procedure p() select 1; grant execute on procedure {quoted}.p to 'reader'@'%';
"""


def quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDb]:
    """One that may be killed."""
    if not mariadb_server.is_here():
        must_run("mariadb", "it is not installed")
    with mariadb_server.running() as found:
        found.sql("create user reader@'%'; create user limited@'%' identified by 'right'")
        yield found


def make(server: MariaDb, name: str, content: str) -> None:
    server.sql(f"drop database if exists {quoted(name)}")
    server.sql(f"create database {quoted(name)} character set utf8mb4")
    server.sql(content, name)


def state(server: MariaDb, name: str) -> list[str]:
    """All that it holds, and who may do what with it; without what a dump says of itself."""
    rows = server.sql("select * from mysql.procs_priv order by 1, 2, 3, 4").split("\n")
    rights = [re.sub(r"\t[^\t]*$", "", row) for row in rows]
    return comparing.of_mariadb(server, name) + rights


@pytest.fixture(scope="module")
def small(server: MariaDb, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of SMALL."""
    make(server, "small", SMALL)
    return backed_up(tmp_path_factory.mktemp("small"), Dump(login_to(server), "here", ("small",)))


@pytest.fixture
def stubs(tmp_path: Path) -> Stubs:
    return Stubs(tmp_path / "stubs")


@pytest.fixture
def restore(server: MariaDb, small: Path, tmp_path: Path, stubs: Stubs) -> Iterator[Restore]:
    """SMALL is to come back over SMALLER."""
    for name in ours(server):
        server.sql(f"drop database {name}")
    make(server, "small", SMALL + SMALLER.replace("{quoted}", "small"))
    target = Target(login_to(server), 1, "small", "small")
    yield Restore(tmp_path / "r", small, [target], lock_seconds=1, path=str(stubs.folder))
    for name in ("small", *ours(server)):
        server.sql(f"drop database if exists {name}")
    server.sql("delete from mysql.procs_priv; flush privileges")


def ours(server: MariaDb) -> list[str]:
    """Databases of ours that are beside."""
    return [name for name in server.databases() if name.startswith("cp_")]


def by(server: MariaDb, name: str, user: str, password: str) -> Target:
    return Target(login_to(server, user, password, by_port=True), 1, "small", name)


def test_it_comes_back_as_it_was_and_undo_as_it_had_become(server: MariaDb, tmp_path: Path) -> None:
    make(server, BITING, MARIADB)
    server.sql(f"grant execute on function {quoted(BITING)}.fu to reader@'%'")
    server.sql(f"grant execute on procedure {quoted(BITING)}.pr to reader@'%' with grant option")
    archive = backed_up(tmp_path / "b", Dump(login_to(server), "here", (BITING,)))
    before = comparing.of_mariadb(server, BITING)
    server.sql(CHANGED, BITING)
    server.sql(f"alter database {quoted(BITING)} character set latin1")
    changed = state(server, BITING)
    restore = Restore(tmp_path / "r", archive, [Target(login_to(server), 1, BITING, BITING)])
    restore.done("prepare", "import")
    assert state(server, BITING) == changed
    assert server.sql("select count(*) from information_schema.events").strip() == "2"
    restore.done("swap")
    assert comparing.of_mariadb(server, BITING) == before
    assert "fu\tFUNCTION" in server.sql("select routine_name, routine_type from mysql.procs_priv")
    assert "utf8mb4" in server.sql(f"show create database {quoted(BITING)}")
    assert restore.warnings() == []
    restore.done("back")
    restore.done("back")
    assert state(server, BITING) == changed
    assert "latin1" in server.sql(f"show create database {quoted(BITING)}")
    assert ours(server) == []
    server.sql(f"drop database {quoted(BITING)}; delete from mysql.procs_priv; flush privileges")


STEPS = ["import", "swap", "drop", "rename", "programs", "swapped"]
KILLS = [
    *(("run", step) for step in STEPS),
    *(("client", step) for step in ("drop", "rename", "programs")),
    *(("server", step) for step in ("import", "rename", "programs")),
]
SWAP = ("prepare", "import", "swap")


@pytest.mark.parametrize(("who", "step"), KILLS, ids=lambda word: word)
def test_whatever_is_killed_undo_brings_all_of_it_back(
    server: MariaDb, restore: Restore, stubs: Stubs, who: str, step: str
) -> None:
    before = state(server, "small")
    mark = stubs.folder / "die"
    pid = server.process.pid
    deaths = {
        "run": "kill -KILL 0",
        "client": f"touch {mark}",
        "server": f"kill -KILL {pid}; until grep -q ^State:.Z /proc/{pid}/status; do :; done",
    }
    stubs.when_noted(step, deaths[who])
    if who == "client":
        stubs.put(
            "mariadb",
            f'rm {mark} 2>/dev/null || exec "$real" "$@"\n"$real" "$@" & kill -9 $!; exit 137',
        )
    error = restore.does(*SWAP)
    stubs.remove()
    if who == "client":
        assert isinstance(error, DbImportFailed)  # and is put back by the same run
    elif who == "run":
        assert isinstance(error, RunKilled)
        restore.done("discard" if step == "import" else "back")
    else:
        assert isinstance(error, DbUnreachable | DbConnectionLost)  # as far as it came
        server.process.wait()
        server.start()
        restore.done("discard" if step == "import" else "back")
    assert state(server, "small") == before
    assert ours(server) == []
    restore.done("back")
    assert state(server, "small") == before


@pytest.mark.parametrize("step", ["back", "went_back"])
def test_an_undo_that_is_killed_goes_on(
    server: MariaDb, restore: Restore, stubs: Stubs, step: str
) -> None:
    before = state(server, "small")
    restore.done(*SWAP)
    assert state(server, "small") != before
    stubs.when_noted(step, "kill -KILL 0")
    assert isinstance(restore.does("back"), RunKilled)
    stubs.remove()
    if step == "back":
        assert isinstance(restore.does("forget"), NotCompleted)
    restore.done("back")
    assert state(server, "small") == before
    assert ours(server) == []


def test_what_is_forgotten_is_gone_and_there_is_no_way_back(
    server: MariaDb, restore: Restore
) -> None:
    restore.done(*SWAP)
    after = state(server, "small")
    assert len(ours(server)) == 1
    restore.done("forget")
    restore.done("forget")
    assert ours(server) == []
    assert isinstance(restore.does("back"), NotCompleted)
    assert state(server, "small") == after


def test_a_database_that_is_not_there_is_made_and_undo_takes_it_away(
    server: MariaDb, small: Path, tmp_path: Path
) -> None:
    target = Target(login_to(server), 1, "small", f"{HOSTILE} --")
    restore = Restore(tmp_path / "r", small, [target])
    before = server.databases()
    stubs = Stubs(tmp_path / "stubs")
    stubs.when_noted("created", "kill -KILL 0")
    assert Restore(tmp_path / "r0", small, [target], key="k0", path=str(stubs.folder)).does(*SWAP)
    Restore(tmp_path / "r0", small, [target], key="k0", runs=1).done("back")
    assert server.databases() == before
    restore.done(*SWAP)
    assert server.sql("select count(*) from v", target.name).strip() == "2"
    assert server.sql("select f()", target.name).strip() == "1"
    restore.done("back")
    assert server.databases() == before


def test_who_may_not_is_told_before_anything_is_done(
    server: MariaDb, restore: Restore, small: Path, tmp_path: Path
) -> None:
    before = state(server, "small")
    wrong = Restore(tmp_path / "w", small, [by(server, "small", "limited", "wrong")])
    assert isinstance(wrong.does(*SWAP), DbAuthFailed)
    lacking = Restore(tmp_path / "l", small, [by(server, "small", "limited", "right")])
    server.sql("grant all on small.* to limited@'%'; grant select on mysql.proc to limited@'%'")
    error = lacking.does(*SWAP)
    assert isinstance(error, DbPrivilegeMissing)
    assert "cp_k1_0_new" in str(error)
    server.sql("grant all on `cp\\_%`.* to limited@'%'")
    error = lacking.does(*SWAP)  # programs of root
    assert isinstance(error, DbPrivilegeMissing)
    assert "root@localhost" in str(error)
    assert (state(server, "small"), ours(server)) == (before, [])
    server.sql("revoke all, grant option from limited@'%'")


def test_what_is_in_the_way_is_named(server: MariaDb, restore: Restore) -> None:
    server.sql("create database cp_k1_0_new")
    error = restore.does("prepare")
    assert isinstance(error, DbInTheWay)
    server.sql("drop database cp_k1_0_new")
    server.sql("create table parent (id int primary key)", "small")
    server.sql("create database other; create table other.kid (p int references small.parent (id))")
    error = restore.does("prepare")
    server.sql("drop database other")
    assert isinstance(error, DbInTheWay)
    assert "other.kid" in str(error)
    assert restore.journal() == []


def test_a_lock_is_not_waited_for_and_nothing_is_changed(server: MariaDb, restore: Restore) -> None:
    before = state(server, "small")
    session = server.speaking("begin; select count(*) from t; select 'held';", "small")
    assert session.stdin
    assert session.stdout
    until(session.stdout.readline, lambda line: b"held" in line)
    try:
        assert isinstance(restore.does(*SWAP), DbLockTimeout)
        assert state(server, "small") == before
    finally:
        session.stdin.close()
        session.wait()
        session.stdout.close()
    assert ours(server) == []


def lose_a_row(census: dict[str, list[list[object]]]) -> None:
    census["rows_by_table"][0][1] = 3


def lose_a_table(census: dict[str, list[list[object]]]) -> None:
    census["rows_by_table"].append(["gone", 0])


@pytest.mark.parametrize("change", [lose_a_row, lose_a_table])
def test_what_is_not_what_the_archive_says_takes_nobodys_place(
    server: MariaDb, restore: Restore, tmp_path: Path, change: object
) -> None:
    before = state(server, "small")
    restore.archive = spoilt(restore.archive, tmp_path / "spoilt", change)  # type: ignore[arg-type]
    error = restore.does(*SWAP)
    assert isinstance(error, DumpIncomplete)
    assert "in place of 3" in str(error) or "no table gone" in str(error)
    assert (state(server, "small"), ours(server)) == (before, [])


def test_an_estimate_of_rows_is_not_compared(
    server: MariaDb, restore: Restore, tmp_path: Path
) -> None:
    def unsure(census: dict[str, object]) -> None:
        lose_a_row(census)  # type: ignore[arg-type]
        census["exact"] = False

    restore.archive = spoilt(restore.archive, tmp_path / "spoilt", unsure)
    restore.done(*SWAP)


@pytest.mark.parametrize("name", ["TERM", "KILL"])
def test_a_stop_in_the_middle_of_an_import_leaves_nothing(
    server: MariaDb, restore: Restore, stubs: Stubs, name: str
) -> None:
    before = state(server, "small")
    held = stubs.folder / "held"
    wait = f"touch {held}; while [ -e {held} ]; do sleep 0.02; done"
    stubs.put("tar", f'[[ $* != *tables.sql* ]] || {{ "$real" "$@" | head -c 1500; {wait}; }}')
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


def test_definers_that_are_not_there_are_named_or_replaced(server: MariaDb, tmp_path: Path) -> None:
    server.sql("create user author@localhost; grant all on *.* to author@localhost")
    make(
        server,
        "small",
        "create definer=author@localhost function f() returns int return 1;"
        "create definer=author@localhost view v as select 1 as one",
    )
    archive = backed_up(tmp_path / "b", Dump(login_to(server), "here", ("small",)))
    server.sql("drop user author@localhost")
    restore = Restore(tmp_path / "r", archive, [Target(login_to(server), 1, "small", "copied")])
    restore.done(*SWAP)
    (warning,) = restore.warnings() or [""]
    assert "author@localhost" in warning
    restore.done("back")
    stripped = Target(login_to(server), 1, "small", "copied", strip_definers=True)
    restore = Restore(tmp_path / "s", archive, [stripped], key="k2")
    restore.done(*SWAP)
    assert restore.warnings() == []
    assert server.sql("select f()", "copied").strip() == "1"
    definers = server.sql(
        "select definer from information_schema.routines where routine_schema = 'copied'"
    )
    assert definers.split() == ["root@localhost"]
    restore.done("back")
    server.sql("drop database small")


def test_in_place_is_over_what_is_there_and_the_way_back_is_another(
    server: MariaDb, restore: Restore
) -> None:
    restore.targets = [Target(login_to(server), 1, "small", "small", Method.IN_PLACE)]
    restore.done(*SWAP)
    assert server.sql("select count(*) from t", "small").strip() == "2"
    assert server.sql("select f()", "small").strip() == "1"
    error = restore.does("back")
    assert isinstance(error, NotCompleted)
    assert (restore.kept / "db-0/way_back").read_text() == "safe-mode\n"
    restore.done("forget")
    assert ours(server) == []


def test_a_dump_that_the_server_does_not_take_changes_nothing(
    server: MariaDb, restore: Restore, stubs: Stubs
) -> None:
    before = state(server, "small")
    stubs.put("tar", '[[ $* != *tables.sql* ]] || { "$real" "$@"; echo "no sql;"; exit; }')
    assert isinstance(restore.does(*SWAP), DbImportFailed)
    assert (state(server, "small"), ours(server)) == (before, [])


def test_a_client_is_told_by_no_dump_to_run_a_command(
    server: MariaDb, restore: Restore, stubs: Stubs, tmp_path: Path
) -> None:
    proof = tmp_path / "proof"
    stubs.put(
        "tar", f'[[ $* != *tables.sql* ]] || {{ "$real" "$@"; echo "\\\\! touch {proof}"; exit; }}'
    )
    assert restore.does(*SWAP)
    assert not proof.exists()
