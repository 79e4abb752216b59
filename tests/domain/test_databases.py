"""domain.databases, and what requests and removals do with them, on both databases."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import databases, outcomes, ratios, removals, requests, servers, sites
from cloudpilot.domain.archives import Made
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.databases import Database
from cloudpilot.domain.requests import Wish
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.errors import BackupInProgress, InvalidConfig, NotFound, SshNotConfigured
from cloudpilot.kinds import BackupType, Compression, Engine, Role, RunKind
from cloudpilot.secrets import Sealer, Secret
from tests.support.rows import add_database, add_person, add_run, add_server, add_site
from tests.web.scenes import add_backup

HERE: dict[str, Any] = {
    "engine": Engine.MARIADB,
    "host": "",
    "port": None,
    "socket": "/run/mysqld/mysqld.sock",
    "user": "backup",
    "all_but": False,
    "names": ["shop"],
}
ELSEWHERE = HERE | {"host": "db-1", "port": 3306, "socket": ""}
SOCKET = HERE["socket"]


@pytest.fixture
def site_id(core: Flask) -> UUID:
    """A site with a path and no database."""
    with transaction() as session:
        add_person(session)
        return add_site(session, add_server(session)).id


@pytest.fixture
def sealer(core: Flask) -> Sealer:
    """The panel's own."""
    found: Sealer = core.extensions["sealer"]
    return found


def added(site_id: UUID, sealer: Sealer, values: dict[str, Any], password: str = "s3cret") -> UUID:
    """A database of the site, as a form adds it."""
    with transaction() as session:
        site = sites.find(session, site_id)
        return databases.add(session, site, sealer, Secret(password), values).id


def opened(database_id: UUID, sealer: Sealer) -> str:
    """Its password."""
    with reading() as session:
        row = databases.find(session, database_id)
        return sealer.open(row.password, row.password_place).reveal()


def dumped(engine: str, where: str, *names: str) -> list[dict[str, Any]]:
    """What was counted in the dumps of these."""
    return [{"engine": engine, "where": where, "name": name} for name in names]


def back_up(session: Session, site: Site, census: list[dict[str, Any]], **columns: Any) -> Backup:
    """A completed backup of all that the site has."""
    plans = [database.plan() for database in databases.of_site(session, site.id)]
    values = {"type": BackupType.FULL, "databases": plans, "census": census} | columns
    server = servers.find(session, site.server_id)
    return add_backup(session, server, site, Status.COMPLETED, **values)


@pytest.mark.parametrize(
    ("columns", "where", "which"),
    [
        ({}, SOCKET, "shop"),
        ({"names": ["a", "b"]}, SOCKET, "a, b"),
        ({"all_but": True}, SOCKET, "all but shop"),
        ({"all_but": True, "names": []}, SOCKET, "all"),
        (ELSEWHERE, "db-1:3306", "shop"),
        ({"engine": Engine.POSTGRESQL, "socket": "/tmp"}, "/tmp", "shop"),
        ({"socket": "/tmp", "port": 5433}, "/tmp/.s.PGSQL.5433", "shop"),
        ({"socket": "/", "port": 5433}, "/.s.PGSQL.5433", "shop"),
    ],
)
def test_where_and_which_are_said_in_words(columns: dict[str, Any], where: str, which: str) -> None:
    database = Database(id=uuid4(), **(HERE | columns))
    assert (database.where, database.which) == (where, which)
    assert database.title == f"{database.engine.brand} at {where}"
    assert "password" not in database.plan()


@pytest.mark.parametrize(
    ("findings", "level"),
    [
        (None, ""),
        ({"ok": True}, "ok"),
        ({"ok": True, "lines": [{"level": "ok"}]}, "ok"),
        ({"ok": True, "lines": [{"level": "ok"}, {"level": "warning"}]}, "warning"),
        ({"ok": False, "lines": []}, "failed"),
        ({}, "failed"),
    ],
)
def test_what_was_found_is_one_level(findings: dict[str, Any] | None, level: str) -> None:
    assert Database(findings=findings).level == level


def test_a_password_is_sealed_at_its_own_place(site_id: UUID, sealer: Sealer) -> None:
    first, second = added(site_id, sealer, HERE), added(site_id, sealer, ELSEWHERE, "other")
    assert (opened(first, sealer), opened(second, sealer)) == ("s3cret", "other")
    with reading() as session:
        found = databases.of_site(session, site_id)
        assert [row.id for row in found] == [first, second]
        assert "s3cret" not in found[0].password
        assert databases.by_site(session) == {site_id: found}


