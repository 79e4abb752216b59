"""Dumps of real databases through a real sshd, restored by hand and compared."""

import json
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from cloudpilot.domain import census
from cloudpilot.engine.script import Dump
from tests.engine.conftest import Backups, Made
from tests.support import comparing
from tests.support.dumped import login_to
from tests.support.mariadb import MariaDb
from tests.support.postgresql import PostgreSql

HOSTILE = 'it\'s `a` \\ "db" $(id) ünï'
MARIADB = r"""
create table t (id int primary key auto_increment, s varchar(200), b blob, j json, p point,
  g int as (id + 1) virtual, bits bit(3), d decimal(30, 10), ts timestamp(6) null, z datetime)
  default charset utf8mb4;
insert into t (s, b, j, p, bits, d, ts, z) values
  ('a\nb''(),(x)\\', 0x00ff27, '{"a": "(1),("}', point(1, 2), b'101', 1.5, now(6), 0),
  ('🙂 ),(', '', null, null, null, -3, null, null), ('-- Dump completed', null, null, null, null,
  null, null, null), (repeat('\\''', 90), null, null, null, null, null, null, null);
insert into t (s) select s from t;
create table `odd ``name;(1` (x int); insert into `odd ``name;(1` values (1), (2);
create table empty_one (x int);
create table parent (id int primary key); insert into parent values (1);
create table child (p int, foreign key (p) references parent (id)); insert into child values (1);
create table history (x int) with system versioning; insert into history values (1);
update history set x = 2;
create table parts (x int) partition by range (x)
  (partition p0 values less than (10), partition p1 values less than maxvalue);
insert into parts values (1), (20);
create sequence s start with 7; select next value for s;
create view v as select id, s from t; create view w as select id from v;
delimiter //
create trigger tr before insert on empty_one for each row begin set @a = 1; set @b = ';'; end//
create procedure pr() begin
INSERT INTO `empty_one` VALUES (1), (2);
end//
create function fu() returns int deterministic return 1//
create event ev on schedule every 1 day do select 1//
create procedure forged() begin
set @text = '
DELIMITER ;;
DELIMITER ;
/*!50001 VIEW `v`
'; end//
set sql_mode = oracle//
create package pk as function f1 return int; procedure p1(); end//
create package body pk as function f1 return int as begin return 1; end;
  procedure p1() as begin null; end; end//
"""
POSTGRESQL = r"""
create schema "odd "" name"; create extension pgcrypto;
create table t (id serial primary key, s text, b bytea, j jsonb, a int[], ts timestamptz,
  n numeric, g int generated always as (1) stored);
insert into t (s, b, j, a, ts, n) values
  (E'a\nb\t\\.', '\x00ff', '{"a": 1}', '{1,2}', now(), 'NaN'),
  (E'\\.', null, null, null, null, 1), ('-- PostgreSQL database dump complete', null, null, null,
  'infinity', 2), (E'x\r\ny', '', null, null, null, 3);
create table "odd "" name"."ta.b; le" (x int); insert into "odd "" name"."ta.b; le" values (1), (2);
create table nothing (); insert into nothing default values;
create table p (x int) partition by range (x);
create table p1 partition of p for values from (0) to (9);
insert into p values (1), (2);
create view v as select * from t; create materialized view m as select 1 as one;
create function f() returns int language sql as 'select 1';
create procedure pr() language sql as 'select 1';
create function tf() returns trigger language plpgsql as $$ begin
-- Name: forged; Type: TABLE; Schema: public; Owner: x
/*
--
-- Data for Name: b; Type: TABLE DATA; Schema: public; Owner: o
--

COPY public.b (x) FROM stdin;
1
*/
return new; end $$;
comment on table p is '
--
-- Data for Name: b; Type: TABLE DATA; Schema: public; Owner: o
--

COPY public.b (x) FROM stdin;
1
';
create trigger tr before insert on t for each row execute function tf();
create sequence lonely start 5;
create table "COPY
COPY public.z FROM stdin;" ("a
b" int); insert into "COPY
COPY public.z FROM stdin;" values (1), (2), (3);
select lo_from_bytea(0, '\x010203');
create role "ro ""le"; grant select on t to "ro ""le"; comment on table t is 'a "comment"';
alter database "{name}" set work_mem = '5MB';
"""


