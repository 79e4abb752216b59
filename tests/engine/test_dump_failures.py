"""Dumps that meet trouble: each ends in its own failure, and nothing looks like a backup.

The tools that dump are held or killed by stubs in front of them; the database servers are real.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import pytest

from cloudpilot.engine import detached, script
from cloudpilot.engine.detached import Place
from cloudpilot.engine.logins import Login
from cloudpilot.engine.script import Contents, Dump
from cloudpilot.errors import (
    CloudPilotError,
    DbAuthFailed,
    DbConnectionLost,
    DbLockTimeout,
    DbNotFound,
    DbPrivilegeMissing,
    DbUnreachable,
    DiskFull,
    DumpIncomplete,
    RunKilled,
    RunStopped,
    ToolMissing,
)
from cloudpilot.kinds import Compression, Engine
from cloudpilot.secrets import Secret
from tests.engine.conftest import Backups, left_of, mounted
from tests.engine.test_detached import running, script_process
from tests.engine.test_files_failures import process
from tests.support import mariadb as mariadb_server
from tests.support import postgresql as postgresql_server
from tests.support.canaries import Sightings, files, processes, watching
from tests.support.dumped import login_to
from tests.support.machine import machine
from tests.support.mariadb import MariaDb
from tests.support.postgresql import PostgreSql
from tests.support.sshd import Sshd
from tests.support.tools import Tools
from tests.support.until import until

PASSWORD = 'it\'s "#a" \\ $(secret) ünï'
READS = "[[ ${3:-} == @(mysql|archive) ]]"  # members.pl NAME FORMAT
NEEDED = "select, show view, trigger, event"
Server = MariaDb | PostgreSql


@pytest.fixture
def backups(stubbed: tuple[Sshd, Path], tmp_path: Path) -> Iterator[Backups]:
    with stubbed[0].session() as session:
        yield Backups(session, tmp_path / "root")


@pytest.fixture
def user(mariadb: MariaDb) -> Iterator[str]:
    """A user of MariaDB who may do nothing yet."""
    name = f"u{uuid4().hex[:8]}"
    quoted = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
    mariadb.sql(f"create user {name}@'%' identified by '{quoted}'")
    yield name
    mariadb.sql(f"drop user {name}@'%'")


@pytest.fixture
def shop(mariadb: MariaDb) -> Iterator[str]:
    """A database of MariaDB with something of every kind."""
    name = f"cp_{uuid4().hex[:8]}"
    mariadb.sql(
        f"""create database {name}; use {name};
        create table t (x int); insert into t values (1), (2); create view v as select x from t;
        create trigger tr before insert on t for each row set @a = 1;
        create procedure pr() select 1; create event ev on schedule every 1 day do select 1;"""
    )
    yield name
    mariadb.sql(f"drop database {name}")


@pytest.fixture
def store(postgresql: PostgreSql) -> Iterator[str]:
    """A database of PostgreSQL."""
    name = f"cp_{uuid4().hex[:8]}"
    postgresql.sql(f"create database {name}")
    postgresql.sql("create table t (x int); insert into t values (1), (2)", name)
    yield name
    postgresql.sql(f"drop database {name} with (force)")


def fails(backups: Backups, server: Server, name: str, user: str = "", **more: object) -> str:
    """The code and the sentence of a dump that does not succeed."""
    password = str(more.pop("password", PASSWORD if user else ""))
    dump = Dump(login_to(server, user, password, by_port=bool(user)), "here", (name,))
    error = backups.fails(dumps=(dump,), **more).error
    assert isinstance(error, CloudPilotError)
    return f"{error.code}: {error}"


@pytest.mark.parametrize("missing", ["select", "show view", "trigger", "event", "proc"])
def test_without_a_right_there_is_no_dump(
    backups: Backups, mariadb: MariaDb, user: str, shop: str, missing: str
) -> None:
    """Most of these would be missing from the dump without a word."""
    rights = ", ".join(right for right in NEEDED.split(", ") if right != missing)
    mariadb.sql(f"grant {rights} on {shop}.* to {user}@'%'")
    mariadb.sql(f"grant select on {shop}.t to {user}@'%'")
    if missing != "proc":
        mariadb.sql(f"grant select on mysql.proc to {user}@'%'")
    said = fails(backups, mariadb, shop, user)
    assert said.startswith(f"{DbPrivilegeMissing.code}: ")
    assert ("mysql.proc" if missing == "proc" else missing.upper()) in said


def test_the_name_of_a_database_is_no_right(
    backups: Backups, mariadb: MariaDb, user: str, shop: str
) -> None:
    rights = f"GRANT {NEEDED.upper()} ON *.* TO `x`@`%`"
    forged = f"{rights}".replace("`", "``")
    mariadb.sql(f"grant select, show view, event on {shop}.* to {user}@'%'")
    mariadb.sql(f"grant select on mysql.proc to {user}@'%'")
    mariadb.sql(f"grant select on `a\n{forged}`.* to {user}@'%'".replace("\\n", "\n"))
    assert fails(backups, mariadb, shop, user).startswith(f"{DbPrivilegeMissing.code}: ")


@pytest.mark.parametrize("by_role", [False, True])
def test_with_the_rights_of_a_reader_it_is_whole(
    backups: Backups, mariadb: MariaDb, user: str, shop: str, by_role: bool
) -> None:
    holder = f"{user}@'%'"
    if by_role:
        mariadb.sql(f"create role r_{user}; grant r_{user} to {holder}")
        mariadb.sql(f"set default role r_{user} for {holder}")
        holder = f"r_{user}"
    pattern = shop.replace("_", "\\_")
    mariadb.sql(f"grant {NEEDED} on `{pattern}`.* to {holder}")
    mariadb.sql(f"grant select on mysql.proc to {holder}")
    login = login_to(mariadb, user, PASSWORD, by_port=True)
    made = backups.make(dumps=(Dump(login, "here", (shop,)),))
    if by_role:
        mariadb.sql(f"drop role r_{user}")
    said = " ".join(made.report.census)
    for kind in ("tables 1", "views 1", "triggers 1", "routines 1", "events 1", "rows 2"):
        assert f"V {kind}" in said


def test_a_wrong_password_says_so(
    backups: Backups, mariadb: MariaDb, postgresql: PostgreSql, user: str, shop: str, store: str
) -> None:
    postgresql.sql(f"create role {user} login password 'right'")
    wrong = "wrong password"
    for server, name in ((mariadb, shop), (postgresql, store)):
        said = fails(backups, server, name, user, password=wrong)
        assert said.startswith(f"{DbAuthFailed.code}: ")
        assert wrong not in said
    postgresql.sql(f"drop role {user}")


def test_a_database_that_is_not_there_says_so(
    backups: Backups, mariadb: MariaDb, postgresql: PostgreSql
) -> None:
    for server in (mariadb, postgresql):
        said = fails(backups, server, "no_such_thing")
        assert said.startswith(f"{DbNotFound.code}: ")
        assert "no_such_thing" in said


@pytest.mark.parametrize("module", [mariadb_server, postgresql_server])
def test_a_server_that_is_down_says_so(backups: Backups, module: ModuleType) -> None:
    with module.running() as server:
        server.kill()
        said = fails(backups, server, "x")
        server.start()
    assert said.startswith(f"{DbUnreachable.code}: ")


def test_what_a_reader_of_postgresql_may_not_see_is_a_failure(
    backups: Backups, postgresql: PostgreSql, store: str
) -> None:
    reader = f"r{uuid4().hex[:8]}"
    postgresql.sql(
        f"create role {reader} login password '{PASSWORD.replace(chr(39), chr(39) * 2)}'"
    )
    assert fails(backups, postgresql, store, reader).startswith(f"{DbPrivilegeMissing.code}: ")
    postgresql.sql(f"grant pg_read_all_data to {reader}")
    dump = Dump(login_to(postgresql, reader, PASSWORD, by_port=True), "here", (store,))
    made = backups.make(dumps=(dump,))
    assert "V rows 2" in made.report.census
    postgresql.sql("alter table t enable row level security", store)
    assert fails(backups, postgresql, store, reader).startswith(f"{DbPrivilegeMissing.code}: ")
    postgresql.sql(f"drop role {reader}")


HIDE = """
mkdir -p /usr/local/real /usr/local/none
mount --bind /usr/bin /usr/local/real
mount -t tmpfs tmpfs /usr/bin
/usr/local/real/ln -s /usr/local/real/* /usr/bin/
rm -f /usr/bin/mariadb-dump /usr/bin/mysqldump /usr/bin/pg_dump
mount --bind /usr/local/none /usr/lib/postgresql
"""


@pytest.mark.parametrize("engine", [Engine.MARIADB, Engine.POSTGRESQL])
def test_a_tool_that_is_missing_says_so(tmp_path: Path, engine: Engine) -> None:
    login = Login(engine, "127.0.0.1", 1, "", "u", Secret("p"))
    with machine(tmp_path) as found:
        found.set_up()
        found.as_root(HIDE)
        with found.session() as session:
            place = Place(found.root, str(uuid4()), "r1")
            what = Contents(
                paths=(),
                excludes=(),
                compression=Compression.GZIP,
                archive="a.tar.gz",
                backup_root=found.root,
                plan=b"{}",
                dumps=(Dump(login, "here", ("x",)),),
            )
            detached.launch(session, place, script.backup(what), what.secrets())
            error = found.over(session, place).error
    assert isinstance(error, ToolMissing)
    assert "dump" in str(error)


class Held:
    """A dump of many megabytes that stops on its way, as long as the gate is there."""

    def __init__(self, tools: Tools, server: Server, name: str, after: int) -> None:
        self.tools, self.server, self.name = tools, server, name
        rows = "seq_1_to_20000" if isinstance(server, MariaDb) else "generate_series(1, 20000)"
        text = "create table big (x text); insert into big select repeat('x', 1000) from"
        server.sql(f"{text} {rows}", name)
        tools.gate.touch()
        (tools.folder / "held").unlink(missing_ok=True)
        wait = f"touch {tools.folder}/held; while [ -e {tools.gate} ]; do sleep 0.02; done"
        real = shutil.which("perl")
        held = f'{{ head -c {after}; {wait}; cat; }} | exec {real} "$@"'
        tools.put("perl", f'{READS} || exec {real} "$@"\n{held}')

    def start(self, backups: Backups) -> Place:
        """A backup that has got so far; its tool cannot go on."""
        place = backups.start(dumps=(Dump(login_to(self.server), "here", (self.name,)),))
        until(lambda: (self.tools.folder / "held").exists() or backups.look(place).over, bool)
        assert not backups.look(place).over, backups.look(place)
        return place

    def ends(self, backups: Backups, place: Place) -> CloudPilotError | None:
        self.tools.let_go()
        report = backups.over(place)
        assert left_of(place) == []
        return report.error


PARTS = [2_000_000, 10_000_000, 18_000_000]


@pytest.mark.parametrize("module", [mariadb_server, postgresql_server])
def test_a_server_that_dies_in_the_middle_says_so(
    backups: Backups, tools: Tools, module: ModuleType
) -> None:
    with module.running() as server:
        for after in PARTS:
            server.sql(f"create database x{after}")
            held = Held(tools, server, f"x{after}", after)
            place = held.start(backups)
            server.kill()
            assert isinstance(held.ends(backups, place), DbConnectionLost)
            server.start()


@pytest.mark.parametrize(("kind", "name"), [("mariadb", "shop"), ("postgresql", "store")])
def test_a_tool_that_is_killed_is_no_dump(
    backups: Backups, tools: Tools, request: pytest.FixtureRequest, kind: str, name: str
) -> None:
    server, name = request.getfixturevalue(kind), request.getfixturevalue(name)
    held = Held(tools, server, name, PARTS[1])
    place = held.start(backups)
    tool = {"mariadb": "mariadb-dump", "postgresql": "pg_dump"}[kind]
    os.kill(process(place, tool), signal.SIGKILL)
    error = held.ends(backups, place)
    assert isinstance(error, RunKilled)
    assert tool in str(error)


def children(number: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{number}/task/{number}/children").read_text().split()]


@pytest.mark.parametrize("who", ["the pipeline", "what makes the tar"])
@pytest.mark.parametrize(("kind", "name"), [("mariadb", "shop"), ("postgresql", "store")])
def test_nothing_survives_a_shell_that_is_killed(
    backups: Backups, tools: Tools, request: pytest.FixtureRequest, kind: str, name: str, who: str
) -> None:
    """Whose children it had is nobody's to wait for."""
    server, name = request.getfixturevalue(kind), request.getfixturevalue(name)
    held = Held(tools, server, name, PARTS[0])
    place = held.start(backups)
    (pipeline,) = children(script_process(place))
    os.kill(pipeline if who == "the pipeline" else children(pipeline)[0], signal.SIGKILL)
    if who == "the pipeline":
        assert isinstance(backups.over(place).error, RunKilled)
        assert running(place) == []
    assert isinstance(held.ends(backups, place), RunKilled)
    assert running(place) == []


@pytest.mark.parametrize(
    "spoil",
    [
        "exit 0",
        "real \"$@\" | grep -v '^-- Dump completed'",
        "real \"$@\" | grep -v '^DELIMITER ;;'",
        "real \"$@\" | grep -v '^/.!50001 VIEW'",
        "real \"$@\" | sed 's/^CREATE TABLE/-- &/'",
        'real "$@" | head -c 1500',
        "real \"$@\" | sed 's/ EVENT `ev` .*/ TRIGGER `x` BEFORE INSERT/'",
    ],
)
def test_a_tool_that_lies_is_found_out(
    backups: Backups, tools: Tools, mariadb: MariaDb, shop: str, spoil: str
) -> None:
    """Its status is 0, and something is missing."""
    real = f'real() {{ {shutil.which("mariadb-dump")} "$@"; }}'
    asked = '[[ " $* " == *" --single-transaction "* ]] || { real "$@"; exit; }'
    tools.put("mariadb-dump", f"{real}\n{asked}\n{spoil}\nexit 0")
    assert fails(backups, mariadb, shop).startswith(f"{DumpIncomplete.code}: ")