def test_the_very_same_is_not_added_twice(site_id: UUID, sealer: Sealer) -> None:
    first = added(site_id, sealer, HERE | {"names": ["a", "b"]})
    for same in ({"names": ["b", "a"]}, {"names": ["a", "b"], "user": "root"}):
        with pytest.raises(InvalidConfig, match=r"MariaDB at /run/mysqld/mysqld\.sock with these"):
            added(site_id, sealer, HERE | same)
    other = added(site_id, sealer, HERE | {"names": ["a"]})
    with transaction() as session:
        row = databases.find(session, first)
        databases.change(session, row, sealer, None, HERE | {"names": ["a", "b"]})  # it is itself
        with pytest.raises(InvalidConfig, match="already"):
            databases.change(session, row, sealer, None, HERE | {"names": ["a"]})
        assert row.names == ["a", "b"]
        removals.remove_database(session, databases.find(session, other))
    added(site_id, sealer, HERE | {"names": ["a"]})


def test_a_password_stays_unless_it_is_typed_anew(site_id: UUID, sealer: Sealer) -> None:
    database_id = added(site_id, sealer, HERE)
    with transaction() as session:
        row = databases.find(session, database_id)
        row.findings, row.inspected_at = {"ok": True}, clock.now()
        databases.change(session, row, sealer, None, HERE | {"user": "reader"})
        assert (row.user, row.findings, row.inspected_at) == ("reader", None, None)
    assert opened(database_id, sealer) == "s3cret"
    with transaction() as session:
        row = databases.find(session, database_id)
        databases.change(session, row, sealer, Secret("newer"), HERE)
    assert opened(database_id, sealer) == "newer"


def test_a_password_goes_to_no_other_server_than_it_was_typed_for(
    site_id: UUID, sealer: Sealer
) -> None:
    known, empty = added(site_id, sealer, HERE), added(site_id, sealer, HERE | {"names": ["x"]}, "")
    with transaction() as session:
        row = databases.find(session, known)
        with pytest.raises(InvalidConfig, match="type the password"):
            databases.change(session, row, sealer, None, ELSEWHERE)
        assert row.host == ""
        databases.change(session, row, sealer, Secret("new"), ELSEWHERE)
        databases.change(
            session, databases.find(session, empty), sealer, None, ELSEWHERE | {"names": ["x"]}
        )
    assert (opened(known, sealer), opened(empty, sealer)) == ("new", "")


def test_a_database_is_looked_at_once_at_a_time(site_id: UUID, sealer: Sealer) -> None:
    first, second = added(site_id, sealer, HERE), added(site_id, sealer, ELSEWHERE)
    with transaction() as session:
        rows = databases.of_site(session, site_id)
        assert databases.latest_looks(session, []) == {}
        assert databases.latest_looks(session, rows) == {}
        old = requests.inspect(session, rows[0], by=add_person(session, Role.ADMIN))
        assert (old.kind, old.options) == (RunKind.INSPECT, {"database": str(first)})
        assert (old.subject, old.claim) == ("shop on web-1", f"inspect:database:{first}")
        with pytest.raises(BackupInProgress):
            requests.inspect(session, rows[0], by=None)
        other = requests.inspect(session, rows[1], by=None)
        assert databases.latest_looks(session, rows) == {first: old, second: other}
        old.created_at = clock.now() - timedelta(hours=1)
        old.move(session, Status.FAILED)
        new = requests.inspect(session, rows[0], by=None)
        assert databases.latest_looks(session, rows) == {first: new, second: other}
        servers.find(session, old.server_id).host_keys = []
        with pytest.raises(SshNotConfigured):
            requests.inspect(session, rows[1], by=None)


def wish(session: Session, site_id: UUID, kind: BackupType, **also: Any) -> Wish:
    """For a backup of that kind of the site."""
    site = sites.find(session, site_id)
    values: dict[str, Any] = {
        "server": servers.find(session, site.server_id),
        "site": site,
        "paths": site.paths,
        "excludes": ["*.log"],
        "compression": Compression.ZSTD,
        "databases": databases.of_site(session, site_id),
    }
    return Wish(**(values | also), type=kind)


BY_SERVERS = [kind for kind in BackupType if kind is not BackupType.SNAPSHOT]


@pytest.mark.parametrize("kind", BY_SERVERS)
def test_a_backup_is_of_what_its_type_says(site_id: UUID, sealer: Sealer, kind: BackupType) -> None:
    database_id = added(site_id, sealer, HERE)
    with transaction() as session:
        run = requests.backup_now(session, wish(session, site_id, kind), by=None)
        backup = session.get_one(Backup, run.backup_id)
        assert backup.archive.startswith(f"{kind}-20")
        assert backup.archive.endswith("Z.tar.zst")
        assert (backup.paths, backup.excludes) == (
            (["/srv/shop"], ["*.log"]) if kind.has_files else ([], [])
        )
        assert [plan["id"] for plan in backup.databases] == (
            [str(database_id)] if kind.has_databases else []
        )
        for other in BY_SERVERS:
            with pytest.raises(BackupInProgress):
                requests.backup_now(session, wish(session, site_id, other), by=None)