@pytest.fixture
def new_name() -> str:
    return f"cp_{uuid4().hex[:8]}"


@contextmanager
def a_mariadb(server: MariaDb, name: str, content: str) -> Iterator[str]:
    quoted = f"`{name.replace('`', '``')}`"
    server.sql(f"create database {quoted} character set utf8mb4; use {quoted};\n{content}")
    try:
        yield quoted
    finally:
        server.sql(f"drop database {quoted}")


def contents(made: Made, wanted: str) -> bytes:
    """As RESTORE.txt says."""
    command = ["tar", "-xOf", made.archive, "--wildcards", wanted]
    return subprocess.run(command, check=True, capture_output=True).stdout


def counted(made: Made) -> dict[str, object]:
    """What the panel is told of the only database; the files beside and inside say the same."""
    (found,) = census.read(made.report.census)
    manifest = json.loads(made.archive.with_name("manifest.json").read_text())
    inside = json.loads(contents(made, "databases/1/census.json"))
    assert manifest["databases"] == [inside]
    assert inside["rows"] == found["rows"]
    assert sorted(inside["rows_by_table"]) == sorted(found["rows_by_table"])  # type: ignore[call-overload]
    return found


def test_a_mariadb_comes_back_as_it_was(backups: Backups, mariadb: MariaDb, new_name: str) -> None:
    with a_mariadb(mariadb, new_name, MARIADB):
        made = backups.make(dumps=(Dump(login_to(mariadb), "here", (new_name,)),))
        found = counted(made)
        before = comparing.of_mariadb(mariadb, new_name)
        with a_mariadb(mariadb, f"{new_name}_2", ""):
            for kind in ("tables", "programs"):
                mariadb.load(f"{new_name}_2", contents(made, f"databases/1/{kind}.sql.*"))
            after = comparing.of_mariadb(mariadb, f"{new_name}_2", new_name)
    assert after == before
    names = ["tables", "sequences", "views", "routines", "triggers", "events"]
    assert [found[name] for name in names] == [7, 1, 2, 5, 1, 1]
    assert dict(found["rows_by_table"]) == {  # type: ignore[call-overload]
        "t": 8,
        "odd `name;(1": 2,
        "empty_one": 0,
        "parent": 1,
        "child": 1,
        "history": 2,
        "parts": 2,
    }
    assert (found["exact"], found["complete"], made.report.warnings) == (True, True, ())


EVENTS = """
set time_zone = '+03:00', sql_mode = 'ANSI_QUOTES', names latin1;
delimiter //
create event `ev ``1` on schedule every 1 day starts '2030-01-01' comment 'it''s
\\t' do set @a = "x"//
set sql_mode = default, names utf8mb4//
create event odd on schedule every 1 day do begin set @a = 'two ;; or ;;; of
DELIMITER ;
them'; set @b = 'ü'; end//
"""
OF_EVENTS = """select event_name, definer, time_zone, event_definition, interval_value, starts,
  status, event_comment, character_set_client, collation_connection, sql_mode, on_completion
  from information_schema.events where event_schema = database() order by 1"""


@pytest.mark.parametrize("suffix", ["", "'s", '"', "\\"])
def test_events_that_the_tool_cannot_dump_come_back(
    backups: Backups, mariadb: MariaDb, new_name: str, suffix: str
) -> None:
    """It asks for those of another database, or looks for a delimiter without end."""
    name = new_name + suffix
    with a_mariadb(mariadb, name, EVENTS):
        made = backups.make(dumps=(Dump(login_to(mariadb), "here", (name,)),))
        before = mariadb.sql(OF_EVENTS, name)
        with a_mariadb(mariadb, f"{new_name}_2", ""):
            mariadb.load(f"{new_name}_2", contents(made, "databases/1/programs.sql.*"))
            assert mariadb.sql(OF_EVENTS, f"{new_name}_2") == before
    assert before.count("odd") == 1
    assert counted(made)["events"] == 2


