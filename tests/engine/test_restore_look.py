"""What is found where a database is to be restored, and how it can be then."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from cloudpilot.engine import restore_look
from cloudpilot.engine.logins import Login
from cloudpilot.engine.restore_look import Facts, Needs, look
from cloudpilot.engine.restore_methods import method_for, remarks
from cloudpilot.engine.restored_databases import Method, Target, settings
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed, InvalidConfig
from cloudpilot.kinds import Engine
from cloudpilot.secrets import Secret
from tests.engine.test_dumps import HOSTILE
from tests.support.dumped import login_to
from tests.support.mariadb import MariaDb
from tests.support.postgresql import PostgreSql

NOBODY = "no`body\"\n's"


@pytest.fixture
def names() -> tuple[str, str]:
    """Of a user and of a database."""
    mark = uuid4().hex[:8]
    return f"u{mark}", f"d_{mark}"


@pytest.fixture
def site(mariadb: MariaDb, names: tuple[str, str]) -> Iterator[tuple[str, str]]:
    user, name = names
    mariadb.sql(f"create database {name}; create table {name}.t (x int primary key)")
    mariadb.sql(
        f"create user {user}@'%' identified by 'right'; grant all on {name}.* to {user}@'%'"
    )
    yield names
    mariadb.sql(f"drop database {name}; drop user {user}@'%'")


def test_a_mariadb_is_looked_at(session: Session, mariadb: MariaDb, site: tuple[str, str]) -> None:
    name = site[1]
    root = login_to(mariadb)
    needs = Needs(definers=("root@localhost", NOBODY))
    found = look(session, root, name, needs)
    assert (found.refused, found.exists, found.tables, found.sessions) == ("", True, 1, 0)
    assert found.version.startswith("10.")
    assert found.client.startswith("10.")
    assert found.size
    assert found.free
    assert found.missing_definers == ("no`body\"\\x0a's",)
    assert method_for(found)[0] is Method.SWAP
    assert len(remarks(found, needs)) == 1


def test_a_mariadb_is_never_restored_in_place(
    session: Session, mariadb: MariaDb, site: tuple[str, str]
) -> None:
    user, name = site
    root, owner = login_to(mariadb), login_to(mariadb, user, "right", by_port=True)
    owned = look(session, owner, name, Needs())
    assert (owned.over, "CREATE" in owned.rights) == ((), True)
    method, why = method_for(owned)
    assert (method, "nothing rolls that back" in why, "GRANT ALL ON `cp\\_%`.*" in why) == (
        None,
        True,
        True,
    )
    absent = look(session, owner, HOSTILE, Needs())
    assert (absent.exists, method_for(absent)[0]) == (False, None)
    assert method_for(look(session, root, HOSTILE, Needs()))[0] is Method.SWAP
    mariadb.sql(
        f"create database {name}_2; create table {name}_2.kid (p int references {name}.t (x))"
    )
    outside = look(session, root, name, Needs())
    mariadb.sql(f"drop database {name}_2")
    assert method_for(outside)[0] is None
    assert f"{name}_2.kid" in outside.in_the_way[0]
    wrong = look(session, login_to(mariadb, user, "wrong", by_port=True), name, Needs())
    assert method_for(wrong) == (None, wrong.refused)
    assert wrong.refused


@pytest.fixture
def store(postgresql: PostgreSql, names: tuple[str, str]) -> Iterator[tuple[str, str]]:
    user, name = names
    postgresql.sql(f"create role {user} login password 'right'")
    postgresql.sql(f"create database {name}")
    postgresql.sql("create table t (x int)", name)
    yield names
    postgresql.sql(f"drop database {name} with (force)")
    postgresql.sql(f"drop role {user}")


def test_a_postgresql_is_looked_at(
    session: Session, postgresql: PostgreSql, store: tuple[str, str]
) -> None:
    needs = Needs("99.1", "pg_dump (PostgreSQL) 99.1", ("owner", NOBODY), ("pgcrypto", NOBODY))
    found = look(session, login_to(postgresql), store[1], needs)
    assert (found.refused, found.exists, found.tables, found.sessions) == ("", True, 1, 0)
    assert (found.superuser, found.may_create, found.owner) == (True, True, True)
    assert found.size
    assert found.free
    assert found.missing_roles == found.missing_extensions == ("no`body\"\\x0a's",)
    assert method_for(found)[0] is None
    assert len(remarks(found, needs)) == 3
    assert method_for(replace(found, missing_extensions=()))[0] is Method.SWAP


def test_who_owns_one_postgresql_and_may_create_swaps_it_if_nobody_holds_it(
    session: Session, postgresql: PostgreSql, store: tuple[str, str]
) -> None:
    user, name = store
    limited = login_to(postgresql, user, "right", by_port=True)
    poor = look(session, limited, name, Needs())
    assert (poor.superuser, poor.may_create, poor.owner) == (False, False, False)
    assert method_for(poor)[0] is None
    absent = look(session, limited, HOSTILE, Needs())
    assert (absent.exists, method_for(absent)[0]) == (False, None)
    postgresql.sql(f"alter role {user} createdb; alter database {name} owner to {user}")
    assert method_for(look(session, limited, name, Needs()))[0] is Method.SWAP
    somebody = postgresql.speaking("select 1;", name)
    assert somebody.stdout
    assert somebody.stdin
    somebody.stdout.readline()
    held = look(session, limited, name, Needs())
    somebody.stdin.close()
    somebody.wait()
    somebody.stdout.close()
    assert (held.sessions, held.held, method_for(held)[0]) == (1, 1, Method.IN_PLACE)
    assert look(session, login_to(postgresql, user, "wrong", by_port=True), name, Needs()).refused


def test_who_owns_one_postgresql_and_may_not_create_restores_it_in_place(
    session: Session, postgresql: PostgreSql, store: tuple[str, str]
) -> None:
    user, name = store
    postgresql.sql(f"alter database {name} owner to {user}")
    poor = look(session, login_to(postgresql, user, "right", by_port=True), name, Needs())
    method, why = method_for(poor)
    assert method is Method.IN_PLACE
    for words in ("CREATEDB", "one transaction", "no Undo", "safe-mode backup"):
        assert words in why
    method, why = method_for(replace(poor, client="15.13"))
    assert (method, "15.13 is too old" in why) == (None, True)


def test_a_wrong_password_is_tried_once(
    session: Session, postgresql: PostgreSql, store: tuple[str, str]
) -> None:
    """Three of them may lock a user out."""
    user, name = store
    refusal = f'password authentication failed for user "{user}"'
    assert (
        refusal
        in look(session, login_to(postgresql, user, "wrong", by_port=True), name, Needs()).refused
    )
    assert (postgresql.home / "log").read_text().count(refusal) == 1


def test_what_does_not_match_is_said_and_what_nobody_knows_is_said() -> None:
    found = Facts(Engine.MYSQL, version="8.0.36", client="8.0.36", exists=True, sessions=3)
    said = " ".join(remarks(found, Needs("8.4.1", "mysqldump  Ver 8.0.1 for Linux")))
    assert "newer server (8.4.1)" in said
    assert "3 sessions" in said
    assert "room" in said
    assert "client" not in said
    assert method_for(replace(found, exists=None))[0] is None


def test_an_answer_that_is_not_whole_is_a_failure() -> None:
    login = a_login(Engine.MYSQL)
    with pytest.raises(CommandFailed):
        restore_look.facts(login, "x", b"tool mysql mysql 8\n")
    late = b"tool mysql mysql 8\ntool mysqldump mysqldump 8\nend\n"
    assert restore_look.facts(login, "x", late).refused


def a_login(engine: Engine) -> Login:
    return Login(engine, "h", 1, "", "u", Secret("p"))


@pytest.mark.parametrize(
    "targets",
    [
        [("x", 0)],
        [("", 1)],
        [("ü" * 32, 1)],
        [("x", 1), ("x", 2)],
    ],
)
def test_what_cannot_be_restored_is_refused(targets: list[tuple[str, int]]) -> None:
    login = a_login(Engine.POSTGRESQL)
    made = [Target(login, number, "a", name) for name, number in targets]
    with pytest.raises(InvalidConfig):
        settings(made, "k1")
    assert settings([Target(login, 1, "a", "b")], "k1")
    over = [Target(login, 1, "a", name, Method.IN_PLACE) for name in ("b", "c")]
    assert settings(over[:1], "k1")
    with pytest.raises(InvalidConfig):
        settings(over, "k1")
    for key in ("", "K", "a b", "x" * 41):
        with pytest.raises(InvalidConfig):
            settings([], key)
    with pytest.raises(InvalidConfig):
        settings([Target(a_login(Engine.MARIADB), 1, "a", "x" * 65)], "k1")
