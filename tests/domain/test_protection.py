"""domain.protection, on both databases: what counts as a good backup, and how a site stands."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import databases, goodness, overview, protection, servers, sites
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.protection import FRESH_FOR, State
from cloudpilot.domain.status import Status
from cloudpilot.kinds import BackupType, Engine
from tests.support.rows import add_database, add_person, add_server, add_site
from tests.web.scenes import add_backup, add_checkup

NOW = clock.now()
GOOD = (Status.COMPLETED, {})
FAILED = (Status.FAILED, {"error_code": "DISK_FULL"})
STOPPED = (Status.FAILED, {"error_code": "STOPPED"})
RUNNING = (Status.RUNNING, {})
PART = {"files": 90, "directories": 9, "unreadable": 1}
HALF = {"files": 50, "directories": 0, "unreadable": 50}


@pytest.fixture
def shop(core: Flask) -> None:
    """A server with one site that nobody has backed up."""
    with transaction() as session:
        add_person(session)
        add_site(session, add_server(session, "web-1"), "shop")


def add(hours: float, status: Status, columns: dict[str, Any]) -> Backup:
    """A backup of the site, so many hours ago."""
    with transaction() as session:
        [site] = sites.listed(session)
        server = servers.find(session, site.server_id)
        return add_backup(session, server, site, status, age=timedelta(hours=hours), **columns)


def state() -> State:
    """How the site stands, which the list and the table have to agree on."""
    with reading() as session:
        [standing] = protection.standings(session)
        [row] = overview.site_rows(session, limit=5)
    assert row.state is standing.state
    assert (row.good.created_at if row.good else None) == standing.good_at
    return standing.state


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([], State.NEVER),
        ([(1, FAILED)], State.NEVER),
        ([(1, RUNNING)], State.NEVER),
        ([(3, GOOD)], State.FRESH),
        ([(25.9, GOOD)], State.FRESH),
        ([(26.1, GOOD)], State.OLD),
        ([(3, GOOD), (1, FAILED)], State.FAILED),
        ([(30, GOOD), (1, FAILED)], State.FAILED),
        ([(3, GOOD), (1, STOPPED)], State.FRESH),
        ([(30, GOOD), (1, RUNNING)], State.OLD),
        ([(3, FAILED), (1, GOOD)], State.FRESH),
        ([(1, (Status.COMPLETED, {"warning_count": 1, "counts": PART}))], State.FRESH),
        ([(1, (Status.COMPLETED, {"warning_count": 50, "counts": HALF}))], State.LOST),
        ([(1, (Status.COMPLETED, {"warning_count": 9, "counts": {}}))], State.FRESH),
        ([(1, (Status.COMPLETED, {"deleted_at": NOW}))], State.LOST),
        ([(30, GOOD), (1, (Status.COMPLETED, {"warning_count": 50, "counts": HALF}))], State.OLD),
    ],
)
def test_how_a_site_stands(shop: None, history: list[Any], expected: State) -> None:
    for hours, (status, columns) in history:
        add(hours, status, columns)
    assert state() is expected


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([(3, ["/srv"])], State.FRESH),
        ([(3, ["/srv/shop", "/etc"])], State.FRESH),
        ([(3, ["/srv/sho"])], State.CHANGED),
        ([(30, ["/srv/shop/images"])], State.CHANGED),
        ([(5, ["/srv/shop"]), (3, ["/etc"])], State.CHANGED),
        ([(5, ["/etc"]), (3, ["/srv/shop"])], State.FRESH),
    ],
)
def test_a_backup_protects_a_site_only_if_it_holds_the_paths_of_today(
    shop: None, history: list[Any], expected: State
) -> None:
    for hours, paths in history:
        add(hours, Status.COMPLETED, {"paths": paths})
    assert state() is expected
    with reading() as session:
        [standing] = protection.standings(session)
    assert standing.is_sound is (expected is State.FRESH)


FILES, DATABASE, FULL = (
    (Status.COMPLETED, {"type": kind})
    for kind in (BackupType.FILES, BackupType.DATABASE, BackupType.FULL)
)
NO_FILES = (Status.FAILED, {"type": BackupType.FILES, "error_code": "DISK_FULL"})
NO_DUMP = (Status.FAILED, {"type": BackupType.DATABASE, "error_code": "DB_AUTH_FAILED"})


@pytest.mark.parametrize(
    ("has", "history", "expected"),
    [
        ("both", [], State.NEVER),
        ("both", [(3, FULL)], State.FRESH),
        ("both", [(3, FILES)], State.CHANGED),
        ("both", [(3, DATABASE)], State.CHANGED),
        ("both", [(3, DATABASE), (1, FILES)], State.FRESH),
        ("both", [(3, DATABASE), (1, DATABASE)], State.CHANGED),
        ("both", [(30, DATABASE), (1, FILES)], State.OLD),
        ("both", [(30, FILES), (1, DATABASE)], State.OLD),
        ("both", [(30, FULL), (3, FILES), (1, DATABASE)], State.FRESH),
        ("both", [(3, FULL), (1, NO_FILES)], State.FAILED),
        ("both", [(5, FULL), (3, NO_FILES), (1, DATABASE)], State.FAILED),
        ("both", [(5, FULL), (3, NO_DUMP), (1, FILES)], State.FAILED),
        ("both", [(5, FULL), (3, NO_DUMP), (1, FULL)], State.FRESH),
        ("databases", [], State.NEVER),
        ("databases", [(3, DATABASE)], State.FRESH),
        ("databases", [(3, FULL)], State.FRESH),
        ("databases", [(30, DATABASE), (3, FILES)], State.OLD),
        ("databases", [(3, FILES)], State.LOST),
        ("databases", [(3, DATABASE), (1, NO_FILES)], State.FRESH),
        ("paths", [(3, FULL)], State.FRESH),
        ("paths", [(3, DATABASE)], State.LOST),
        ("paths", [(30, FILES), (3, DATABASE)], State.OLD),
        ("nothing", [], State.NEVER),
        ("nothing", [(3, FULL)], State.LOST),
    ],
)
def test_a_site_is_as_fresh_as_the_older_of_its_files_and_its_databases(
    shop: None, has: str, history: list[Any], expected: State
) -> None:
    with transaction() as session:
        [site] = sites.listed(session)
        if has in {"both", "databases"}:
            add_database(session, site)
        add_database(session, site, removed_at=clock.now())
        if has in {"databases", "nothing"}:
            site.paths = []
        plans = [database.plan() for database in databases.of_site(session, site.id)]
    for hours, (status, columns) in history:
        kind: BackupType = columns["type"]
        paths = ["/srv/shop"] if kind.has_files else []
        dumps = plans if kind.has_databases else []
        add(hours, status, columns | {"paths": paths, "databases": dumps})
    assert state() is expected
    with reading() as session:
        [standing] = protection.standings(session)
    assert standing.is_sound is (expected in {State.FRESH, State.OLD, State.FAILED})


def test_a_database_that_was_added_or_changed_since_is_not_protected(shop: None) -> None:
    with transaction() as session:
        [site] = sites.listed(session)
        add_database(session, site, all_but=False, names=["shop"])
        plans = [database.plan() for database in databases.of_site(session, site.id)]
    add(3, Status.COMPLETED, {"type": BackupType.FULL, "databases": plans})
    assert state() is State.FRESH
    for change in ({"names": ["shop", "blog"]}, {"names": ["shop"], "socket": "/other"}):
        with transaction() as session:
            [database] = databases.of_site(session, site.id)
            for name, value in change.items():
                setattr(database, name, value)
        assert state() is State.CHANGED
    with transaction() as session:
        databases.of_site(session, site.id)[0].socket = "/run/mysqld/mysqld.sock"
    assert state() is State.FRESH
    with transaction() as session:
        add_database(session, sites.find(session, site.id), engine=Engine.POSTGRESQL)
    assert state() is State.CHANGED


def test_a_backup_where_files_do_not_stay_protects_nothing_until_a_check_says_otherwise(
    shop: None,
) -> None:
    add(1, Status.COMPLETED, {})
    for trap, expected in (("It is in memory.", State.UNKEPT), (None, State.FRESH)):
        with transaction() as session:
            [site] = sites.listed(session)
            add_checkup(session, servers.find(session, site.server_id), trap=trap)
        assert state() is expected


@pytest.mark.parametrize("gone", [CopyStatus.DELETING, CopyStatus.GONE, CopyStatus.FAILED])
def test_a_backup_without_its_archive_protects_nothing(shop: None, gone: CopyStatus) -> None:
    backup = add(1, Status.COMPLETED, {})
    with transaction() as session:
        session.get_one(Backup, backup.id).copies[0].status = gone
    assert state() is State.LOST


@pytest.mark.parametrize(
    ("counts", "warnings", "serious"),
    [
        ({}, 0, False),
        ({}, 5, False),
        (PART, 1, False),
        (PART | {"unreadable": 2}, 2, True),
        (HALF, 50, True),
        ({"files": 1, "unreadable": 5}, 0, False),
    ],
)
def test_the_page_and_the_database_agree_on_what_is_serious(
    shop: None, counts: dict[str, int], warnings: int, serious: bool
) -> None:
    backup = add(1, Status.COMPLETED, {"counts": counts, "warning_count": warnings})
    assert goodness.is_serious(backup) is serious
    assert (state() is State.LOST) is serious


def test_sites_come_worst_first_and_are_found_by_their_name_or_their_servers(core: Flask) -> None:
    with transaction() as session:
        add_person(session)
        web, mail = add_server(session, "web-1"), add_server(session, "Mail_1")
        for name, hours in (("fresh", 2), ("fresher", 1), ("old", 50), ("older", 70)):
            site = add_site(session, web, name)
            add_backup(session, web, site, Status.COMPLETED, age=timedelta(hours=hours))
        add_site(session, mail, "Never")
        add_site(session, mail, "gone", removed_at=clock.now())
    with reading() as session:
        found = protection.standings(session)
        assert [one.name for one in found] == ["Never", "older", "old", "fresh", "fresher"]
        assert protection.numbers(found) == {
            State.NEVER: 1,
            State.LOST: 0,
            State.FAILED: 0,
            State.CHANGED: 0,
            State.UNKEPT: 0,
            State.OLD: 2,
            State.FRESH: 2,
        }
        wanted = {"OLD": ["older", "old"], "mail_": ["Never"], "%": [], "web": 4}
        for search, names in wanted.items():
            hits = [one.name for one in protection.standings(session, search)]
            assert (len(hits) if isinstance(names, int) else hits) == names
        ids = [one.site_id for one in found]
        assert [row.site.id for row in overview.site_rows(session, site_ids=ids, limit=9)] == ids


def test_a_day_and_two_hours_is_what_fresh_means() -> None:
    """The pages say the number of hours: it has to be a whole one."""
    assert timedelta(hours=26) == FRESH_FOR