def test_a_history_that_the_tool_does_not_know_is_told(
    backups: Backups, tools: Tools, mariadb: MariaDb, shop: str
) -> None:
    real = shutil.which("mariadb-dump")
    older = f'[[ " $* " == *" --help "* ]] || exec {real} "$@"'
    tools.put("mariadb-dump", f'{older}\n{real} "$@" | grep -v dump-history')
    mariadb.sql("create table was (x int) with system versioning", shop)
    made = backups.make(dumps=(Dump(login_to(mariadb), "here", (shop,)),))
    (warning,) = made.report.warnings
    assert warning.startswith(f"In {shop} the history of these tables is not in the dump")
    assert warning.endswith(": was.")


def test_a_view_that_cannot_be_read_is_named(backups: Backups, mariadb: MariaDb, shop: str) -> None:
    mariadb.sql("create table gone (x int); create view broken as select x from gone", shop)
    mariadb.sql("drop table gone", shop)
    said = fails(backups, mariadb, shop)
    assert said.startswith(f"{DumpIncomplete.code}: ")
    assert "broken" in said


@contextmanager
def locked(server: Server, name: str) -> Iterator[None]:
    """Somebody has the table t for themselves."""
    if isinstance(server, MariaDb):
        held = server.speaking("lock tables t write; select 'held';", name)
    else:
        held = server.speaking("begin; lock table t; select 'held';", name)
    assert held.stdout
    assert held.stdin
    try:
        assert b"held" in b"".join(iter(held.stdout.readline, b"held\n")) + b"held"
        yield
    finally:
        held.stdin.close()
        held.wait()
        held.stdout.close()