@pytest.mark.parametrize(
    ("kind", "lacks", "why"),
    [
        (BackupType.FULL, ("paths", "databases"), "nothing to back up yet"),
        (BackupType.FILES, ("paths",), "no paths: only its databases"),
        (BackupType.FULL, ("paths",), "no paths: only its databases"),
        (BackupType.DATABASE, ("databases",), "no database: only its files"),
        (BackupType.FULL, ("databases",), "no database: only its files"),
    ],
)
def test_what_is_not_there_is_not_backed_up(
    site_id: UUID, sealer: Sealer, kind: BackupType, lacks: tuple[str, ...], why: str
) -> None:
    added(site_id, sealer, HERE)
    with transaction() as session:
        asked = wish(session, site_id, kind, **{name: [] for name in lacks})
        with pytest.raises(InvalidConfig, match=why):
            requests.backup_now(session, asked, by=None)


def test_paths_of_a_server_have_its_name(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session)
        nothing = Wish(server, None, [], [], Compression.GZIP)
        with pytest.raises(InvalidConfig, match="web-1 has nothing"):
            requests.backup_now(session, nothing, by=None)


def test_a_site_without_paths_has_no_preview(site_id: UUID) -> None:
    with transaction() as session:
        site = sites.find(session, site_id)
        site.paths = []
        with pytest.raises(InvalidConfig, match="nothing to count"):
            requests.preview(session, site, by=None)


def test_how_small_an_archive_becomes_is_learnt_from_the_same_type(
    site_id: UUID, sealer: Sealer
) -> None:
    added(site_id, sealer, HERE)
    with transaction() as session:
        site = sites.find(session, site_id)
        back_up(session, site, [], size=100, tar_size=1000, counts={"measured": 40})
        back_up(session, site, [], type=BackupType.FILES, size=900, tar_size=1000)
        for kind, percent in ((BackupType.FULL, 275), (BackupType.DATABASE, 100)):
            backup = add_backup(
                session, servers.find(session, site.server_id), site, Status.PENDING, type=kind
            )
            assert ratios.expected(session, backup).percent == percent


def test_what_the_last_backup_held_is_known(site_id: UUID, sealer: Sealer) -> None:
    everything = added(site_id, sealer, HERE | {"all_but": True, "names": ["scratch"]})
    some = added(site_id, sealer, HERE | {"names": ["shop", "blog"]})
    with transaction() as session:
        site = sites.find(session, site_id)
        assert databases.known(session, site_id) == {everything: [], some: []}
        old = dumped("mariadb", SOCKET, "shop", "old")
        back_up(session, site, old, age=timedelta(hours=9))
        back_up(session, site, [], type=BackupType.FILES, databases=[], age=timedelta(hours=1))
        names = ("shop", "wiki", "blog", "scratch", "crm")
        census = dumped("mariadb", SOCKET, *names) + dumped("mysql", SOCKET, "x")
        census += [{"engine": "mariadb", "where": dumped("mariadb", SOCKET, "x")[0]["where"]}]
        back_up(session, site, census, age=timedelta(hours=5))
        assert databases.known(session, site_id) == {
            everything: ["wiki", "crm"],
            some: ["shop", "blog"],
        }
        databases.find(session, everything).names = ["crm"]  # from now on it is left out
        databases.find(session, some).names = ["shop"]
        late = add_database(session, site, engine=Engine.POSTGRESQL)
        assert databases.known(session, site_id) == {
            everything: ["wiki", "scratch"],
            some: ["shop"],
            late.id: [],
        }


