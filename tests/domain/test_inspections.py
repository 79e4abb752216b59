"""domain.inspections: what was found about databases, kept and told."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import inspections, runs
from cloudpilot.domain.databases import Database
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.errors import CommandFailed
from cloudpilot.kinds import Engine, RunKind
from tests.support.rows import add_server, add_site

OK = {"key": "login", "level": "ok", "title": "Login", "detail": "In.", "remedy": ""}
BAD = {"key": "a", "level": "failed", "title": "A", "detail": "Bad.", "remedy": "Do it."}
WORSE = BAD | {"key": "b", "detail": "Worse.", "remedy": "Do that."}
MEH = BAD | {"key": "c", "level": "warning", "detail": "Meh."}


def found(*lines: dict[str, str], names: tuple[str, ...] = ("shop",)) -> dict[str, Any]:
    databases = [{"name": name, "bytes": 1, "tables": 1, "readable": True} for name in names]
    return {
        "ok": True,
        "version": "10.11.6",
        "tool": "mariadb-dump 10.11.6",
        "databases": databases,
        "lines": list(lines or (OK,)),
        "missing": [],
    }


@pytest.fixture
def database_id(core: Flask) -> UUID:
    """A database of a site."""
    with transaction() as session:
        row = Database(
            site_id=add_site(session, add_server(session)).id,
            engine=Engine.MARIADB,
            socket="/s",
            user="u",
            password="sealed",
            names=["shop"],
        )
        session.add(row)
        session.flush()
        return row.id


def keep(database_id: UUID, **what: Any) -> Database:
    with transaction() as session:
        row = session.get_one(Database, database_id)
        inspections.keep(session, row, found(**what), row.plan())
    with reading() as session:
        return session.get_one(Database, database_id)


def new(row: Database) -> list[str]:
    return [one["name"] for one in (row.findings or {})["databases"] if one["new"]]


def test_what_was_not_there_the_last_time_is_new(database_id: UUID) -> None:
    assert new(keep(database_id)) == []
    assert new(keep(database_id, names=("shop", "blog"))) == ["blog"]
    assert new(keep(database_id, names=("shop", "blog"))) == []
    assert new(keep(database_id, names=())) == []
    row = keep(database_id, names=("shop",))  # it was silent the last time: nothing is known
    assert new(row) == []
    assert row.inspected_at
    assert clock.now() - row.inspected_at < timedelta(minutes=1)


def test_findings_for_another_choice_are_stale(database_id: UUID) -> None:
    assert inspections.is_stale(keep(database_id)) is False
    with transaction() as session:
        row = session.get_one(Database, database_id)
        row.names = ["blog"]
        session.flush()
        assert inspections.is_stale(row)
        row.findings = None
        assert not inspections.is_stale(row)


def test_the_newest_run_is_found(database_id: UUID) -> None:
    with transaction() as session:
        row = session.get_one(Database, database_id)
        assert inspections.latest(session, row) is None
        server = session.query(Server).one()
        run = Run(
            kind=RunKind.INSPECT,
            claim=f"inspect:database:{row.id}",
            server_id=server.id,
            subject="shop",
            options={"database": str(row.id)},
        )
        runs.add(session, run)
        assert inspections.latest(session, row) is run


def test_those_that_wait_longest_come_first_and_removed_ones_not_at_all(database_id: UUID) -> None:
    with transaction() as session:
        first = session.get_one(Database, database_id)
        server_id = session.query(Server).one().id
        common = {"engine": Engine.POSTGRESQL, "user": "u", "password": "x", "names": []}
        later = Database(site_id=first.site_id, inspected_at=clock.now(), **common)
        never = Database(site_id=first.site_id, **common)
        gone = Database(site_id=first.site_id, removed_at=clock.now(), **common)
        session.add_all([later, never, gone])
        first.inspected_at = clock.now() - timedelta(days=1)
        session.flush()
        pairs = inspections.on_server(session, server_id)
        assert [database.id for database, _ in pairs] == [never.id, first.id, later.id]
        assert inspections.on_server(session, uuid4()) == []


def told(database_id: UUID, *now: Any) -> dict[str, Any]:
    with reading() as session:
        pairs = inspections.on_server(session, session.query(Server).one().id)
    lines = inspections.lines(pairs, {database_id: now[0]} if now else {})
    return lines[0] if lines else {}


def test_a_check_tells_the_worst_of_each_database(database_id: UUID) -> None:
    assert told(database_id) == {}  # nobody has looked yet
    well = told(database_id, found())
    assert (well["level"], well["title"], well["remedy"]) == ("ok", "MariaDB of shop", "")
    assert well["key"] == f"database:{database_id}"
    assert "10.11.6" in well["detail"]
    worst = told(database_id, found(OK, MEH, BAD, WORSE))
    assert (worst["level"], worst["detail"], worst["remedy"]) == ("failed", "Bad. Worse.", "Do it.")
    assert told(database_id, found(OK, MEH))["level"] == "warning"
    failed = told(database_id, CommandFailed("It is not whole."))
    assert (failed["level"], failed["detail"]) == ("failed", "It is not whole.")
    assert failed["remedy"] == CommandFailed.remedy


def test_what_there_was_no_time_for_is_as_it_was(database_id: UUID) -> None:
    with transaction() as session:
        row = session.get_one(Database, database_id)
        pairs = inspections.on_server(session, session.query(Server).one().id)
        inspections.keep_each(session, pairs, {row.id: found(BAD)})
        inspections.keep_each(session, pairs, {row.id: CommandFailed("odd")})
        inspections.keep_each(session, pairs, {})
    assert told(database_id)["detail"] == "Bad."
