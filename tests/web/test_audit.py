"""The audit log's page and its export."""

import csv
import io
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import insert, select

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.domain.runs import Run
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.kinds import Role, RunKind
from cloudpilot.web.audit import COLUMNS, ROWS_AT_ONCE, harmless
from tests.support.rows import add_database
from tests.web.conftest import Browser
from tests.web.scenes import little

ADA, WEB = uuid4(), uuid4()
NOW = clock.now()
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"]


def fill(app: Flask, *entries: dict[str, object]) -> None:
    plain = {"at": NOW, "action": "site.added", "actor": "ada@example.com", "person_id": ADA}
    plain |= {"address": "192.0.2.7", "subject": "sites", "subject_id": uuid4(), "details": {}}
    with app.app_context(), transaction() as session:
        session.execute(insert(AuditEntry), [plain | entry for entry in entries])


def exported(browser: Browser, query: str = "") -> list[dict[str, str]]:
    """The rows of the file, without the entry that the export itself has made."""
    text = browser.client.get(f"/audit/export{query}").get_data(as_text=True)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    return [row for row in rows if row["action"] != "panel.audit-log-exported"]


def named(browser: Browser, query: str = "") -> list[str]:
    page = browser.get(f"/audit{query}")
    return [cell.text for cell in page.all("td", data_label="Of")]


def test_the_log_is_shown_the_newest_first(app: Flask, owner: Browser) -> None:
    changes = {"changes": {"name": ["shop", "store"], "paths": [["/a"], ["/a", "/b"]]}}
    fill(app, {"subject_name": "first"}, {"subject_name": "second", "details": changes})
    page = owner.get("/audit")
    assert named(owner) == ["second", "first"]
    assert "changes: name: shop → store; paths: /a → /a, /b" in page.text
    assert "Site added" in page.text
    assert "192.0.2.7" in page.text
    assert "ada@example.com" in page.text


def test_the_log_is_narrowed_and_each_page_keeps_it(app: Flask, owner: Browser) -> None:
    fill(app, *({"subject_name": f"{n}", "subject_id": WEB} for n in range(120)))
    fill(app, {"subject_name": "other", "person_id": None, "action": "server.added"})
    fill(app, {"subject_name": "old", "at": NOW - timedelta(days=10)})
    assert named(owner, "?group=server") == ["other"]
    day = (NOW - timedelta(days=10)).date()
    assert named(owner, f"?from={day}&to={day}") == ["old"]
    assert named(owner, f"?person={uuid4()}") == []
    seen, path = [], f"?subject={WEB}&group=site&person={ADA}"
    while path:
        page = owner.get(f"/audit{path}")
        seen += [cell.text for cell in page.all("td", data_label="Of")]
        older = [a.attrs["href"] for a in page.all("a") if a.text == "Older"]
        path = older[0].removeprefix("/audit") if older else ""
    assert seen == [str(n) for n in reversed(range(120))]
    assert [row["subject_name"] for row in exported(owner, "?group=server")] == ["other"]


@pytest.mark.parametrize(
    "query",
    ["?person=x", "?group=x", "?subject=x", "?from=yesterday", "?to=2026-02-30", "?after=x"],
)
def test_what_makes_no_sense_is_refused(owner: Browser, query: str) -> None:
    owner.get(f"/audit{query}", 422)
    if "after" not in query:
        owner.get(f"/audit/export{query}", 422)


def test_an_export_is_a_file_and_an_entry_of_its_own(app: Flask, owner: Browser) -> None:
    fill(app, {"subject_name": 'a "quoted", name\nof two lines', "details": {"a": ["ü", 1]}})
    answer = owner.client.get("/audit/export?group=site")
    assert answer.content_type == "text/csv; charset=utf-8"
    today = clock.now().date()
    disposition = answer.headers["Content-Disposition"]
    assert disposition == f'attachment; filename="cloudpilot-audit-{today}.csv"'
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    text = answer.get_data(as_text=True)
    assert text.startswith(",".join(COLUMNS) + "\r\n")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["subject_name"] == 'a "quoted", name\nof two lines'
    assert row["details"] == '{"a": ["ü", 1]}'
    assert row["time"] == NOW.isoformat(timespec="seconds")
    page = owner.get("/audit?group=panel")
    assert "audit log exported" in page.text
    assert "filters: group: site" in page.text


