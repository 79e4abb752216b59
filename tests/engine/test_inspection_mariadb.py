"""A real MariaDB, looked at by users who lack something."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from cloudpilot.engine import inspection
from cloudpilot.engine.doctor.statements import Selection
from cloudpilot.engine.inspection import Asked
from cloudpilot.engine.sqlnames import mysql_account, mysql_name, mysql_pattern, mysql_text
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import DbUnreachable
from cloudpilot.secrets import Secret
from tests.support.canaries import Sightings, files, processes, watching
from tests.support.inspecting import Look, detail, levels, of_mariadb, statements
from tests.support.mariadb import MariaDb
from tests.support.sshd import private_sshd

ALL = ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT")
PASSWORD = "cAnArY of a login"
ODD_NAMES = [
    "it's",
    "a`b",
    'a"b',
    "$(touch x)",
    "a\\_b",
    "a_%b",
    "-e",
    "пошта 漢字",
    "x" * 64,
    " .#;",
]
ODD_PASSWORDS = ["it's", 'a"b', "a\\", "# no comment", " a b ", "$(id) `id`", "пароль", "=[x]\\n"]


class Scene:
    """A database with one of each kind of thing, and a user who is looked through."""

    def __init__(self, server: MariaDb, session: Session) -> None:
        mark = uuid4().hex[:8]
        self.server, self.session = server, session
        self.name, self.user = f"a_{mark}", f"u{mark}"
        self.account = f"'{self.user}'@'localhost'"
        server.sql(
            f"CREATE DATABASE {self.name}; CREATE USER {self.account} IDENTIFIED BY '{PASSWORD}'"
        )
        server.sql("CREATE TABLE t (i int); CREATE VIEW v AS SELECT * FROM t", self.name)

    def grant(self, *privileges: str, on: str = "") -> None:
        self.server.sql(
            f"GRANT {', '.join(privileges)} ON {on or self.name + '.*'} TO {self.account}"
        )

    def look(self) -> Look:
        return of_mariadb(self.session, self.server, self.user, PASSWORD)


@pytest.fixture
def scene(mariadb: MariaDb, session: Session) -> Iterator[Scene]:
    made = Scene(mariadb, session)
    yield made
    mariadb.sql(f"DROP DATABASE {made.name}; DROP USER IF EXISTS {made.account}")


def test_a_user_who_may_read_everything_is_well(scene: Scene) -> None:
    scene.grant(*ALL)
    scene.grant("SELECT", on="mysql.proc")
    found = scene.look().at(scene.name)
    assert (levels(found), found["missing"], found["ok"]) == ({}, [], True)
    assert (found["flavour"], found["version"].split(".")[0]) == ("mariadb", "10")
    assert found["tool"].startswith("mariadb-dump 10.")
    [one] = [one for one in found["databases"] if one["name"] == scene.name]
    assert (one["tables"], one["readable"], one["bytes"] >= 16384) == (1, True, True)
    names = {one["name"] for one in found["databases"]}
    assert not names & {"mysql", "sys", "information_schema", "performance_schema"}


@pytest.mark.parametrize("lacking", [*ALL, "mysql.proc"])
def test_each_privilege_that_is_missing_is_named_with_what_gives_it(
    scene: Scene, lacking: str
) -> None:
    scene.grant(*(name for name in ALL if name != lacking))
    if lacking != "mysql.proc":
        scene.grant("SELECT", on="mysql.proc")
    found = scene.look().at(scene.name)
    key = "routines" if lacking == "mysql.proc" else "privileges"
    assert levels(found) == {key: "failed"}
    assert lacking == "mysql.proc" or lacking in detail(found, key)
    [statement] = statements(found)
    scene.server.sql(statement)
    assert levels(scene.look().at(scene.name)) == {}


def test_some_tables_are_not_all(scene: Scene) -> None:
    """A dump with SELECT on one table is of that table, ends well, and says nothing."""
    scene.grant("SHOW VIEW", "TRIGGER", "EVENT")
    scene.grant("SELECT", on=f"{scene.name}.t")
    scene.grant("SELECT", on="mysql.proc")
    found = scene.look().at(scene.name)
    assert "SELECT" in detail(found, "privileges")
    assert [one["readable"] for one in found["databases"] if one["name"] == scene.name] == [False]


def test_what_a_role_gives_counts_if_it_is_active(scene: Scene) -> None:
    role = f"r{scene.user}"
    scene.server.sql(f"CREATE ROLE {role}; GRANT {', '.join(ALL)} ON {scene.name}.* TO {role}")
    scene.server.sql(f"GRANT SELECT ON mysql.proc TO {role}; GRANT {role} TO {scene.account}")
    assert levels(scene.look().at(scene.name)) == {"databases": "failed", "routines": "failed"}
    scene.server.sql(f"SET DEFAULT ROLE {role} FOR {scene.account}")
    assert levels(scene.look().at(scene.name)) == {}
    scene.server.sql(f"DROP ROLE {role}")


def test_what_is_pasted_takes_nothing_away(scene: Scene) -> None:
    """A more specific name hides a less specific one: what that gave has to be given again."""
    scene.grant("SELECT", "INSERT", "SHOW VIEW", on="`a%`.*")
    scene.grant("SELECT", on="mysql.proc")
    [statement] = statements(scene.look().at(scene.name))
    scene.server.sql(statement)
    assert levels(scene.look().at(scene.name)) == {}
    inserted = scene.server.sql(
        f"SELECT insert_priv FROM mysql.db WHERE user = '{scene.user}' AND db LIKE 'a%\\_%'"
    )
    assert inserted.split() == ["Y"]


@pytest.mark.parametrize(
    ("on_some", "lost"),
    [(("SELECT", "SHOW VIEW", "EVENT"), "TRIGGER"), (("EVENT",), "SELECT")],
)
def test_a_more_specific_name_that_gives_less_is_found(
    scene: Scene, on_some: tuple[str, ...], lost: str
) -> None:
    """The dump ends well, with all that was said of the less specific name, and lacks something."""
    scene.server.sql("CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW SET @a = 1", scene.name)
    scene.grant(*ALL, on="`%`.*")
    scene.grant(*on_some, on="`a%`.*")
    scene.grant("SELECT", on="mysql.proc")
    login = [f"--user={scene.user}", f"--password={PASSWORD}", f"--socket={scene.server.socket}"]
    dump = subprocess.run(
        ["mariadb-dump", "--no-defaults", *login, "--single-transaction", scene.name],
        check=False,
        capture_output=True,
        text=True,
    )
    assert dump.returncode == 0
    assert "-- Dump completed" in dump.stdout
    assert ("TRIGGER" if lost == "TRIGGER" else "CREATE TABLE") not in dump.stdout
    found = scene.look().at(scene.name)
    assert levels(found) == {"privileges": "failed"}
    assert f"without {lost}" in detail(found, "privileges")
    for statement in statements(found):
        scene.server.sql(statement)
    assert levels(scene.look().at(scene.name)) == {}


def test_what_the_user_cannot_see_is_not_all(scene: Scene) -> None:
    scene.grant(*ALL)
    scene.grant("SELECT", on="mysql.proc")
    found = scene.look().at(all_but=True)
    assert levels(found) == {"privileges": "failed"}
    assert "which databases are hidden from it cannot be known" in detail(found, "privileges")
    [statement] = statements(found)
    assert "ON *.*" in statement
    scene.server.sql(statement)
    found = scene.look().at("none of that name", all_but=True)
    assert levels(found) == {}


def test_what_is_asked_for_is_granted_whether_it_is_seen_or_not(scene: Scene) -> None:
    """A database that this user may not see looks like none."""
    hidden = f"{scene.name}_it's `hidden"
    scene.server.sql(f"CREATE DATABASE {mysql_name(hidden)}")
    try:
        found = scene.look().at(scene.name, hidden, "mysql")
        assert levels(found)["databases"] == "failed"
        said = f"hidden from this user: {scene.name}, {hidden}, mysql."
        assert said in detail(found, "databases")
        found = scene.look().at(scene.name, hidden)
        assert len(statements(found)) == 3
        for statement in statements(found):
            scene.server.sql(statement)
        assert levels(scene.look().at(scene.name, hidden)) == {}
    finally:
        scene.server.sql(f"DROP DATABASE {mysql_name(hidden)}")


def test_what_is_not_there_is_a_fault_only_where_it_was_asked_for(scene: Scene) -> None:
    scene.grant(*ALL, on="*.*")
    found = scene.look().at(scene.name, "gone", "mysql")
    assert levels(found) == {"databases": "failed"}
    assert "gone, mysql" in detail(found, "databases")
    assert levels(scene.look().at("gone", all_but=True)) == {}


def test_a_broken_view_and_tables_without_transactions_are_named(scene: Scene) -> None:
    scene.grant(*ALL, on="*.*")
    scene.server.sql("CREATE TABLE m (i int) ENGINE=MyISAM; CREATE TABLE n LIKE m", scene.name)
    scene.server.sql("CREATE VIEW bad AS SELECT * FROM n; DROP TABLE n", scene.name)
    found = scene.look().at(scene.name)
    assert levels(found) == {"views": "failed", "engines": "warning"}
    assert f"{scene.name}.bad" in detail(found, "views")
    assert f"{scene.name}.m" in detail(found, "engines")
    elsewhere = scene.look().at(scene.name, all_but=True)
    assert scene.name not in detail(elsewhere, "views")


def test_a_wrong_password_and_an_unknown_user_are_told_what_makes_a_user(scene: Scene) -> None:
    for look in (scene.look().by(password=Secret("wrong")), scene.look().by(user="ghost")):
        found = look.at(scene.name)
        assert levels(found) == {"login": "failed"}
        assert "Access denied for user" in detail(found, "login")
        assert found["ok"] is False
        assert "'localhost' IDENTIFIED BY 'the password'" in statements(found)[0]
    scene.server.sql(f"DROP USER {scene.account}")
    for statement in statements(scene.look().at(scene.name)):
        scene.server.sql(statement.replace("'the password'", f"'{PASSWORD}'"))
    assert levels(scene.look().at(scene.name)) == {}


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ({"socket": "/none/s"}, "cannot be reached by /none/s"),
        ({"socket": "", "host": "127.0.0.1", "port": 1}, "cannot be reached at 127.0.0.1:1"),
        ({"socket": "", "host": "no.such.invalid", "port": 3306}, "does not know the host"),
    ],
)
def test_a_server_that_is_not_there_is_a_finding(
    scene: Scene, way: dict[str, object], words: str
) -> None:
    found = scene.look().by(**way).at(scene.name)
    assert levels(found) == {"login": "failed"}
    assert words in detail(found, "login")
    assert [found["lines"][0]["code"], found["missing"]] == [DbUnreachable.code, []]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_is_a_name(scene: Scene, name: str) -> None:
    try:
        scene.server.sql(f"CREATE DATABASE {mysql_name(name)}")
        scene.server.sql(f"GRANT TRIGGER ON {mysql_pattern(name)}.* TO {scene.account}")
        scene.server.sql(f"CREATE TABLE {mysql_name(name)}.{mysql_name(name)} (i int) ENGINE=Aria")
        found = scene.look().at(name)
        assert levels(found)["privileges"] == "failed"
        for statement in statements(found):
            scene.server.sql(statement)
        found = scene.look().at(name)
        assert levels(found) == {"engines": "warning"}
        assert f"{name}.{name}" in detail(found, "engines")
        assert [one["name"] for one in found["databases"]] == [name]
    finally:
        scene.server.sql(f"DROP DATABASE {mysql_name(name)}")


def test_what_cannot_be_pasted_is_not_offered(scene: Scene) -> None:
    """A line break in a name would send the first half of a statement."""
    name = f"a\n{scene.name}"
    scene.server.sql(f"CREATE DATABASE `{name}`; GRANT TRIGGER ON `{name}`.* TO {scene.account}")
    try:
        scene.grant("SELECT", on="mysql.proc")
        found = scene.look().at(all_but=True)
        assert {one["name"] for one in found["databases"]} == {name.replace("\n", "\\x0a")}
        assert all("\n" not in statement for statement in statements(found))
        assert statements(scene.look().at(name)) == []
    finally:
        scene.server.sql(f"DROP DATABASE `{name}`")


@pytest.mark.parametrize("password", ODD_PASSWORDS)
def test_any_password_is_a_password(scene: Scene, password: str) -> None:
    user = f"it's \\ {scene.user}"[:60]
    account = mysql_account(user, "localhost")
    scene.server.sql(f"CREATE USER {account} IDENTIFIED BY {mysql_text(password)}")
    try:
        found = of_mariadb(scene.session, scene.server, user, password).at(scene.name)
        assert "login" not in levels(found)
        for statement in statements(found):
            scene.server.sql(statement)
    finally:
        scene.server.sql(f"DROP USER {account}")


def test_what_lies_in_the_home_directory_or_the_environment_changes_nothing(
    scene: Scene, tmp_path: Path
) -> None:
    scene.grant(*ALL, on="*.*")
    environment = (
        "MYSQL_PWD=x MYSQL_HOST=x MYSQL_TCP_PORT=1 MYSQL_UNIX_PORT=/x MYSQL_GROUP_SUFFIX=y"
    )
    home = tmp_path / "home"
    home.mkdir()
    (home / ".my.cnf").write_text("[client]\nuser=ghost\nhost=no.such\nxml\n[mysql]\nhtml\nforce\n")
    with (
        private_sshd(tmp_path, environment=f"HOME={home} {environment}") as sshd,
        sshd.session() as session,
    ):
        look = of_mariadb(session, scene.server, scene.user, PASSWORD)
        assert levels(look.at(scene.name)) == {}


def test_the_password_is_in_no_command_line_and_no_environment(scene: Scene) -> None:
    scene.grant(*ALL, on="*.*")
    sightings = Sightings()
    sightings.plant("password", PASSWORD)
    hashed = scene.server.sql(f"SELECT PASSWORD('{PASSWORD}')").strip()
    found = {}
    with watching(sightings, processes(set), files(Path("/dev/shm"))):
        while sightings.rounds < 10:
            found = scene.look().at(scene.name)
    assert sightings.seen == set()
    assert PASSWORD not in str(found)
    assert hashed not in str(found)


def test_the_hash_of_a_password_does_not_leave_the_server(scene: Scene) -> None:
    """SHOW GRANTS tells it to whoever has it."""
    asked = Asked(scene.look().login, Selection((scene.name,)))
    answer = scene.session.run(inspection.question(asked), timeout=25)
    assert b"grant GRANT USAGE ON *.* TO" in answer
    assert b"IDENTIFIED" not in answer


def test_of_a_server_with_much_in_it_little_is_kept(scene: Scene) -> None:
    scene.grant(*ALL, on="*.*")
    tables = "".join(f"CREATE TABLE m{number} (i int) ENGINE=MyISAM;" for number in range(40))
    scene.server.sql(tables, scene.name)
    assert "and 30 more" in detail(scene.look().at(scene.name), "engines")


def test_a_crowd_in_other_databases_hides_nothing(scene: Scene) -> None:
    scene.grant(*ALL, on="*.*")
    other = f"0{scene.name}"
    scene.server.sql(f"CREATE DATABASE {other}")
    try:
        tables = "".join(f"CREATE TABLE m{number} (i int) ENGINE=MyISAM;" for number in range(320))
        scene.server.sql(tables, other)
        scene.server.sql("CREATE TABLE m (i int) ENGINE=MyISAM", scene.name)
        assert "A table is" in detail(scene.look().at(scene.name), "engines")
        assert "320 tables are" in detail(scene.look().at(other), "engines")
    finally:
        scene.server.sql(f"DROP DATABASE {other}")


def test_by_a_port_it_is_somebody_from_elsewhere(scene: Scene) -> None:
    """An account is of one user and one place; which place it is, the server says."""
    by_port = scene.look().by(socket="", host="127.0.0.1", port=scene.server.port)
    found = by_port.at(scene.name)
    assert levels(found) == {"login": "failed"}
    try:
        for statement in statements(found):
            assert f"'{scene.user}'@'127.0.0.1'" in statement
            scene.server.sql(statement.replace("'the password'", f"'{PASSWORD}'"))
        assert levels(by_port.at(scene.name)) == {}
    finally:
        scene.server.sql(f"DROP USER '{scene.user}'@'127.0.0.1'")


def test_a_wrong_password_is_tried_once(scene: Scene) -> None:
    def refused() -> int:
        said = scene.server.sql("SHOW GLOBAL STATUS LIKE 'Access_denied_errors'")
        return int(said.split()[1])

    before = refused()
    scene.look().by(password=Secret("wrong")).at(scene.name, "another")
    assert refused() == before + 1