LOCKED = [("mariadb", "shop"), ("postgresql", "store")]


@pytest.mark.parametrize(("kind", "name"), LOCKED)
def test_a_lock_is_not_waited_for_without_end(
    backups: Backups, request: pytest.FixtureRequest, kind: str, name: str
) -> None:
    server, name = request.getfixturevalue(kind), request.getfixturevalue(name)
    with locked(server, name):
        said = fails(backups, server, name, lock_seconds=1)
    assert said.startswith(f"{DbLockTimeout.code}: ")


@pytest.mark.parametrize(("kind", "name"), LOCKED)
def test_stopping_ends_the_question_at_the_server_too(
    backups: Backups, request: pytest.FixtureRequest, kind: str, name: str
) -> None:
    server, name = request.getfixturevalue(kind), request.getfixturevalue(name)
    asked = {
        "mariadb": "select count(*) from information_schema.processlist"
        f" where state like 'Waiting for%' and db = '{name}'",
        "postgresql": "select count(*) from pg_stat_activity"
        f" where wait_event_type = 'Lock' and datname = '{name}'",
    }[kind]
    with locked(server, name):
        place = backups.start(dumps=(Dump(login_to(server), "here", (name,)),))
        until(lambda: server.sql(asked).strip(), lambda count: count == "1")
        detached.stop(backups.session, place)
        until(lambda: server.sql(asked).strip(), lambda count: count == "0", seconds=5)
    assert isinstance(backups.over(place).error, RunStopped)
    assert left_of(place) == []
    assert running(place) == []


