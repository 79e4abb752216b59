"""domain.history, on both databases: days, sizes and room."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import history
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.history import Day, Growth, Size, Store
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from tests.support.rows import add_person, add_server, add_site
from tests.web.scenes import add_backup, add_checkup

TODAY = date(2026, 11, 20)
NONE = Day()


@pytest.fixture
def shop(core: Flask) -> tuple[UUID, UUID]:
    """A server and its site."""
    with transaction() as session:
        add_person(session)
        server = add_server(session, "web-1")
        return server.id, add_site(session, server, "shop").id


def back_up(
    session: Session, ids: tuple[UUID, UUID], at: datetime, status: Status, **columns: object
) -> Backup:
    """A backup of the site at that moment."""
    server, site = session.get_one(Server, ids[0]), session.get_one(Site, ids[1])
    return add_backup(session, server, site, status, created_at=at, **columns)


def test_a_day_counts_what_was_asked_for_between_two_midnights_of_utc(
    shop: tuple[UUID, UUID],
) -> None:
    def at(day: int, hour: int, minute: int = 0) -> datetime:
        return datetime(2026, 11, day, hour, minute, tzinfo=UTC)

    with transaction() as session:
        back_up(session, shop, at(19, 23, 59), Status.COMPLETED)
        back_up(session, shop, at(20, 0), Status.COMPLETED, warning_count=2)
        back_up(session, shop, at(20, 12), Status.FAILED, error_code="DISK_FULL")
        back_up(session, shop, at(20, 13), Status.FAILED, error_code="STOPPED")
        back_up(session, shop, at(20, 14), Status.RUNNING)
        back_up(session, shop, at(20, 15), Status.COMPLETED, deleted_at=clock.now())
        back_up(session, shop, at(17, 15), Status.COMPLETED)
    yesterday, before = TODAY - timedelta(days=1), TODAY - timedelta(days=2)
    expected = {before: NONE, yesterday: Day(1, 0, 0), TODAY: Day(1, 1, 1)}
    with reading() as session:
        assert history.days(session, before, TODAY) == expected
        of_site = history.days_of(session, shop[1], before)
        assert history.days_of(session, uuid4(), before) == {}
    assert {day: of_site.get(day, NONE) for day in expected} == expected


def test_sizes_are_those_of_the_latest_backups_the_oldest_first(shop: tuple[UUID, UUID]) -> None:
    with transaction() as session:
        for hours, size in ((4, 100), (3, 200), (2, 300)):
            gone = clock.now() if size == 200 else None
            at = clock.now() - timedelta(hours=hours)
            back_up(session, shop, at, Status.COMPLETED, size=size, deleted_at=gone)
        back_up(session, shop, clock.now(), Status.FAILED)
    with reading() as session:
        found = history.sizes(session, shop[1], 2)
    assert [(one.size, one.is_deleted) for one in found] == [(200, True), (300, False)]


def sizes(*pairs: tuple[int, int]) -> list[Size]:
    """Sizes so many days ago."""
    now = datetime(2026, 11, 20, tzinfo=UTC)
    return [Size(now - timedelta(days=days), size, UUID(int=0), False) for days, size in pairs]


@pytest.mark.parametrize(
    ("found", "growth"),
    [
        ([], None),
        (sizes((0, 100)), None),
        (sizes((2, 0), (0, 100)), None),
        (sizes((2, 100), (0, 112)), Growth(12, timedelta(days=2))),
        (sizes((90, 10), (31, 100), (29, 999), (0, 50)), Growth(-50, timedelta(days=31))),
    ],
)
def test_growth_is_against_what_is_a_month_old(found: list[Size], growth: Growth | None) -> None:
    assert history.growth(found) == growth


def test_room_is_what_our_archives_take_and_what_the_last_check_found(core: Flask) -> None:
    with transaction() as session:
        add_person(session)
        servers = {name: add_server(session, name) for name in ("tight", "wide", "new", "empty")}
        for name, free in (("tight", 10), ("wide", 9_000_000_000_000), ("empty", 5)):
            add_checkup(session, servers[name], free=free)
        for name, size, copy in (
            ("tight", 3_000_000_000_000, CopyStatus.STORED),
            ("tight", 500, CopyStatus.DELETING),
            ("tight", 70, CopyStatus.GONE),
            ("wide", 100, CopyStatus.STORED),
            ("new", 100, CopyStatus.STORED),
        ):
            backup = add_backup(session, servers[name], None, Status.COMPLETED, size=size)
            backup.copies[0].status = copy
    tight = Store(servers["tight"].id, "tight", 3_000_000_000_500, 10)
    with reading() as session:
        found = history.stores(session, limit=9)
        assert history.stores(session, servers["tight"].id) == [tight]
        assert history.stores(session, servers["empty"].id) == []
    assert found[0] == tight
    assert [(one.name, one.free) for one in found[1:]] == [("wide", 9 * 10**12), ("new", None)]
