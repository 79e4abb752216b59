"""Lists: filters, pages that hold each row once, and 100,000 rows."""

import re
import time
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.lists import PAGE
from cloudpilot.domain.runs import Run
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.kinds import BackupType, Compression, Place, RunKind
from tests.support.rows import add_server, add_site
from tests.web.conftest import Browser

FEW, MANY = 2000, 100_000
MOST_SLOWER = 4  # times
LEAST = 0.02  # seconds of few rows: below, a few milliseconds would be a ratio
SERVERS = 50
NEW_ID = "substr({0}, 1, 12) || printf('f%03x', k) || substr({0}, 17)"  # no random UUID is so
EARLIER = "strftime('%Y-%m-%d %H:%M:%f000', {0}, (-12 * k) || ' hours')"
CHANGED = {name: NEW_ID.format(name) for name in ("id", "backup_id")} | {
    name: EARLIER.format(name) for name in ("created_at", "started_at", "finished_at")
}
STATUSES = (Status.COMPLETED,) * 18 + (Status.FAILED, Status.PENDING)


def known(session: Session) -> list[Site]:
    """The sites that have backups, one for each of a few servers."""
    sites = session.scalars(select(Site).where(Site.name.startswith("site of")).order_by(Site.name))
    return list(sites) or [
        add_site(session, server, f"site of {server.name}")
        for server in (add_server(session, f"web-{n:03}") for n in range(SERVERS))
    ]


