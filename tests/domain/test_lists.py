"""domain.lists: pages that neither lose nor repeat a row."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import text

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import lists
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.cursor import Cursor
from cloudpilot.domain.status import Status
from cloudpilot.errors import InvalidConfig
from tests.support.rows import add_run, add_server, add_site


def fill(session: object, count: int) -> list[object]:
    """Backups of which three at a time have the same instant."""
    server = add_server(session)  # type: ignore[arg-type]
    first = clock.now()
    rows = []
    for number in range(count):
        site = add_site(session, server, f"s{number}")  # type: ignore[arg-type]
        backup = session.get_one(Backup, add_run(session, server, site).backup_id)  # type: ignore[attr-defined, arg-type]
        backup.created_at = first - timedelta(seconds=number // 3)
        rows.append(backup.id)
    return rows


def test_the_pages_together_are_the_list(core: Flask) -> None:
    with transaction() as session:
        every = fill(session, 25)
    with reading() as session:
        seen, after, pages = [], None, 0
        while True:
            page = lists.backups(session, {}, after, size=10)
            seen += [backup.id for backup in page.rows]
            pages += 1
            if page.following is None:
                break
            after = Cursor.parse(str(page.following))
    assert pages == 3
    assert len(seen) == 25
    assert set(seen) == set(every)


def test_filters_narrow_and_deleted_ones_are_not_listed(core: Flask) -> None:
    with transaction() as session:
        ids = fill(session, 5)
        session.get_one(Backup, ids[0]).status = Status.FAILED
        session.get_one(Backup, ids[1]).deleted_at = clock.now()
    with reading() as session:
        assert len(lists.backups(session, {}).rows) == 4
        failed = lists.backups(session, {"status": Status.FAILED, "type": None}).rows
        assert [backup.id for backup in failed] == [ids[0]]
        assert lists.backups(session, {"server_id": uuid4()}).rows == []
        assert lists.ended_runs(session, {}).rows == []


@pytest.mark.parametrize(
    "damaged", ["", "x", "2026-01-01T00:00:00+00:00_x", "_", f"2026-01-01_{UUID(int=1)}"]
)
def test_a_damaged_link_to_a_page_is_a_sentence(damaged: str) -> None:
    with pytest.raises(InvalidConfig, match="damaged"):
        Cursor.parse(damaged)


@pytest.mark.parametrize("filters", ["", "server_id = ? AND ", "status = ? AND ", "type = ? AND "])
def test_every_filter_has_an_index_that_also_sorts(core: Flask, filters: str) -> None:
    if "sqlite" not in core.config["SQLALCHEMY_DATABASE_URI"]:
        return
    sql = f"EXPLAIN QUERY PLAN SELECT * FROM backups WHERE {filters.replace('?', ':v')}"
    sql += "created_at <= '2026' ORDER BY created_at DESC, id DESC LIMIT 51"
    with reading() as session:
        plan = " ".join(row[3] for row in session.execute(text(sql), {"v": "x"}))
    assert "USING INDEX" in plan
    assert "TEMP B-TREE" not in plan
