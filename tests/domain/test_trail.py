"""Reading the audit log: what is narrowed, and pages that hold each entry once."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import insert

from cloudpilot.db import reading, transaction
from cloudpilot.domain import trail
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.domain.cursor import Cursor, number
from cloudpilot.domain.trail import GROUPS, Wanted, valid_group
from cloudpilot.errors import InvalidConfig

ADA, WEB = uuid4(), uuid4()
MIDNIGHT = datetime(2026, 5, 2, tzinfo=UTC)


def fill(*entries: dict[str, object]) -> None:
    plain = {"at": MIDNIGHT, "action": "site.added", "actor": "ada", "person_id": None}
    plain |= {"address": "", "subject": "", "subject_id": None, "subject_name": "", "details": {}}
    with transaction() as session:
        session.execute(insert(AuditEntry), [plain | entry for entry in entries])


def names(wanted: Wanted) -> list[str]:
    with reading() as session:
        return [row.subject_name for row in trail.page(session, wanted).rows]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), ["next day", "last moment", "hers", "server", "day before"]),
        (Wanted(person_id=ADA), ["hers"]),
        (Wanted(subject_id=WEB), ["server"]),
        (Wanted(group="server"), ["server"]),
        (Wanted(group="site"), ["next day", "last moment", "hers", "day before"]),
        (Wanted(first_day=date(2026, 5, 3)), ["next day"]),
        (Wanted(last_day=date(2026, 5, 1)), ["day before"]),
        (
            Wanted(first_day=date(2026, 5, 2), last_day=date(2026, 5, 2)),
            ["last moment", "hers", "server"],
        ),
        (Wanted(person_id=ADA, group="server"), []),
    ],
)
def test_the_log_is_narrowed(core: Flask, wanted: Wanted, found: list[str]) -> None:
    a_moment = timedelta(microseconds=1)
    fill(
        {"subject_name": "day before", "at": MIDNIGHT - a_moment},
        {"subject_name": "server", "action": "server.added", "subject_id": WEB},
        {"subject_name": "hers", "person_id": ADA},
        {"subject_name": "last moment", "at": MIDNIGHT + timedelta(days=1) - a_moment},
        {"subject_name": "next day", "at": MIDNIGHT + timedelta(days=1)},
    )
    assert names(wanted) == found


def test_pages_hold_each_entry_once_also_of_one_moment(core: Flask) -> None:
    fill(*({"subject_name": str(n), "at": MIDNIGHT + timedelta(days=n // 10)} for n in range(25)))
    seen, after = [], None
    while True:
        with reading() as session:
            page = trail.page(session, Wanted(), after, size=4)
        seen += [row.subject_name for row in page.rows]
        if page.following is None:
            break
        after = Cursor.parse(str(page.following), number)
    assert seen == [str(n) for n in reversed(range(25))]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "yesterday_1",
        "2026-05-02_1",
        "2026-05-02T00:00:00+00:00",
        "2026-05-02T00:00:00+00:00_x",
        "2026-05-02T00:00:00+00:00_²",
        f"2026-05-02T00:00:00+00:00_{10**30}",
    ],
)
def test_a_damaged_place_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfig, match="damaged"):
        Cursor.parse(text, number)


def test_the_groups_are_those_of_the_actions() -> None:
    assert {"server", "site", "backup", "run", "person", "session", "panel"} <= set(GROUPS)
    assert valid_group("server") == "server"
    with pytest.raises(ValueError, match="nothing"):
        valid_group("nothing")
