"""engine.inspection: what other servers answer, judged; from documentation unless said."""

import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cloudpilot.engine import inspection
from cloudpilot.engine.doctor.statements import Selection
from cloudpilot.engine.inspection import Asked
from cloudpilot.engine.logins import Login
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed, DbUnreachable, InvalidConfig
from cloudpilot.kinds import Engine
from cloudpilot.secrets import Secret
from tests.support.inspecting import detail, levels, statements

GRANT = "grant GRANT SELECT, SHOW VIEW, EVENT, TRIGGER ON `shop`.* TO `u`@`%`"
MYSQL_TOOL = "mysqldump  Ver 8.4.3 for Linux on x86_64 (MySQL Community Server - GPL)"


def hexed(text: str) -> str:
    return text.encode().hex()


def judged(
    engine: Engine, *lines: str, names: tuple[str, ...] = ("shop",), all_but: bool = False
) -> dict[str, Any]:
    login = Login(engine, "db.example.com", engine.port, "", "u", Secret("p"))
    answer = "\n".join(("motd", *lines, "end", "")).encode()
    return inspection.findings(Asked(login, Selection(names, all_but)), answer)


def mysql(version: str, *lines: str, tool: str = MYSQL_TOOL, **which: Any) -> dict[str, Any]:
    """What a MySQL would answer, put together from its documentation."""
    start = (
        "packager apt-get",
        "tool mysql mysql  Ver 8.4.3 for Linux on x86_64 (MySQL Community Server - GPL)",
        f"tool {tool.split(maxsplit=1)[0]} {tool}",
        f"version {hexed(version)}",
        f"comment {hexed('MySQL Community Server - GPL')}",
        f"account {hexed('u@%')}",
        f"database {hexed('shop')}",
        f"size {hexed('shop')} 3 1024",
        "sized  0 0",
    )
    return judged(Engine.MYSQL, *start, *lines, **which)


def postgresql(number: int, *lines: str, tool: str = "17.2", **which: Any) -> dict[str, Any]:
    """What a PostgreSQL would answer; the shape as recorded from 15.18."""
    start = (
        "packager apt-get",
        f"tool psql psql (PostgreSQL) {tool}",
        f"tool pg_dump pg_dump (PostgreSQL) {tool}",
        f"tool pg_restore pg_restore (PostgreSQL) {tool}",
        f"version {hexed(f'{number // 10000}.{number % 100} (Debian)')}",
        f"number {number}",
        f"account {hexed('u')}",
    )
    shop = (f"database {hexed('shop')} 1024 t t", f"within {hexed('shop')}", "tables 2")
    return judged(Engine.POSTGRESQL, *start, *lines, *shop, "unreadables 0", **which)


def test_mysql_8_wants_a_privilege_for_routines() -> None:
    found = mysql("8.0.36", GRANT)
    assert levels(found) == {"routines": "failed"}
    assert statements(found) == ["GRANT SHOW_ROUTINE ON *.* TO 'u'@'%';"]
    for also in ("SHOW_ROUTINE", "SELECT"):
        assert levels(mysql("8.0.36", GRANT, f"grant GRANT {also} ON *.* TO `u`@`%`")) == {}


@pytest.mark.parametrize(
    ("version", "statement"),
    [
        ("5.7.44-log", "GRANT SELECT ON `mysql`.`proc` TO 'u'@'%';"),
        ("8.0.19", "GRANT SELECT ON *.* TO 'u'@'%';"),
    ],
)
def test_older_ones_want_another(version: str, statement: str) -> None:
    assert statements(mysql(version, GRANT)) == [statement]


def test_what_is_revoked_from_a_part_is_missing_there() -> None:
    everywhere = GRANT.replace("`shop`.*", "*.*")
    assert levels(mysql("8.4.3", everywhere)) == {}
    revoked = "grant REVOKE SELECT ON `shop`.* FROM `u`@`%`"
    assert levels(mysql("8.4.3", everywhere, revoked)) == {"privileges": "failed"}


