"""Looks at databases as the queue does them: from the rows to the real servers and back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import checkups, requests, runs
from cloudpilot.domain.checkups import SINCE_YESTERDAY
from cloudpilot.domain.databases import Database
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Checkup, Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.jobs import check
from cloudpilot.jobs import runs as work
from cloudpilot.kinds import Engine, RunKind
from cloudpilot.secrets import Secret
from tests.support.mariadb import MariaDb
from tests.support.postgresql import PostgreSql
from tests.support.rows import add_real_server, add_site
from tests.support.sshd import Sshd

PASSWORD = "it's a \\ pass#word"
GRANT = "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO"


@pytest.fixture
def site_id(core: Flask, server: Sshd, tmp_path: Path) -> UUID:
    """A site on the real server."""
    with transaction() as session:
        row = add_real_server(core, session, server, tmp_path / "root")
        return add_site(session, row, paths=["/etc"]).id


@pytest.fixture
def user(mariadb: MariaDb) -> Iterator[str]:
    """One of MariaDB who may read everything, and a database to read."""
    name = f"u{uuid4().hex[:8]}"
    escaped = PASSWORD.replace("\\", "\\\\").replace("'", "''")
    mariadb.sql(f"CREATE USER {name}@localhost IDENTIFIED BY '{escaped}'; CREATE DATABASE d{name}")
    mariadb.sql(f"{GRANT} {name}@localhost")
    yield name
    mariadb.sql(f"DROP USER IF EXISTS {name}@localhost; DROP DATABASE d{name}")


def add(core: Flask, site_id: UUID, **columns: Any) -> UUID:
    """A database of the site, with the password of the tests."""
    values: dict[str, Any] = {"engine": Engine.MARIADB, "names": [], "all_but": True}
    row = Database(id=uuid4(), site_id=site_id, password="", **(values | columns))
    row.password = core.extensions["sealer"].seal(Secret(PASSWORD), row.password_place)
    with transaction() as session:
        session.add(row)
        session.flush()
        return row.id


def row_of(database_id: UUID) -> Database:
    with reading() as session:
        return session.get_one(Database, database_id)


def inspected(database_id: UUID) -> Run:
    """What a run has become after its job."""
    with transaction() as session:
        site = session.get_one(Site, session.get_one(Database, database_id).site_id)
        run = runs.add(
            session,
            Run(
                kind=RunKind.INSPECT,
                claim=f"inspect:database:{database_id}",
                server_id=site.server_id,
                subject=site.name,
                options={"database": str(database_id)},
            ),
        )
    work.start(str(run.id))
    with reading() as session:
        return runs.find(session, run.id)


def checked(site_id: UUID) -> Checkup:
    """What a Check of the site's server has found."""
    with transaction() as session:
        server = session.get_one(Server, session.get_one(Site, site_id).server_id)
        run = requests.check(session, server, by=None)
    work.start(str(run.id))
    with reading() as session:
        assert runs.find(session, run.id).status is Status.COMPLETED
        rows = select(Checkup).where(Checkup.server_id == server.id).order_by(Checkup.at.desc())
        return session.scalars(rows).first() or pytest.fail("nothing was kept")


def test_a_look_ends_in_the_databases_row(
    core: Flask, site_id: UUID, mariadb: MariaDb, user: str
) -> None:
    database_id = add(core, site_id, socket=mariadb.socket, user=user)
    run = inspected(database_id)
    assert run.status is Status.COMPLETED, (run.error_code, run.error_detail)
    row = row_of(database_id)
    assert row.findings
    assert row.inspected_at
    assert row.findings["ok"], row.findings
    assert f"d{user}" in [one["name"] for one in row.findings["databases"]]
    assert row.findings["for"] == row.plan()
    assert "ok: Login: Signed in" in run.log
    assert PASSWORD not in str(row.findings) + run.log


def test_a_database_that_cannot_be_reached_is_a_finding(core: Flask, site_id: UUID) -> None:
    database_id = add(core, site_id, host="127.0.0.1", port=1, user="u")
    assert inspected(database_id).status is Status.COMPLETED
    findings = row_of(database_id).findings
    assert findings
    assert (findings["ok"], findings["lines"][0]["key"]) == (False, "login")


def test_a_server_that_cannot_be_reached_fails_the_run(core: Flask, site_id: UUID) -> None:
    database_id = add(core, site_id, socket="/none", user="u")
    with transaction() as session:
        server = session.get_one(Server, session.get_one(Site, site_id).server_id)
        server.host_keys = ["SHA256:another"]
    run = inspected(database_id)
    assert (run.status, run.error_code) == (Status.FAILED, "HOST_KEY_CHANGED")
    assert row_of(database_id).findings is None


def test_a_database_that_was_removed_is_not_looked_at(core: Flask, site_id: UUID) -> None:
    database_id = add(core, site_id, socket="/none", user="u", removed_at=clock.now())
    assert inspected(database_id).error_code == "NOT_FOUND"


def test_a_check_looks_at_the_databases_of_its_sites(
    core: Flask, site_id: UUID, mariadb: MariaDb, postgresql: PostgreSql, user: str
) -> None:
    mine = add(core, site_id, socket=mariadb.socket, user=user)
    theirs = add(
        core,
        site_id,
        engine=Engine.POSTGRESQL,
        socket=str(postgresql.home),
        port=postgresql.port,
        user="owner",
        names=["postgres"],
        all_but=False,
    )
    first = checked(site_id)
    lines = {line["key"]: line for line in first.lines}
    assert lines[f"database:{mine}"]["level"] == "ok", lines
    assert lines[f"database:{theirs}"]["title"] == "PostgreSQL of shop"
    assert lines[f"database:{theirs}"]["level"] == "ok", lines
    mariadb.sql(f"REVOKE TRIGGER ON *.* FROM {user}@localhost")
    second = checked(site_id)
    assert [change["key"] for change in second.changes] == [f"database:{mine}"]
    with reading() as session:
        [worse] = checkups.worsened(session, clock.now() - SINCE_YESTERDAY)
    assert (worse.title, worse.after) == ("MariaDB of shop", "failed")
    assert "TRIGGER" in worse.detail
    findings = row_of(mine).findings
    assert findings
    assert "TRIGGER" in findings["missing"][0]["statement"]


def test_one_database_that_makes_trouble_does_not_spoil_a_check(
    core: Flask, site_id: UUID, mariadb: MariaDb, user: str
) -> None:
    broken = add(core, site_id, socket="/none", user="a\nb")
    sealed = add(core, site_id, socket="/none", user="u")
    well = add(core, site_id, socket=mariadb.socket, user=user)
    with transaction() as session:
        session.get_one(Database, sealed).password = "v1.odd.odd"
    lines = {line["key"]: line for line in checked(site_id).lines}
    assert "line break" in lines[f"database:{broken}"]["detail"]
    assert "secret key" in lines[f"database:{sealed}"]["detail"]
    assert lines[f"database:{well}"]["level"] == "ok"
    assert row_of(broken).findings is None


def test_what_there_is_no_time_for_has_its_turn_at_the_next_check(
    core: Flask, site_id: UUID, mariadb: MariaDb, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database_id = add(core, site_id, socket=mariadb.socket, user=user)
    checked(site_id)
    before = row_of(database_id).inspected_at
    monkeypatch.setattr(check, "TO_WRITE_IT_DOWN", check.SECONDS)
    lines = {line["key"]: line["level"] for line in checked(site_id).lines}
    assert lines[f"database:{database_id}"] == "ok"
    assert row_of(database_id).inspected_at == before