def test_a_dump_that_has_shrunk_is_a_warning_beside_the_others(
    site_id: UUID, sealer: Sealer
) -> None:
    added(site_id, sealer, HERE)
    big, small = (
        [one | {"bytes": size, "rows": 5} for one in dumped("mariadb", SOCKET, "shop")]
        for size in (10_000_000, 2_000_000)
    )
    with transaction() as session:
        site = sites.find(session, site_id)
        for day in range(1, 4):
            back_up(session, site, big, age=timedelta(days=day))
        back_up(session, site, [], type=BackupType.FILES, age=timedelta(hours=1))
        for kind, said in ((BackupType.DATABASE, 1), (BackupType.FILES, 0)):
            run = add_run(session, servers.find(session, site.server_id), site, kind)
            backup = session.get_one(Backup, run.backup_id)
            outcomes.started(session, backup)
            made = Made(1, "ab" * 32, 1, {}, 3, {}, small)
            outcomes.completed(session, backup, made, ["a changed", "b changed", "c changed"])
            run.move(session, Status.RUNNING)
            run.move(session, Status.COMPLETED)
            assert backup.warning_count == 3 + said
            assert backup.census == small
            assert backup.warnings[said:] == ["a changed", "b changed", "c changed"]
            assert [
                w for w in backup.warnings if "is 2.0 MB; the last 3 were" in w
            ] == backup.warnings[:said]


def plan_of(**columns: Any) -> dict[str, Any]:
    return Database(id=UUID(int=1), **(HERE | columns)).plan()


@pytest.mark.parametrize(
    ("then", "now", "held"),
    [
        ({}, {}, True),
        ({}, {"user": "other"}, True),
        ({"names": ["shop", "blog"]}, {}, True),
        ({}, {"names": ["shop", "blog"]}, False),
        ({}, {"all_but": True, "names": []}, False),
        ({}, ELSEWHERE, False),
        ({}, {"engine": Engine.MYSQL}, False),
        ({"all_but": True, "names": []}, {}, True),
        ({"all_but": True, "names": ["blog"]}, {}, True),
        ({"all_but": True, "names": ["shop"]}, {}, False),
        ({"all_but": True, "names": ["blog"]}, {"all_but": True, "names": ["blog"]}, True),
        ({"all_but": True, "names": ["blog"]}, {"all_but": True, "names": ["blog", "x"]}, True),
        ({"all_but": True, "names": ["blog"]}, {"all_but": True, "names": []}, False),
    ],
)
def test_a_backup_holds_a_database_if_it_was_to_dump_all_that_is_to_be_dumped_now(
    then: dict[str, Any], now: dict[str, Any], held: bool
) -> None:
    database = Database(id=UUID(int=1), **(HERE | now))
    assert databases.are_held([plan_of(**then)], [database]) is held
    assert databases.are_held([], [database]) is False
    assert databases.are_held([], []) is True


def test_what_was_removed_is_gone_with_its_password_but_not_with_its_backups(
    site_id: UUID, sealer: Sealer
) -> None:
    database_id, kept = added(site_id, sealer, HERE), added(site_id, sealer, ELSEWHERE)
    with transaction() as session:
        site = sites.find(session, site_id)
        backup_id = back_up(session, site, dumped("mariadb", SOCKET, "shop")).id
        removals.remove_database(session, databases.find(session, database_id))
    with reading() as session:
        for missing in (database_id, uuid4()):
            with pytest.raises(NotFound):
                databases.find(session, missing)
        row = session.get_one(Database, database_id)
        assert (row.password, row.removed_at is None) == ("", False)
        assert [one.id for one in databases.of_site(session, site_id)] == [kept]
        assert session.get_one(Backup, backup_id).databases[0]["id"] == str(database_id)


def test_a_database_that_is_being_backed_up_is_not_removed(site_id: UUID, sealer: Sealer) -> None:
    database_id = added(site_id, sealer, HERE)
    with transaction() as session:
        site = sites.find(session, site_id)
        add_run(session, servers.find(session, site.server_id), site, BackupType.DATABASE)
        with pytest.raises(BackupInProgress, match="A backup of shop on web-1"):
            removals.remove_database(session, databases.find(session, database_id))


@pytest.mark.parametrize("what", ["site", "server"])
def test_a_site_that_is_removed_takes_its_databases_with_it(
    site_id: UUID, sealer: Sealer, what: str
) -> None:
    added(site_id, sealer, HERE)
    with transaction() as session:
        site = sites.find(session, site_id)
        other = add_database(session, add_site(session, add_server(session, "web-2")))
        if what == "site":
            removals.remove_site(session, site)
        else:
            removals.remove_server(session, servers.find(session, site.server_id))
    with reading() as session:
        assert databases.of_site(session, site_id) == []
        assert list(databases.by_site(session)) == [other.site_id]
        assert session.query(Database).filter_by(password="").count() == 1


def test_a_look_that_waits_keeps_the_server(site_id: UUID, sealer: Sealer) -> None:
    database_id = added(site_id, sealer, HERE)
    with transaction() as session:
        requests.inspect(session, databases.find(session, database_id), by=None)
        server = servers.find(session, sites.find(session, site_id).server_id)
        with pytest.raises(BackupInProgress, match="A look at the databases of shop on web-1"):
            removals.remove_server(session, server)
