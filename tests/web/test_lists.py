"""Lists: filters, pages that hold each row once, and 100,000 rows."""

import json
import re
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import insert

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.lists import PAGE
from cloudpilot.domain.runs import Run
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.kinds import BackupType, Compression, Place, Role, RunKind
from tests.support.rows import add_server, add_site
from tests.web.conftest import Browser

MANY = 100_000
SERVERS = 50
STATUSES = (Status.COMPLETED,) * 18 + (Status.FAILED, Status.PENDING)


def fill(app: Flask, count: int) -> list[str]:
    """So many backups with their runs, of a few servers; returns the servers' ids."""
    with app.app_context(), transaction() as session:
        servers = [add_server(session, f"web-{n:03}") for n in range(SERVERS)]
        sites = [add_site(session, server, f"site of {server.name}") for server in servers]
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


@pytest.fixture
def crowded(app: Flask, sign_in: Callable[[Role], Browser]) -> Browser:
    """The owner of a panel with 100,000 backups."""
    servers = fill(app, MANY)
    with app.app_context(), transaction() as session:
        server = session.get_one(Server, UUID(servers[0]))
        for n in range(20):
            add_site(session, server, f"never backed up {n}")
    return sign_in(Role.OWNER)


def test_a_hundred_thousand_rows_are_as_fast_as_few(crowded: Browser) -> None:
    """The aim is 50 ms for 95 of 100. What is counted is our own computing, SQLite's included:
    neighbours may be at work."""
    page = crowded.get("/backups")
    deep = next(a.attrs["href"] for a in page.all("a") if a.text == "Older")
    server = page.all("option")[7].attrs["value"]
    timed = {}
    for path in (
        "/backups",
        deep,
        f"/backups?server={server}",
        "/backups?status=failed",
        f"/backups?server={server}&status=pending",
        "/backups?status=running",
        "/activity",
        "/",
        "/servers",
        "/sites",
        "/sites?q=web&state=never",
    ):
        seconds = []
        for _ in range(20):
            begin = time.process_time()
            assert crowded.client.get(path).status_code == 200
            seconds.append(time.process_time() - begin)
        timed[path] = round(sorted(seconds)[18] * 1000)
    assert max(timed.values()) < 150, json.dumps(timed, indent=1)


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
    plan(app, MANY)
    deep = f"/schedules?after=next_{(clock.now() + timedelta(days=1)).isoformat()}_{UUID(int=1)}"
    paused = f"/schedules?after=paused_2026-01-01T00:00:00+00:00_{UUID(int=2**127)}"
    timed = {}
    for path in ("/schedules", deep.replace("+", "%2B"), paused.replace("+", "%2B")):
        assert len(re.findall(r"number \d+\.", owner.get(path).text)) == PAGE
        seconds = []
        for _ in range(20):
            begin = time.process_time()
            assert owner.client.get(path).status_code == 200
            seconds.append(time.process_time() - begin)
        timed[path] = round(sorted(seconds)[18] * 1000)
    assert max(timed.values()) < 150, json.dumps(timed, indent=1)


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
