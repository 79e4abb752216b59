"""What was found about a database, as a page shows it."""

import re
from typing import Any
from uuid import UUID

import pytest
from flask import Flask, render_template

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import inspections, runs
from cloudpilot.domain.databases import Database
from cloudpilot.domain.people import Right
from cloudpilot.domain.runs import Run
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.kinds import Engine, RunKind
from cloudpilot.web.access import needs
from tests.support.rows import add_server, add_site
from tests.web.conftest import Browser

LINES = [
    {
        "key": "login",
        "level": "ok",
        "title": "Login",
        "detail": "Signed in as u@localhost.",
        "remedy": "",
    },
    {
        "key": "privileges",
        "level": "failed",
        "title": "Privileges",
        "detail": "A dump of <b>shop</b> would not be whole.",
        "remedy": "Paste the statements that the site's page shows.",
    },
    {
        "key": "engines",
        "level": "warning",
        "title": "Tables without transactions",
        "detail": "A table is not of InnoDB: shop.m.",
        "remedy": "Change it: `apt-get install x`",
    },
]
MISSING = [
    {
        "database": "",
        "what": "Read all of shop",
        "statement": "GRANT SELECT, EVENT ON `my\\_shop`.* TO 'it''s'@'localhost';",
    },
    {
        "database": "",
        "what": "A user",
        "statement": "CREATE USER IF NOT EXISTS 'u'@'%' IDENTIFIED BY 'the password';",
    },
    {
        "database": "blog",
        "what": "Read blog",
        "statement": 'GRANT USAGE ON SCHEMA "p" TO "u";',
    },
]
THERE = [
    {"name": "blog", "bytes": 5_000_000, "tables": 1200, "readable": True},
    {"name": "shop", "bytes": None, "tables": None, "readable": False},
    {"name": "x" * 64, "bytes": 0, "tables": 0, "readable": True},
]
FOUND: dict[str, Any] = {
    "ok": False,
    "version": "10.11.6",
    "flavour": "mariadb",
    "tool": "mariadb-dump 10.11.6",
    "databases": THERE,
    "lines": LINES,
    "missing": MISSING,
}


@pytest.fixture
def database_id(app: Flask) -> UUID:
    """A database of a site that was never looked at; /sample/<id> shows it, alone."""
    with app.app_context(), transaction() as session:
        row = Database(
            site_id=add_site(session, add_server(session)).id,
            engine=Engine.MARIADB,
            host="db.example.com",
            port=3306,
            user="u",
            password="sealed",
            names=["shop", "x" * 64],
        )
        session.add(row)
        session.flush()
        found = row.id
    if "databases.findings" not in app.view_functions:
        app.add_url_rule("/databases/<uuid:database_id>/findings", "databases.findings", sample)
    app.add_url_rule("/sample/<uuid:database_id>", "sample", sample)
    return found


@needs(Right.VIEW)
def sample(database_id: UUID) -> str:
    with reading() as session:
        database = session.get_one(Database, database_id)
        run = inspections.latest(session, database)
    working = run is not None and not run.status.is_final
    return render_template(
        "databases/_findings.html", database=database, run=run, working=working, state="idle"
    )


def keep(app: Flask, database_id: UUID, *names: str, **changes: Any) -> None:
    with app.app_context(), transaction() as session:
        row = session.get_one(Database, database_id)
        row.findings = None
        if names:
            former = FOUND | {"databases": [{"name": name} for name in names]}
            inspections.keep(session, row, former, row.plan())
        inspections.keep(session, row, FOUND | changes, row.plan())


def ask(app: Flask, database_id: UUID) -> UUID:
    with app.app_context(), transaction() as session:
        row = session.get_one(Database, database_id)
        server_id = session.get_one(Site, row.site_id).server_id
        run = Run(
            kind=RunKind.INSPECT,
            claim=f"inspect:database:{row.id}",
            server_id=server_id,
            subject="shop",
            options={"database": str(row.id)},
        )
        return runs.add(session, run).id


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_before_anybody_has_looked_it_says_so(owner: Browser, database_id: UUID) -> None:
    page = owner.get(f"/sample/{database_id}")
    assert "Not looked at yet" in page.text
    assert page.one("section").attrs["id"] == f"database-{database_id}-findings"


def test_faults_come_first_and_what_to_paste_can_be_copied(
    app: Flask, owner: Browser, database_id: UUID
) -> None:
    keep(app, database_id)
    page = owner.get(f"/sample/{database_id}")
    said = words(page.one("section").text)
    assert (
        said.index("would not be whole") < said.index("1 thing is fine") < said.index("Signed in")
    )
    assert "<b>shop" not in page.text
    areas = page.all("textarea")
    assert "TO 'it''s'@'localhost';\nCREATE USER" in areas[0].text
    assert areas[1].text == 'GRANT USAGE ON SCHEMA "p" TO "u";'
    assert "In the database blog:" in said
    assert "Put the password of this login in place of the password." in said
    copied = {button.attrs["data-copy"] for button in page.all("button")}
    assert {area.attrs["id"] for area in areas} < copied
    assert "sudo mariadb" in said
    assert "dumped by mariadb-dump 10.11.6" in said


def test_databases_are_marked_as_what_becomes_of_them(
    app: Flask, owner: Browser, database_id: UUID
) -> None:
    keep(app, database_id, "shop", "x" * 64)
    rows = [words(row.text) for row in owner.get(f"/sample/{database_id}").all("tr")[1:]]
    assert [row.split()[0] for row in rows] == ["shop", "x" * 64, "blog"]
    assert "Not readable" in rows[0]
    assert "Backed up" in rows[1]
    assert "New 1,200 5.0 MB Left out" in rows[2]


def test_what_was_found_with_a_former_login_is_marked(
    app: Flask, owner: Browser, database_id: UUID
) -> None:
    keep(app, database_id)
    assert "has been changed since" not in owner.get(f"/sample/{database_id}").text
    with app.app_context(), transaction() as session:
        session.get_one(Database, database_id).user = "another"
    assert "has been changed since" in owner.get(f"/sample/{database_id}").text


def test_it_polls_while_somebody_looks_and_says_why_nobody_could(
    app: Flask, owner: Browser, database_id: UUID
) -> None:
    run_id = ask(app, database_id)
    assert "every 2s" in owner.get(f"/sample/{database_id}").text
    keep(app, database_id)
    page = owner.get(f"/sample/{database_id}")
    assert "every 2s" in page.text
    with app.app_context(), transaction() as session:
        row = session.get_one(Database, database_id)
        row.inspected_at = None
        runs.find(session, run_id).move(
            session,
            Status.FAILED,
            finished_at=clock.now(),
            error_code="SSH_UNREACHABLE",
            error_detail="It is away.",
        )
        row.inspected_at = clock.now().replace(year=2020)
    page = owner.get(f"/sample/{database_id}")
    assert "every 2s" not in page.text
    assert "It is away." in page.text


def test_a_server_where_all_is_well_is_told_in_a_line(
    app: Flask, owner: Browser, database_id: UUID
) -> None:
    keep(app, database_id, lines=LINES[:1], missing=[], ok=True)
    page = owner.get(f"/sample/{database_id}")
    assert "All is well" in page.text
    assert page.all("textarea") == []
