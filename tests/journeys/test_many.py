"""Many backups at once: each is looked at in time, whatever others do, and pages stay quick."""

from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import requests, runs
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.jobs import queue
from cloudpilot.settings import Settings
from tests.support import fleet, looking
from tests.support.database import SECRET_KEY
from tests.support.looking import Watch, part
from tests.support.panel import below, running
from tests.support.rows import add_person, add_run, add_site
from tests.support.until import until

PERIOD = 5.0  # seconds between two looks at a run
WINDOW = 60.0  # that are judged; other tests use the same cores, so there is a second one
WINDOWS = 2
PAGE_AT_MOST = 0.1  # seconds, of 19 in 20 answers
PAGES = ("/", "/servers", "/activity")


@pytest.fixture
def environ(settings: Settings) -> dict[str, str]:
    return {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
        "CLOUDPILOT_LOOK_SECONDS": "1",
        "CLOUDPILOT_LOOK_SECONDS_AT_MOST": str(PERIOD),
        "CLOUDPILOT_LEASE_SECONDS": "45",
        "CLOUDPILOT_RETRY_SECONDS": "5",
    }


def test_a_hundred_are_looked_at_in_time_and_pages_stay_quick(
    core: Flask, environ: dict[str, str], tmp_path: Path
) -> None:
    with (
        fleet.running(core, tmp_path / "fleet", 100, period=PERIOD) as many,
        running(environ, tmp_path, "looks", "clock", "web") as processes,
    ):
        client, web = looking.signed_in(processes.url), processes.pid("web")
        looking.watched(client, web, many.watched, PAGES, 2 * PERIOD)  # until all are connected

        def is_in_order(seen: Watch) -> bool:
            worst = seen.late(PERIOD, many.runs)[-1]
            pages = [part(sorted(times), 0.95) for times in seen.pages.values()]
            found.append((worst, pages, seen.moves))
            moves = all(one < two for one, two in zip(seen.moves, seen.moves[1:], strict=False))
            return worst <= PERIOD and max(pages) <= PAGE_AT_MOST and moves

        found: list[object] = []
        look = partial(looking.watched, client, web, many.watched, PAGES, WINDOW)
        assert any(is_in_order(look()) for _ in range(WINDOWS)), found


def test_servers_that_say_nothing_delay_no_others(
    core: Flask, environ: dict[str, str], tmp_path: Path
) -> None:
    with (
        fleet.running(core, tmp_path / "fleet", 60, period=PERIOD, silent=40) as many,
        running(environ, tmp_path, "looks", "clock", "web") as processes,
    ):
        client, web = looking.signed_in(processes.url), processes.pid("web")
        looking.watched(client, web, many.watched, (), 2 * PERIOD)  # until all are connected
        many.ask_silent()
        seen = looking.watched(client, web, many.watched, (), 3 * PERIOD)
        assert seen.late(PERIOD, many.runs)[-1] <= PERIOD
        assert len(set(seen.moves)) > len(seen.moves) / 2
        with reading() as session:
            silent = [runs.find(session, one) for one in many.silent]
        assert {run.error_code for run in silent} == {"SSH_UNREACHABLE"}
        assert all(run.silent_since for run in silent)


def test_who_asks_does_not_wait_for_servers_that_say_nothing(
    core: Flask, environ: dict[str, str], tmp_path: Path
) -> None:
    """Sixty have a Check and a planned backup due; somebody presses *Back up now*, and *Stop*
    of something else, and has both done before ten of those could have been given up."""
    (tmp_path / "site").mkdir()
    with (
        fleet.running(core, tmp_path / "fleet", 1, period=PERIOD, silent=60) as many,
        running(environ, tmp_path, "worker", "clock") as processes,
    ):
        until(queue.lookers, bool)
        with transaction() as session:
            for server in session.scalars(select(Server).where(Server.port != many.sshd.port)):
                queue.ring(session, requests.check(session, server, by=None))
                site = add_site(session, server, "planned", paths=["/srv"])
                queue.ring(session, add_run(session, server, site))
        until(lambda: len(below(processes.pid("worker"))), lambda children: children > 4)
        with transaction() as session:
            person = add_person(session)
            server = session.scalars(select(Server).where(Server.port == many.sshd.port)).one()
            site = add_site(session, server, "asked", paths=[str(tmp_path / "site")])
            asked = add_run(session, server, site)
            asked.requested_by = person.id
            queue.ring(session, asked)
            held = runs.find(session, many.watched)
            runs.request_stop(session, held)
            queue.ring_stop(session, held)
        for run_id in (asked.id, held.id):
            until(lambda run_id=run_id: status(run_id).is_final, bool, seconds=25)  # type: ignore[misc]
        assert (status(asked.id), status(held.id)) == (Status.COMPLETED, Status.FAILED)
        with reading() as session:
            waiting = select(func.count()).where(Run.status == Status.PENDING)
            assert (session.scalar(waiting) or 0) > 80


def status(run_id: UUID) -> Status:
    with reading() as session:
        return runs.find(session, run_id).status
