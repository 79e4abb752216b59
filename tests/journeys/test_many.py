"""Many backups at once: each is looked at in time, whatever others do, and pages stay quick."""

from functools import partial
from pathlib import Path

import pytest
from flask import Flask

from cloudpilot.db import reading
from cloudpilot.domain import runs
from cloudpilot.settings import Settings
from tests.support import fleet, looking
from tests.support.database import SECRET_KEY
from tests.support.looking import Watch, part
from tests.support.panel import running

PERIOD = 5.0  # seconds between two looks at a run
WINDOW = 20.0  # that are judged; of several one counts: other tests use the same cores
WINDOWS = 3
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