@pytest.mark.parametrize(
    ("tool", "level"),
    [
        (MYSQL_TOOL, None),
        ("mysqldump  Ver 10.13 Distrib 5.7.44, for Linux (x86_64)", "warning"),
        ("mariadb-dump from 11.8.1-MariaDB, client 10.19 for Linux (x86_64)", "warning"),
        ("other 1", "failed"),
    ],
)
def test_the_client_is_held_against_the_server(tool: str, level: str | None) -> None:
    found = mysql("8.4.3", GRANT, "grant GRANT SHOW_ROUTINE ON *.* TO `u`@`%`", tool=tool)
    assert levels(found).get("client") == level
    if level:
        [line] = [line for line in found["lines"] if line["key"] == "client"]
        assert "`apt-get install default-mysql-client`" in line["remedy"]


def test_without_a_client_nothing_is_asked() -> None:
    found = judged(Engine.POSTGRESQL, "packager dnf")
    assert levels(found) == {"client": "failed"}
    assert found["lines"][0]["remedy"] == "`dnf install postgresql`"
    assert (found["ok"], found["databases"], found["missing"]) == (False, [], [])


REFUSALS = [
    ("1045 (28000): Access denied for user 'u'@'10.0.0.7' (using password: YES)", "refuses"),
    ("1698 (28000): Access denied for user 'u'@'localhost'", "refuses"),
    ("1130 (HY000): Host '10.0.0.7' is not allowed to connect to this MySQL server", "refuses"),
    ("2059 (HY000): Authentication plugin 'x' cannot be loaded: none", "cannot sign in"),
    ("2003 (HY000): Can't connect to MySQL server on 'db:3306' (111)", "cannot be reached"),
    ("2005 (HY000): Unknown MySQL server host 'db' (-2)", "does not know"),
    ("1040 (HY000): Too many connections", "cannot be reached"),
    ("2026 (HY000): TLS/SSL error: SSL is required, but the server does not support it", "us in"),
]


@pytest.mark.parametrize(("words", "said"), REFUSALS)
def test_why_mysql_lets_nobody_in(words: str, said: str) -> None:
    told = f"refused 1 {hexed(f'mysql: [Warning] odd.{chr(10)}ERROR {words}{chr(10)}')}"
    tools = ("tool mysql mysql  Ver 8", f"tool mysqldump {MYSQL_TOOL}")
    found = judged(Engine.MYSQL, *tools, told)
    assert levels(found) == {"login": "failed"}
    assert said in detail(found, "login")
    assert "using password" not in detail(found, "login")
    if "10.0.0.7" in words:
        assert "CREATE USER IF NOT EXISTS 'u'@'10.0.0.7'" in statements(found)[0]
        assert "SHOW_ROUTINE" in statements(found)[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('FATAL:  role "u" does not exist', "refuses"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.7", user "u", database "shop"', "refuses"),
        ("FATAL:  the database system is starting up", "cannot be reached"),
        ('FATAL:  database "shop" does not exist', "Not one of the databases"),
        ('FATAL:  permission denied for database "shop"', "lets it in"),
        (
            "FATAL:  Passwort-Authentifizierung für Benutzer »u« fehlgeschlagen",
            "does not let us in",
        ),
        ("timeout expired", "cannot be reached"),
    ],
)
def test_why_postgresql_lets_nobody_in(words: str, said: str) -> None:
    told = f'psql: error: connection to server at "db", port 5432 failed: {words}\n\tIs it?\n'
    tools = [f"tool {name} {name} (PostgreSQL) 17.2" for name in ("psql", "pg_dump", "pg_restore")]
    found = judged(Engine.POSTGRESQL, *tools, f"refused 2 {hexed(told)}")
    assert levels(found) == {"login": "failed"}
    assert said in detail(found, "login")


def test_who_does_not_answer_at_all_is_not_reached() -> None:
    tools = ("tool mysql mysql  Ver 8", f"tool mysqldump {MYSQL_TOOL}")
    found = judged(Engine.MYSQL, *tools, "refused 124 ")
    assert (found["missing"], found["lines"][0]["code"]) == ([], DbUnreachable.code)
    assert "cannot be reached at db.example.com:3306: It did not answer" in detail(found, "login")


