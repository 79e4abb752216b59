"""domain.logins: what may be typed of a database server."""

import pytest

from cloudpilot.domain import logins
from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import Engine

MARIADB, MYSQL, POSTGRESQL = Engine
EVERY = list(Engine)


@pytest.mark.parametrize(
    ("engine", "typed", "meant"),
    [
        (MARIADB, " /run/mysqld/mysqld.sock\n", ("/run/mysqld/mysqld.sock", None)),
        (MYSQL, "/var//lib/mysql/mysql.sock", ("/var/lib/mysql/mysql.sock", None)),
        (POSTGRESQL, "/run/postgresql/", ("/run/postgresql", None)),
        (POSTGRESQL, "/run/postgresql/.s.PGSQL.5432", ("/run/postgresql", None)),
        (POSTGRESQL, "/tmp/.s.PGSQL.5433", ("/tmp", 5433)),
        (POSTGRESQL, "/.s.PGSQL.5433", ("/", 5433)),
        (MYSQL, "/run/.s.PGSQL.1", ("/run/.s.PGSQL.1", None)),
    ],
)
def test_a_socket_is_a_path_and_of_postgresql_its_folder(
    engine: Engine, typed: str, meant: tuple[str, int | None]
) -> None:
    assert logins.valid_socket(typed, engine) == meant


@pytest.mark.parametrize(
    ("engine", "typed", "why"),
    [
        (MARIADB, "", "such as /run/mysqld/mysqld.sock"),
        (POSTGRESQL, " ", "Give the folder of the socket"),
        (MARIADB, "/", "Give the socket"),
        (MARIADB, "mysqld.sock", "whole path"),
        (MARIADB, "/run/../x", "must not hold"),
        (MARIADB, "/run/a\x07b", "cannot be seen"),
        (MARIADB, f"/run/{'x' * 103}", "at most 107 bytes"),
        (POSTGRESQL, f"/run/{'x' * 90}", "at most 107 bytes"),
        (POSTGRESQL, "/run/.s.PGSQL.x", "from 1 to 65535"),
        (POSTGRESQL, "/run/.s.PGSQL.65536", "from 1 to 65535"),
    ],
)
def test_what_is_no_socket_is_refused(engine: Engine, typed: str, why: str) -> None:
    with pytest.raises(InvalidConfig, match=why):
        logins.valid_socket(typed, engine)


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "::1", "localhost", "db-1.lan"])
def test_a_host_is_reached_by_the_server_so_that_any_network_will_do(host: str) -> None:
    assert logins.valid_host(f" {host} ") == host


@pytest.mark.parametrize("host", ["", "-x", "a b", "host=evil user=x", "x" * 254])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(InvalidConfig):
        logins.valid_host(host)


def test_a_port_is_the_usual_one_if_left_blank() -> None:
    assert [logins.valid_port(" ", engine) for engine in EVERY] == [3306, 3306, 5432]
    assert logins.valid_port(" 6033 ", MARIADB) == 6033


@pytest.mark.parametrize("typed", ["0", "65536", "x", "-1", "1.5", "²", "9" * 5000])
def test_what_is_no_port_is_refused(typed: str) -> None:
    with pytest.raises(InvalidConfig, match="PostgreSQL's own is 5432"):
        logins.valid_port(typed, POSTGRESQL)


@pytest.mark.parametrize("engine", EVERY)
def test_a_user_has_any_name_that_the_engine_knows(engine: Engine) -> None:
    for name in ("backup", "o'brien", 'a"b\\c', "日本", "x" * 63):
        assert logins.valid_user(f" {name} ", engine) == name
    for name in (
        "",
        "  ",
        "a\nb",
        "a\x00b",
        "x" * 129,
        *(["é" * 32] if engine == "postgresql" else []),
    ):
        with pytest.raises(InvalidConfig):
            logins.valid_user(name, engine)


@pytest.mark.parametrize("engine", EVERY)
def test_a_password_is_kept_as_it_is_and_may_be_empty(engine: Engine) -> None:
    for text in ("", " x", "'\"\\#;=[x]", "tab\tinside", "ü" * 100):
        assert logins.valid_password(text, engine).reveal() == text
    for text in ("a\nb", "a\r", "\0", "x" * 1001):
        with pytest.raises(InvalidConfig):
            logins.valid_password(text, engine)


@pytest.mark.parametrize("text", ["x ", "x\t", "x" * 201, "ü" * 101])
def test_a_password_that_only_mysql_takes(text: str) -> None:
    assert logins.valid_password(text, MYSQL).reveal() == text
    with pytest.raises(InvalidConfig):
        logins.valid_password(text, POSTGRESQL)


@pytest.mark.parametrize("engine", EVERY)
def test_a_database_may_be_called_anything_that_can_be_seen(engine: Engine) -> None:
    names = [
        " leading",
        "-rf",
        "a'b\"c`d",
        "dbname=x host=y",
        "$(id)",
        "日本",
        "%41",
        "x" * 63,
        "Sys2",
    ]
    typed = "\r\n".join([*names, "", "  ", names[0]])
    assert logins.valid_names(typed, engine, all_but=False) == names


def test_a_blank_at_the_end_of_a_name_is_meant_where_it_can_be() -> None:
    assert logins.valid_names("shop ", POSTGRESQL, all_but=False) == ["shop "]
    assert logins.valid_names("shop \nshop", MYSQL, all_but=False) == ["shop"]


def test_all_but_none_is_all_and_none_of_them_is_nothing() -> None:
    assert logins.valid_names("", MARIADB, all_but=True) == []
    with pytest.raises(InvalidConfig, match="at least one"):
        logins.valid_names(" \n", MARIADB, all_but=False)


@pytest.mark.parametrize(
    ("engine", "typed", "why"),
    [
        (MARIADB, "mysql", "MariaDB's own"),
        (MYSQL, "Information_Schema", "MySQL's own"),
        (POSTGRESQL, "template1", "PostgreSQL's own"),
        (MYSQL, "x" * 65, "longer than"),
        (POSTGRESQL, "é" * 32, "longer than"),
        (MYSQL, "a\u200bb", "cannot be seen"),
        (MYSQL, "a\tb", "cannot be seen"),
        (MYSQL, "\n".join(map(str, range(501))), "at most 500"),
    ],
)
@pytest.mark.parametrize("all_but", [True, False])
def test_a_name_that_no_database_of_a_site_has_is_refused(
    engine: Engine, typed: str, why: str, all_but: bool
) -> None:
    with pytest.raises(InvalidConfig, match=why):
        logins.valid_names(typed, engine, all_but=all_but)


def test_each_engine_has_its_own_names_for_itself() -> None:
    assert logins.valid_names("mysql\nsys\npostgres", POSTGRESQL, all_but=False)
    assert logins.valid_names("template1\npostgres", MYSQL, all_but=False)