def test_stopping_leaves_other_dumps_alone(backups: Backups, mariadb: MariaDb, shop: str) -> None:
    """One of another database and a later one of the same, made with the same login."""
    other = f"{shop}_other"
    mariadb.sql(f"create database {other}; create table {other}.t (x int)")
    waits = "select count(*) from information_schema.processlist where state like 'Waiting for%'"

    def waiting(count: str) -> None:
        until(lambda: mariadb.sql(waits).strip(), lambda found: found == count)

    def dumping(name: str) -> subprocess.Popen[bytes]:
        words = ["mariadb-dump", "--no-defaults", f"--socket={mariadb.socket}", "--user=root"]
        return subprocess.Popen([*words, "--single-transaction", name], stdout=subprocess.DEVNULL)

    with locked(mariadb, shop), locked(mariadb, other):
        place = backups.start(dumps=(Dump(login_to(mariadb), "here", (shop,)),))
        waiting("1")
        bounds = Path(place.run_directory, "work", "dumping")
        until(lambda: bounds.read_text().split(), lambda words: len(words) == 3)
        dumps = [dumping(other), dumping(shop)]
        waiting("3")
        detached.stop(backups.session, place)
        waiting("2")
    assert [dump.wait() for dump in dumps] == [0, 0]
    mariadb.sql(f"drop database {other}")