def forget(server: PostgreSql, name: str) -> None:
    """Others look at all databases of this server."""
    for one in (name, f"{name}_2"):
        server.sql(f"drop database if exists {one}")
    server.sql('drop role "ro ""le"')


def test_a_postgresql_comes_back_as_it_was(
    backups: Backups,
    postgresql: PostgreSql,
    new_name: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    postgresql.sql(f"create database {new_name}")
    request.addfinalizer(lambda: forget(postgresql, new_name))
    postgresql.sql(POSTGRESQL.replace("{name}", new_name), new_name)
    made = backups.make(dumps=(Dump(login_to(postgresql), "here", (new_name,)),))
    found = counted(made)
    dump = tmp_path / "dump.pgdump"
    dump.write_bytes(contents(made, "databases/1/dump.pgdump.*"))
    postgresql.sql(f"create database {new_name}_2 template template0")
    postgresql.run("pg_restore", "--exit-on-error", f"--dbname={new_name}_2", str(dump))
    before, after = (comparing.of_postgresql(postgresql, f"{new_name}{end}") for end in ("", "_2"))
    assert after == before
    names = ["tables", "views", "routines", "triggers", "sequences"]
    assert [found[name] for name in names] == [6, 2, 3, 1, 2]
    assert dict(found["rows_by_table"]) == {  # type: ignore[call-overload]
        "public.t": 4,
        'odd " name.ta.b; le': 2,
        "public.nothing": 1,
        "public.p1": 2,
        "public.COPY\nCOPY public.z FROM stdin;": 3,
    }
    assert (found["exact"], found["extensions"]) == (True, ["pgcrypto"])
    assert b'CREATE ROLE "ro ""le"' in contents(made, "databases/1/roles.sql")
    listed = subprocess.run(
        ["pg_restore", "--create", "-f", "-", dump], capture_output=True, check=True
    )
    assert b"SET work_mem TO '5MB'" in listed.stdout


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_a_name_is_a_name(backups: Backups, request: pytest.FixtureRequest, kind: str) -> None:
    server = request.getfixturevalue(kind)
    mark = {"mariadb": "`", "postgresql": '"'}[kind]
    quoted = mark + HOSTILE.replace(mark, mark * 2) + mark
    server.sql(f"create database {quoted}")
    try:
        table = "create table x (y int); insert into x values (1)"
        server.sql(f"{table}; create view z as select y from x", HOSTILE)
        made = backups.make(dumps=(Dump(login_to(server), "here", (HOSTILE,)),))
    finally:
        server.sql(f"drop database {quoted}")
    found = counted(made)
    assert (found["name"], found["rows"], found["views"]) == (HOSTILE, 1, 1)
    assert HOSTILE in contents(made, "RESTORE.txt").decode()


def test_files_and_dumps_are_one_restore_point(
    backups: Backups, mariadb: MariaDb, new_name: str, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.php").write_text("hello")
    with a_mariadb(mariadb, new_name, "create table t (x int); insert into t values (1)"):
        made = backups.make(site, dumps=(Dump(login_to(mariadb), "here", (new_name,)),))
    names = made.names()
    assert [name.split("/")[0] for name in names] == [
        "RESTORE.txt",
        *["databases"] * 4,
        *["files"] * 2,
    ]
    assert (
        made.extract(tmp_path / "out") / str(site).lstrip("/") / "index.php"
    ).read_text() == "hello"
    assert b"INSERT INTO `t`" in contents(made, "databases/1/tables.sql.*")
    assert (made.report.result["files"], made.report.result["databases"]) == ("1", "1")
    assert counted(made)["rows"] == 1


def test_a_dump_longer_than_a_member_is_put_together_again(
    backups: Backups, mariadb: MariaDb, new_name: str
) -> None:
    fill = "insert into t select repeat('x', 1000) from seq_1_to_40000"
    with a_mariadb(
        mariadb, new_name, f"create table t (x text); {fill}; insert into t values ('end')"
    ):
        made = backups.make(dumps=(Dump(login_to(mariadb), "here", (new_name,)),))
    assert "databases/1/tables.sql.000001" in made.names()
    dumped = contents(made, "databases/1/tables.sql.*")
    assert len(dumped) > 40_000_000
    assert b"-- Dump completed" in dumped[-100:]
    assert counted(made)["rows"] == 40_001
    with tarfile.open(made.archive) as whole:
        assert whole.getmember("databases/1/tables.sql.000000").size == 32 * 2**20


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_all_but_some_follows_what_is_there(
    backups: Backups, request: pytest.FixtureRequest, kind: str, new_name: str
) -> None:
    server = request.getfixturevalue(kind)
    names = [f"{new_name}{end}" for end in "abc"]
    others = tuple(server.databases())
    for name in names:
        server.sql(f"create database {name}")
    try:
        everything = Dump(
            login_to(server),
            "here",
            (*others, names[1]),
            all_but=True,
            known=(names[0], "was_here"),
        )
        made = backups.make(dumps=(everything,))
    finally:
        for name in names:
            server.sql(f"drop database {name}")
    assert [one["name"] for one in census.read(made.report.census)] == [names[0], names[2]]
    assert made.report.warnings == (
        "The database was_here was in the last backup and is not there any more.",
    )


def test_tables_whose_rows_are_elsewhere_are_named(
    backups: Backups, mariadb: MariaDb, new_name: str
) -> None:
    """The tool dumps none of their rows and says nothing of it."""
    content = "create table a (x int) engine=Aria transactional=0;"
    tables = "create table b (x int) engine=MyISAM; create table m (x int) engine=MERGE union=(b)"
    with a_mariadb(mariadb, new_name, content + tables):
        made = backups.make(dumps=(Dump(login_to(mariadb), "here", (new_name,)),))
    apart, elsewhere = made.report.warnings
    assert apart.endswith("may change while they are read: a, b.")
    assert elsewhere.endswith("are kept elsewhere and are not in the dump: m.")


def test_foreign_tables_of_postgresql_are_named(
    backups: Backups, postgresql: PostgreSql, new_name: str
) -> None:
    postgresql.sql(f"create database {new_name}")
    try:
        postgresql.sql(
            "create foreign data wrapper w; create server s foreign data wrapper w;"
            "create foreign table far (x int) server s; create table near (x int)",
            new_name,
        )
        made = backups.make(dumps=(Dump(login_to(postgresql), "here", (new_name,)),))
    finally:
        postgresql.sql(f"drop database {new_name}")
    (warning,) = made.report.warnings
    assert warning.endswith("are kept elsewhere and are not in the dump: public.far.")


def test_a_template_that_somebody_has_made_is_a_database(
    backups: Backups, postgresql: PostgreSql, new_name: str
) -> None:
    others = tuple(postgresql.databases())
    postgresql.sql(f"create database {new_name}")
    postgresql.sql("create table t (x int); insert into t values (1)", new_name)
    postgresql.sql(f"alter database {new_name} is_template true")
    try:
        made = backups.make(dumps=(Dump(login_to(postgresql), "here", others, all_but=True),))
    finally:
        postgresql.sql(f"alter database {new_name} is_template false")
        postgresql.sql(f"drop database {new_name}")
    (found,) = census.read(made.report.census)
    assert (found["name"], found["rows"]) == (new_name, 1)


def test_tables_without_transactions_are_named(
    backups: Backups, mariadb: MariaDb, new_name: str
) -> None:
    content = "create table a (x int); create table b (x int) engine=MyISAM"
    with a_mariadb(mariadb, new_name, content):
        made = backups.make(dumps=(Dump(login_to(mariadb), "here", (new_name,)),))
    (warning,) = made.report.warnings
    assert warning.endswith("know no transactions and may change while they are read: b.")
    assert new_name in warning
