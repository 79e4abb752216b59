"""A real PostgreSQL, looked at by users who lack something."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from cloudpilot.engine.sqlnames import postgresql_name, postgresql_text
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import DbUnreachable
from cloudpilot.secrets import Secret
from tests.support import postgresql as postgresql_server
from tests.support.canaries import Sightings, processes, watching
from tests.support.inspecting import Look, detail, levels, of_postgresql, statements
from tests.support.postgresql import PostgreSql
from tests.support.sshd import private_sshd
from tests.support.until import until

PASSWORD = "cAnArY of a login"
ODD_NAMES = [
    "it's",
    'a"b',
    "a\\b' host=x",
    "$(touch x)",
    "-e",
    "dbname=postgres user=owner",
    "postgresql://owner@/postgres",
    "пошта 漢字",
    "x" * 63,
    " .#;",
]
ODD_PASSWORDS = ["it's", 'a"b', "a\\", "# no comment", " a b", "$(id) `id`", "пароль", "=[x]\\n"]


class Scene:
    """A database of its own with a table, and a user who is looked through."""

    def __init__(self, server: PostgreSql, session: Session) -> None:
        mark = uuid4().hex[:8]
        self.server, self.session = server, session
        self.name, self.user = f"a_{mark}", f"u{mark}"
        server.sql(f"CREATE DATABASE {self.name}")
        server.sql(f"CREATE ROLE {self.user} LOGIN PASSWORD '{PASSWORD}'")
        self.sql("CREATE TABLE t (i serial); INSERT INTO t VALUES (1)")

    def sql(self, statements: str) -> str:
        return self.server.sql(statements, self.name)

    def read_all(self) -> None:
        self.server.sql(f"GRANT pg_read_all_data TO {self.user}")

    def look(self) -> Look:
        return of_postgresql(self.session, self.server, self.user, PASSWORD)

    def paste(self, *names: str) -> dict[str, str]:
        """What is left when all that was offered has been executed."""
        for statement in statements(self.look().at(*names)):
            self.server.sql(statement)
        return levels(self.look().at(*names))


@pytest.fixture
def scene(postgresql: PostgreSql, session: Session) -> Iterator[Scene]:
    made = Scene(postgresql, session)
    yield made
    postgresql.sql(f"DROP DATABASE {made.name} WITH (FORCE)")
    postgresql.sql(f"DROP ROLE IF EXISTS {made.user}")


def test_a_user_who_may_read_everything_is_well(scene: Scene) -> None:
    scene.read_all()
    found = scene.look().at(scene.name)
    assert (levels(found), found["missing"], found["ok"]) == ({}, [], True)
    assert (found["flavour"], found["tool"].split(".")[0]) == ("postgresql", "pg_dump 15")
    assert found["version"].startswith("15.")
    [one] = [one for one in found["databases"] if one["name"] == scene.name]
    assert (one["tables"], one["readable"], one["bytes"] > 1_000_000) == (1, True, True)
    names = {one["name"] for one in found["databases"]}
    assert "postgres" in names
    assert not names & {"template0", "template1"}


def test_tables_that_may_not_be_read_are_named_with_what_lets_them(scene: Scene) -> None:
    found = scene.look().at(scene.name)
    assert levels(found) == {"privileges": "failed"}
    assert f"{scene.name}.public.t" in detail(found, "privileges")
    assert [one["readable"] for one in found["databases"] if one["name"] == scene.name] == [False]
    assert statements(found) == [f'GRANT pg_read_all_data TO "{scene.user}";']
    assert scene.paste(scene.name) == {}


@pytest.mark.parametrize(
    "hidden",
    [
        "CREATE SCHEMA s; CREATE TABLE s.x (i int); GRANT SELECT ON s.x TO {user}",
        "CREATE SEQUENCE x",
        "CREATE TABLE x (a int, b int); GRANT SELECT (a, b) ON x TO {user}",
        "CREATE TABLE x (a int) PARTITION BY LIST (a)",
    ],
)
def test_what_pg_dump_stops_at_is_found(scene: Scene, hidden: str) -> None:
    scene.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {scene.user}")
    scene.sql(f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {scene.user}")
    assert levels(scene.look().at(scene.name)) == {}
    scene.sql(hidden.format(user=scene.user))
    assert levels(scene.look().at(scene.name)) == {"privileges": "failed"}
    assert scene.paste(scene.name) == {}


def test_row_security_and_large_objects_are_named_with_what_lets_them(scene: Scene) -> None:
    scene.read_all()
    scene.sql("ALTER TABLE t ENABLE ROW LEVEL SECURITY")
    found = scene.look().at(scene.name)
    assert levels(found) == {"rows": "failed"}
    assert "BYPASSRLS" in statements(found)[0]
    scene.sql("SELECT lo_create(0); SELECT lo_create(0)")
    found = scene.look().at(scene.name)
    assert levels(found) == {"rows": "failed", "objects": "failed"}
    assert "2 large objects" in detail(found, "objects")
    assert scene.paste(scene.name) == {}


def test_large_objects_that_were_granted_are_readable(scene: Scene) -> None:
    scene.read_all()
    scene.sql(
        "DO $$ BEGIN EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO"
        f" {scene.user}', lo_create(0)); END $$"
    )
    assert levels(scene.look().at(scene.name)) == {}


def test_a_database_that_lets_nobody_in_is_named(scene: Scene) -> None:
    scene.read_all()
    scene.server.sql(f"REVOKE CONNECT ON DATABASE {scene.name} FROM PUBLIC")
    found = scene.look().at(scene.name)
    assert levels(found) == {"connect": "failed"}
    assert "CONNECT ON DATABASE" in statements(found)[0]
    assert levels(scene.look().at(all_but=True)) == {"connect": "failed"}
    assert levels(scene.look().at(scene.name, all_but=True)) == {}
    assert scene.paste(scene.name) == {}
    scene.server.sql(f"ALTER DATABASE {scene.name} ALLOW_CONNECTIONS false")
    assert levels(scene.look().at(scene.name)) == {"connect": "failed"}
    assert levels(scene.look().at(all_but=True)) == {"connect": "warning"}
    assert scene.paste(scene.name) == {}


def test_what_is_pasted_lets_in_and_lets_read(scene: Scene) -> None:
    """All at once, though nobody could look into the database yet."""
    scene.server.sql(f"REVOKE CONNECT ON DATABASE {scene.name} FROM PUBLIC")
    assert scene.paste("postgres", scene.name) == {}


def test_what_is_not_there_is_a_fault_only_where_it_was_asked_for(scene: Scene) -> None:
    scene.read_all()
    found = scene.look().at("gone", scene.name, "template1")
    assert levels(found) == {"databases": "failed"}
    assert "gone, template1" in detail(found, "databases")
    assert levels(scene.look().at("gone", all_but=True)) == {}


def test_an_extension_is_said_and_what_belongs_to_it_is_not_dumped(scene: Scene) -> None:
    scene.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {scene.user}")
    scene.sql(f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {scene.user}")
    scene.sql("CREATE EXTENSION hstore; CREATE TABLE part (i int)")
    assert levels(scene.look().at(scene.name)) == {"privileges": "failed"}
    scene.sql("ALTER EXTENSION hstore ADD TABLE part")
    found = scene.look().at(scene.name)
    assert levels(found) == {}
    assert "hstore 1." in detail(found, "extensions")


def test_a_wrong_password_and_an_unknown_user_are_told_what_makes_a_user(scene: Scene) -> None:
    for look in (scene.look().by(password=Secret("wrong")), scene.look().by(user="ghost")):
        found = look.at(scene.name)
        assert levels(found) == {"login": "failed"}
        assert "password authentication failed" in detail(found, "login")
        assert "LOGIN PASSWORD 'the password'" in statements(found)[0]
    scene.server.sql(f"DROP ROLE {scene.user}")
    for statement in statements(scene.look().at(scene.name)):
        scene.server.sql(statement.replace("'the password'", f"'{PASSWORD}'"))
    assert levels(scene.look().at(scene.name)) == {}


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ({"host": "", "socket": "/none", "port": 5432}, "cannot be reached by /none"),
        ({"port": 1}, "cannot be reached at 127.0.0.1:1"),
        ({"host": "no.such.invalid"}, "does not know the host"),
    ],
)
def test_a_server_that_is_not_there_is_a_finding(
    scene: Scene, way: dict[str, object], words: str
) -> None:
    found = scene.look().by(**way).at(scene.name)
    assert levels(found) == {"login": "failed"}
    assert words in detail(found, "login")
    assert [found["lines"][0]["code"], found["missing"]] == [DbUnreachable.code, []]


def test_a_server_that_dies_is_a_finding_and_so_is_that_it_is_back(session: Session) -> None:
    with postgresql_server.running() as server:
        server.sql(f"CREATE ROLE u SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        look = of_postgresql(session, server, "u", PASSWORD)
        assert levels(look.at("postgres")) == {}
        server.kill()
        assert levels(look.at("postgres")) == {"login": "failed"}
        server.start()
        until(lambda: levels(look.at("postgres")), lambda found: found == {})


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_is_a_name(scene: Scene, name: str) -> None:
    """Of a database, a schema and a table; none of them is a connection string."""
    quoted = postgresql_name(name)
    try:
        scene.server.sql(f"CREATE DATABASE {quoted}")
        scene.server.sql(f"CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.{quoted} (i int)", name)
        found = scene.look().at(name)
        assert levels(found) == {"privileges": "failed"}
        assert f"{name}.{name}.{name}" in detail(found, "privileges")
        assert scene.paste(name) == {}
        [one] = [one for one in scene.look().at(name)["databases"] if one["name"] == name]
        assert one["tables"] == 1
        scene.server.sql(f"REVOKE CONNECT ON DATABASE {quoted} FROM PUBLIC")
        assert scene.paste(name) == {}
    finally:
        scene.server.sql(f"DROP DATABASE {quoted}")


def test_a_name_with_a_line_break_is_a_name_and_not_to_be_pasted(scene: Scene) -> None:
    name = "a\nend\n"
    quoted = f'"{name}"'
    scene.read_all()
    scene.server.sql(f"CREATE DATABASE {quoted}")
    try:
        assert levels(scene.look().at(name)) == {}
        scene.server.sql(f"REVOKE CONNECT ON DATABASE {quoted} FROM PUBLIC")
        found = scene.look().at(name)
        assert levels(found) == {"connect": "failed"}
        assert statements(found) == []
        assert "a\\x0aend\\x0a" in [one["name"] for one in found["databases"]]
    finally:
        scene.server.sql(f"DROP DATABASE {quoted}")


@pytest.mark.parametrize("password", ODD_PASSWORDS)
def test_any_password_is_a_password(scene: Scene, password: str) -> None:
    user = f"it's \\ \" {scene.user}"
    quoted = postgresql_name(user)
    scene.server.sql(f"CREATE ROLE {quoted} LOGIN PASSWORD {postgresql_text(password)}")
    try:
        look = of_postgresql(scene.session, scene.server, user, password)
        found = look.at(scene.name)
        assert levels(found) == {"privileges": "failed"}
        for statement in statements(found):
            scene.server.sql(statement)
        assert levels(look.at(scene.name)) == {}
    finally:
        scene.server.sql(f"DROP ROLE {quoted}")


def test_what_lies_in_the_home_directory_or_the_environment_changes_nothing(
    scene: Scene, tmp_path: Path
) -> None:
    scene.read_all()
    home = tmp_path / "home"
    (home / ".postgresql").mkdir(parents=True)
    (home / ".psqlrc").write_text(
        "\\set ON_ERROR_STOP off\n\\pset format html\nDROP TABLE t;\n\\q\n"
    )
    (home / ".pgpass").write_text("*:*:*:*:wrong\n")
    (home / ".pgpass").chmod(0o600)
    (home / ".pg_service.conf").write_text("[cloudpilot]\nhost=no.such\nuser=ghost\n")
    (home / ".postgresqlrc").write_text("9.4 other *\n")
    variables = (
        f"HOME={home} PGHOST=x PGPORT=1 PGUSER=x PGPASSWORD=x PGDATABASE=x PGSERVICE=x"
        f" PGSERVICEFILE={home}/.pg_service.conf PGOPTIONS=--default_transaction_isolation=odd"
        f" PGPASSFILE={home}/.pgpass PGSYSCONFDIR={home} PGCLUSTER=9.4/x PSQLRC={home}/.psqlrc"
        " PGSSLMODE=verify-full PGCLIENTENCODING=LATIN1 PGAPPNAME=x PGTZ=odd"
    )
    with (
        private_sshd(tmp_path, environment=variables) as sshd,
        sshd.session() as session,
    ):
        look = of_postgresql(session, scene.server, scene.user, PASSWORD)
        assert levels(look.at(scene.name)) == {}


def test_the_password_is_in_no_command_line_and_no_environment(scene: Scene) -> None:
    scene.read_all()
    sightings = Sightings()
    sightings.plant("password", PASSWORD)
    found = {}
    with watching(sightings, processes(set)):
        while sightings.rounds < 10:
            found = scene.look().at(scene.name)
    assert sightings.seen == set()
    assert PASSWORD not in str(found)


def test_what_others_have_defined_is_not_run(scene: Scene) -> None:
    """Functions and tables of the site do not stand in for those of the system."""
    scene.read_all()
    scene.sql("CREATE FUNCTION public.count(text) RETURNS int LANGUAGE sql AS 'SELECT 1/0'")
    scene.sql(
        "CREATE TABLE public.pg_class (i int); CREATE SCHEMA x; CREATE TABLE x.pg_extension (i int)"
    )
    scene.server.sql(f"ALTER ROLE {scene.user} SET search_path = public, x, pg_catalog")
    found = scene.look().at(scene.name)
    assert levels(found) == {}
    assert [one["tables"] for one in found["databases"] if one["name"] == scene.name] == [3]


def test_a_wrong_password_is_tried_once(scene: Scene) -> None:
    log = scene.server.home / "log"
    before = log.read_text().count("password authentication failed")
    scene.look().by(password=Secret("wrong")).at(scene.name, "another", "third")
    assert log.read_text().count("password authentication failed") == before + 1


def test_of_many_databases_the_answer_is_short(scene: Scene) -> None:
    """Each with more than may not be read than a page can show."""
    tables = "".join(f"CREATE TABLE {'t' * 50}{number} (i int);" for number in range(60))
    scene.sql(tables)
    found = scene.look().at(scene.name)
    assert "62 tables and sequences" in detail(found, "privileges")
    assert "and 52 more" in detail(found, "privileges")