def test_pg_dump_is_not_older_than_its_server() -> None:
    assert levels(postgresql(170002)) == {}
    assert levels(postgresql(140002)) == {}
    found = postgresql(180001)
    assert levels(found) == {"client": "failed"}
    [line] = [line for line in found["lines"] if line["key"] == "client"]
    assert "`apt-get install postgresql-client-18`" in line["remedy"]


def test_before_14_each_schema_has_its_grants() -> None:
    inside = (f"within {hexed('blog')}", "tables 1", "unreadables 2")
    odd = hexed('a"b')
    rows = [f"unreadable {odd} {hexed(table)}" for table in ("one", "two")] + [f"schema {odd}"]
    database = f"database {hexed('blog')} - t t"
    found = postgresql(130020, database, *inside, *rows, names=("blog",))
    assert levels(found) == {"privileges": "failed"}
    assert statements(found) == [
        'GRANT USAGE ON SCHEMA "a""b" TO "u";',
        'GRANT SELECT ON ALL TABLES IN SCHEMA "a""b" TO "u";',
        'GRANT SELECT ON ALL SEQUENCES IN SCHEMA "a""b" TO "u";',
    ]
    assert {one["database"] for one in found["missing"]} == {"blog"}


def test_what_there_was_no_time_for_is_said() -> None:
    found = postgresql(170002, f"database {hexed('blog')} 5 t t", names=("blog", "shop"))
    assert levels(found) == {"time": "warning"}
    assert "blog" in detail(found, "time")
    closed = (f"within {hexed('blog')}", f"closed {hexed('ERROR:  canceling statement')}")
    found = postgresql(170002, f"database {hexed('blog')} 5 t t", *closed, names=("blog",))
    assert "canceling statement" in detail(found, "closed")


def test_subscriptions_are_a_superusers() -> None:
    inside = (f"database {hexed('blog')} 5 t t", f"within {hexed('blog')}", "tables 0")
    told = (*inside, "unreadables 0", "subscriptions 1")
    assert levels(postgresql(170002, *told, names=("blog",))) == {"subscriptions": "warning"}
    assert levels(postgresql(170002, "may super", *told, names=("blog",))) == {}


def test_a_server_that_floods_us_leaves_a_page_a_page() -> None:
    many = [f"database {hexed(f'd{number}')}" for number in range(3000)]
    found = mysql("8.4.3", *many, names=(), all_but=True)
    assert len(found["databases"]) == 500
    assert len(found["missing"]) <= 50
    assert len(str(found["lines"])) < 5000


@pytest.mark.parametrize("answer", [b"", b"end of it\n", b"\xff\n\0", b"version 00"])
def test_half_an_answer_is_none(answer: bytes) -> None:
    login = Login(Engine.MYSQL, "", None, "/s", "u", Secret("p"))
    with pytest.raises(CommandFailed):
        inspection.findings(Asked(login, Selection(())), answer)


def test_a_password_that_no_file_can_hold_is_refused() -> None:
    login = Login(Engine.MYSQL, "", None, "/s", "u", Secret("a\nb"))
    with pytest.raises(InvalidConfig):
        inspection.question(Asked(login, Selection(())))


@pytest.fixture(scope="module")
def silent() -> Iterator[int]:
    """The port of somebody who listens and never answers: as behind a firewall that drops."""
    program = """
        $s = IO::Socket::INET->new(Listen => 9, LocalAddr => '127.0.0.1') or die; $| = 1;
        print $s->sockport, "\\n"; push @c, $s->accept while 1
    """
    command = ["perl", "-MIO::Socket::INET", "-e", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield int(process.stdout.readline())
        process.kill()


@pytest.mark.parametrize("engine", [Engine.MARIADB, Engine.POSTGRESQL])
def test_who_says_nothing_is_not_waited_for(session: Session, silent: int, engine: Engine) -> None:
    login = Login(engine, "127.0.0.1", silent, "", "u", Secret("p"))
    began = time.monotonic()
    found = inspection.inspect(session, Asked(login, Selection(("shop",))))
    assert time.monotonic() - began < 9
    assert "cannot be reached" in detail(found, "login")
    found = inspection.inspect(session, Asked(login, Selection(("shop",))), seconds=2)
    assert "cannot be reached" in detail(found, "login")