def test_a_full_disk_says_so(backups: Backups, mariadb: MariaDb, shop: str) -> None:
    mariadb.sql("create table big (x blob)", shop)
    mariadb.sql("insert into big select random_bytes(1024) from seq_1_to_60000", shop)
    backups.root.mkdir()
    with mounted(backups.root, "70m"):
        assert fails(backups, mariadb, shop, expected_ratio=1).startswith(f"{DiskFull.code}: ")


FILL = "cat /dev/zero >work/filling 2>/dev/null"
FILLED = {
    "before the first answer": ("mariadb", f'{FILL}; exec {{real}} "$@"'),
    "before the second question": ("mariadb", f'{{real}} "$@"; status=$?; {FILL}; exit $status'),
    "before the rights are judged": (
        "perl",
        f'[ "$1" != grants.pl ] || {FILL}; exec {{real}} "$@"',
    ),
    "before the rows are counted": (
        "perl",
        f'[ "${{3:-}}" != mysql ] || {FILL}; exec {{real}} "$@"',
    ),
    "before all is written down": ("perl", f'[ "$1" != census.pl ] || {FILL}; exec {{real}} "$@"'),
}


@pytest.mark.parametrize("when", FILLED)
def test_a_disk_that_becomes_full_says_so_whenever_it_does(
    backups: Backups, tools: Tools, mariadb: MariaDb, user: str, shop: str, when: str
) -> None:
    mariadb.sql(f"grant all on {shop}.* to {user}@'%'; grant select on mysql.proc to {user}@'%'")
    if when == "before the rights are judged":
        mariadb.sql(f"revoke trigger on {shop}.* from {user}@'%'")
    tool, body = FILLED[when]
    tools.put(tool, body.replace("{real}", shutil.which(tool) or ""))
    backups.root.mkdir()
    with mounted(backups.root, "80m"):
        assert fails(backups, mariadb, shop, user).startswith(f"{DiskFull.code}: ")