def fill(app: Flask, count: int) -> list[str]:
    """So many more backups with their runs, of a few servers; returns the servers' ids."""
    with app.app_context(), transaction() as session:
        sites = known(session)
        servers = [session.get_one(Server, site.server_id) for site in sites]
        made, copies, runs = [], [], []
        now = clock.now()
        for n in range(count):
            server, site = servers[n % SERVERS], sites[n % SERVERS]
            status = STATUSES[n * 7 // SERVERS % len(STATUSES)]
            at = now - timedelta(seconds=60 * (n // 3))  # some at the same instant
            done = status is Status.COMPLETED
            values = {
                "id": uuid4(),
                "status": status,
                "server_id": server.id,
                "created_at": at,
                "started_at": at,
                "finished_at": at + timedelta(seconds=90) if status.is_final else None,
                "error_code": "DISK_FULL" if status is Status.FAILED else None,
            }
            backup = values | {
                "type": BackupType.FILES,
                "site_id": site.id,
                "server_name": server.name,
                "site_name": site.name,
                "paths": site.paths,
                "excludes": [],
                "compression": Compression.GZIP,
                "expires_at": at + timedelta(days=30),
                "archive": "files.tar.gz",
                "size": 1_000_000 if done else None,
                "note": f"number {n}",
            }
            made.append(backup)
            runs.append(
                values
                | {"id": uuid4(), "kind": RunKind.MAKE, "subject": site.name}
                | {"backup_id": backup["id"], "status": status if status.is_final else "completed"}
            )
            copies.append(
                {"id": uuid4(), "backup_id": backup["id"], "place": Place.SERVER, "name": "x"}
                | {"status": CopyStatus.STORED, "server_id": server.id, "root": "/b"}
            )
        session.execute(insert(Backup), made)
        session.execute(insert(Copy), copies)
        session.execute(insert(Run), runs)
        return [str(server.id) for server in servers]


def walk(browser: Browser, path: str, mark: str, link: str = "Older") -> list[str]:
    """What is marked on each page of a list, by following its links."""
    found: list[str] = []
    while path:
        page = browser.get(path)
        rows = re.findall(mark, page.text)
        assert len(rows) <= PAGE
        found += rows
        path = next((a.attrs["href"] for a in page.all("a") if a.text == link), "")
    return found


def test_every_backup_is_on_exactly_one_page(app: Flask, owner: Browser) -> None:
    fill(app, 170)
    notes = walk(owner, "/backups", r"number (\d+)")
    assert sorted(map(int, notes)) == list(range(170))
    assert len(walk(owner, "/activity", r'/runs/([0-9a-f-]{36})"')) == 170


def test_filters_hold_on_every_page(app: Flask, owner: Browser) -> None:
    servers = fill(app, 4000)
    path = f"/backups?server={servers[3]}&status=completed&type=files"
    page = owner.get(path)
    assert "selected" in page.one("option", value=servers[3]).attrs
    assert "selected" in page.one("option", value="completed").attrs
    found = walk(owner, path, r"number (\d+)")
    of_server = [n for n in range(4000) if n % SERVERS == 3]
    wanted = [n for n in of_server if STATUSES[n * 7 // SERVERS % len(STATUSES)] == "completed"]
    assert sorted(map(int, found)) == wanted
    assert len(wanted) > PAGE


def test_a_filter_that_fits_nothing_says_so(app: Flask, owner: Browser) -> None:
    fill(app, 3)
    assert "No backup fits" in owner.get("/backups?status=running").text
    assert "No backup fits" in owner.get(f"/backups?server={uuid4()}").text


def test_servers_come_fifty_a_page(app: Flask, owner: Browser) -> None:
    with app.app_context(), transaction() as session:
        for n in range(230):
            add_server(session, f"server {n:03}")
    found = []
    for number in range(1, 6):
        found += re.findall(r"server (\d{3})<", owner.get(f"/servers?page={number}").text)
    assert found == [f"{n:03}" for n in range(230)]
    assert len(owner.get("/servers").text) < 150_000


def multiply(app: Flask, table: str, times: int) -> None:
    """As many rows as there are, so many times, each time half a day earlier; by SQLite itself,
    which takes seconds for what takes minutes row by row."""
    with app.app_context(), transaction() as session:
        named = text(f"SELECT name FROM pragma_table_info('{table}')")
        columns = list(session.scalars(named))
        values = [CHANGED.get(name, name) for name in columns]
        session.execute(
            text(
                "WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n LIMIT :more)"
                f" INSERT INTO {table} ({', '.join(columns)})"
                f" SELECT {', '.join(values)} FROM {table}, n"
            ),
            {"more": times - 1},
        )


def looks(browser: Browser, paths: dict[str, str]) -> dict[str, float]:
    """The seconds of our own computing, SQLite's included, that each page takes; the fastest of 8
    looks at it, for neighbours may be at work."""
    taken = {}
    for name, path in paths.items():
        seconds = []
        for _ in range(8):
            begin = time.process_time()
            assert browser.client.get(path).status_code == 200
            seconds.append(time.process_time() - begin)
        taken[name] = min(seconds)
    return taken


def judge(few: dict[str, float], many: dict[str, float]) -> None:
    """A query that reads all there is makes a page tens of times slower."""
    ratios = {name: round(many[name] / max(few[name], LEAST), 1) for name in few}
    assert max(ratios.values()) <= MOST_SLOWER, (ratios, few, many)


def lists(browser: Browser, server: str) -> dict[str, str]:
    """The paths of all that lists backups."""
    older = next(a.attrs["href"] for a in browser.get("/backups").all("a") if a.text == "Older")
    return {
        "backups": "/backups",
        "older backups": older,
        "of a server": f"/backups?server={server}",
        "failed": "/backups?status=failed",
        "pending of a server": f"/backups?server={server}&status=pending",
        "running": "/backups?status=running",
        "activity": "/activity",
        "overview": "/",
        "servers": "/servers",
        "sites": "/sites",
        "sites never backed up": "/sites?q=web&state=never",
    }


def test_a_hundred_thousand_rows_are_as_fast_as_few(app: Flask, owner: Browser) -> None:
    servers = fill(app, FEW)
    with app.app_context(), transaction() as session:
        server = session.get_one(Server, UUID(servers[0]))
        for n in range(20):
            add_site(session, server, f"never backed up {n}")
    few = looks(owner, lists(owner, servers[3]))
    for table in ("backups", "copies", "runs"):
        multiply(app, table, MANY // FEW)
    judge(few, looks(owner, lists(owner, servers[3])))


def plan(app: Flask, count: int) -> None:
    """So many schedules: of ten one is late, one paused, one removed; many at the same moment."""
    now = clock.now()
    soon, ago = now + timedelta(hours=1), now - timedelta(hours=1)
    with app.app_context(), transaction() as session:
        server = add_server(session)
        made = []
        for n in range(count):
            stopped = {8: "paused_at", 9: "removed_at"}.get(n % 10)
            made.append(
                {"id": uuid4(), "server_id": server.id, "type": BackupType.FILES}
                | {"paths": ["/etc"], "excludes": [], "cron": "0 3 * * *", "note": f"number {n}."}
                | {"paused_at": None, "removed_at": None}
                | ({stopped: now} if stopped else {})
                | {"next_run_at": None if stopped else soon + timedelta(minutes=n // 30)}
                | {"late_at": None if stopped else ago if n % 10 == 7 else soon + timedelta(days=2)}
            )
        session.execute(insert(Schedule), made)


def test_every_schedule_is_on_exactly_one_page_in_order(app: Flask, owner: Browser) -> None:
    plan(app, 700)
    found = [int(n) for n in walk(owner, "/schedules", r"number (\d+)\.", "More")]
    there = [n for n in range(700) if n % 10 != 9]
    assert sorted(found) == there
    parts = [7 if n % 10 == 7 else 8 if n % 10 == 8 else 0 for n in found]
    assert parts == [7] * 70 + [0] * 490 + [8] * 70
    coming = [n // 30 for n in found[70:560]]
    assert coming == sorted(coming)


def test_a_hundred_thousand_schedules_are_as_fast_as_few(app: Flask, owner: Browser) -> None:
    soon = f"next_{(clock.now() + timedelta(minutes=61)).isoformat()}_{UUID(int=1)}"
    paused = f"paused_2026-01-01T00:00:00+00:00_{UUID(int=2**127)}"
    paths = {"all": "/schedules"} | {
        name: f"/schedules?after={place.replace('+', '%2B')}"
        for name, place in (("soon", soon), ("paused", paused))
    }
    plan(app, FEW)
    few = looks(owner, paths)
    multiply(app, "schedules", MANY // FEW)
    for path in paths.values():
        assert len(re.findall(r"number \d+\.", owner.get(path).text)) == PAGE
    judge(few, looks(owner, paths))


@pytest.mark.parametrize(
    "address",
    [
        "/audit?to=9999-12-31",
        "/audit?from=9999-12-31",
        "/audit/export?to=9999-12-31",
        "/servers?page=99999999999999999999999",
    ],
)
def test_the_end_of_time_is_no_fault(owner: Browser, address: str) -> None:
    assert owner.client.get(address).status_code == 200


def test_a_place_in_no_part_of_the_schedules_is_refused(owner: Browser) -> None:
    place = f"2026-01-01T00:00:00%2B00:00_{UUID(int=1)}"
    assert "INVALID_CONFIG" in owner.get(f"/schedules?after=soon_{place}", 422).text
    assert "There are no more schedules" in owner.get(f"/schedules?after=paused_{place}").text


@pytest.mark.parametrize("path", ["/backups", "/activity", "/audit"])
@pytest.mark.parametrize("at", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"])
def test_a_place_that_no_row_can_have_is_refused(owner: Browser, path: str, at: str) -> None:
    place = 1 if path == "/audit" else UUID(int=1)
    assert "INVALID_CONFIG" in owner.get(f"{path}?after={at}_{place}", 422).text