@pytest.mark.parametrize("text", FORMULAS)
@pytest.mark.parametrize("column", ["actor", "address", "subject_name"])
def test_no_cell_is_a_formula(app: Flask, owner: Browser, column: str, text: str) -> None:
    fill(app, {"subject_name": ""} | {column: text})
    (row,) = exported(owner)
    assert row["who" if column == "actor" else column] == f"'{text}"
    owner.get("/audit")


def test_what_is_no_formula_stays_as_it_is() -> None:
    for text in ("", "shop", "a=b", "2026-01-01", '{"a": -1}', "'=1"):
        assert harmless(text) == text


def test_an_export_of_many_entries_takes_no_more_memory(app: Flask, owner: Browser) -> None:
    """It is sent while it is read; each entry is in it once."""
    owner.get("/audit")
    peaks = []
    for count in (2 * ROWS_AT_ONCE, 18 * ROWS_AT_ONCE):
        rows = ({"subject_name": f"{n}", "details": {"x": "y" * 500}} for n in range(count))
        fill(app, *rows)
        tracemalloc.start()
        answer = owner.client.get("/audit/export?group=site", buffered=False)
        lines = sum(chunk.count(b"\r\n") for chunk in answer.response)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        answer.close()
    assert lines == 20 * ROWS_AT_ONCE + 1
    assert peaks[1] < 1.5 * peaks[0], peaks


def test_every_act_of_the_main_job_is_in_the_log(
    app: Flask, sign_in: Callable[[Role], Browser]
) -> None:
    with app.app_context(), transaction() as session:
        ids = little(session).ids
    admin, member = sign_in(Role.ADMIN), sign_in(Role.MEMBER)
    member.post(f"/servers/{ids['server']}/check")
    made = member.post(f"/backups/new?site={ids['site']}", retention_days="3", note="")
    location = made.answer.location
    member.post(f"{location}/stop")
    admin.post(f"/backups/{ids['backup']}/delete")
    page = admin.get("/audit")
    for what in ("Server check requested", "Backup requested", "Run stop requested"):
        assert what in page.text
    assert "Backup delete requested" in page.text
    who = [cell.text for cell in page.all("td", data_label="Who")]
    assert who == ["admin@example.com", *["member@example.com"] * 3]


def test_what_is_done_to_databases_is_in_the_log_without_their_passwords(
    app: Flask, sign_in: Callable[[Role], Browser]
) -> None:
    with app.app_context(), transaction() as session:
        ids = little(session).ids
        database = add_database(session, session.get_one(Site, ids["site"]), names=["a"])
        address = f"/databases/{database.id}"
    admin, member = sign_in(Role.ADMIN), sign_in(Role.MEMBER)
    typed = {"engine": "mysql", "reach": "host", "host": "db-1", "user": "u", "which": "all-but"}
    typed["password"] = "nobody may see this"
    admin.post(f"/sites/{ids['site']}/databases/new", **typed)
    admin.post(f"{address}/edit", **typed | {"host": "db-2"})
    with app.app_context(), transaction() as session:
        for run in session.scalars(select(Run).where(Run.kind == RunKind.INSPECT)):
            run.move(session, Status.FAILED)
    member.post(f"{address}/inspect")
    admin.post(f"{address}/remove")
    page = admin.get("/audit?group=database")
    what = [cell.text.split(":")[0] for cell in page.all("td", class_="name")]
    kinds = ("removed", "look requested", "changed", "added")
    assert all(a.startswith(f"Database {b}") for a, b in zip(what, kinds, strict=True)), what
    assert [cell.text for cell in page.all("td", data_label="Of")] == [
        *["MySQL at db-2:3306"] * 3,
        "MySQL at db-1:3306",
    ]
    assert "nobody" not in page.text + str(exported(admin))


def test_the_menu_leads_there_who_may(sign_in: Callable[[Role], Browser]) -> None:
    for role, shown in ((Role.OWNER, True), (Role.ADMIN, True), (Role.MEMBER, False)):
        links = {a.attrs["href"] for a in sign_in(role).get("/servers").all("a")}
        assert ({"/people", "/audit"} <= links) is shown
        assert "/account" in links