@pytest.mark.parametrize(("kind", "name"), [("mariadb", "shop"), ("postgresql", "store")])
@pytest.mark.parametrize(
    ("death", "kind_of", "words"),
    [
        ("echo 'Out of memory!' >&2; exit 1", DumpIncomplete, "to its end: Out of memory!"),
        ("kill -KILL $$", RunKilled, "What reads the dump of"),
    ],
)
def test_a_reader_that_dies_says_why(
    backups: Backups,
    tools: Tools,
    request: pytest.FixtureRequest,
    kind: str,
    name: str,
    death: str,
    kind_of: type[CloudPilotError],
    words: str,
) -> None:
    """The tool itself ends by SIGPIPE then, and has nothing to say."""
    server, name = request.getfixturevalue(kind), request.getfixturevalue(name)
    rows = "seq_1_to_20000" if kind == "mariadb" else "generate_series(1, 20000)"
    server.sql(
        f"create table big (x text); insert into big select repeat('x', 999) from {rows}", name
    )
    real = shutil.which("perl")
    real = shutil.which("perl")
    tools.put("perl", f'{READS} || exec {real} "$@"\nhead -c 300000 >/dev/null\n{death}')
    said = fails(backups, server, name)
    assert said.startswith(f"{kind_of.code}: ")
    assert words in said


def test_a_password_is_in_no_file_no_command_line_and_no_environment(
    backups: Backups, tools: Tools, mariadb: MariaDb, postgresql: PostgreSql, shop: str, store: str
) -> None:
    canary = f"cAnArY{uuid4().hex}"
    mariadb.sql(f"create user sings@'%' identified by '{canary}'")
    mariadb.sql("grant all on *.* to sings@'%'")
    postgresql.sql(f"create role sings superuser login password '{canary}'")
    sightings = Sightings()
    sightings.plant("password", canary)
    servers: tuple[tuple[Server, str], ...] = ((mariadb, shop), (postgresql, store))
    dumps = tuple(
        Dump(login_to(server, "sings", canary, by_port=True), "here", (name,))
        for server, name in servers
    )
    slow = f'sleep 0.5; exec {shutil.which("perl")} "$@"'  # so that there is something to look at
    tools.put("perl", slow)
    places = files(backups.root, Path("/dev/shm")), processes(set)
    with watching(sightings, *places):
        backups.make(dumps=dumps)
    mariadb.sql("drop user sings@'%'")
    postgresql.sql("drop role sings")
    assert sightings.rounds > 5
    assert sightings.seen == set()


def test_what_lies_in_a_home_directory_changes_nothing(
    plain_backups: Backups,
    plain_server: Sshd,
    mariadb: MariaDb,
    postgresql: PostgreSql,
    shop: str,
    store: str,
) -> None:
    home = plain_server.user_home
    hostile = {
        ".my.cnf": "[client]\nuser=x\n[mysqldump]\nno-data\nskip-comments\nwhere=1=0\n",
        ".psqlrc": "\\q\n",
        ".pgpass": "*:*:*:*:wrong\n",
        ".pg_service.conf": "[cloudpilot]\nhost=/nowhere\nuser=x\n",
        ".postgresqlrc": "99 main *\n",
    }
    for name, text in hostile.items():
        (home / name).write_text(text)
        shutil.chown(home / name, home.owner())
        (home / name).chmod(0o600)
    dumps = Dump(login_to(mariadb), "here", (shop,)), Dump(login_to(postgresql), "here", (store,))
    made = plain_backups.make(dumps=dumps)
    for name in hostile:
        (home / name).unlink()
    assert [line for line in made.report.census if line.startswith("V rows")] == ["V rows 2"] * 2
