"""Many schedules: how long it takes until what is due has runs, and what a tick costs when nothing
is. `make bench` runs it; `python -m bench.schedules` alone."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median
from uuid import uuid4

import flask_migrate
from flask import Flask
from sqlalchemy import func, insert, select

from bench.figures import say
from cloudpilot import cli, clock, create_core
from cloudpilot.db import db, reading, transaction
from cloudpilot.domain.runs import Run
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.kinds import BackupType, Compression, Privilege
from cloudpilot.scheduling import tick
from cloudpilot.settings import from_environment
from tests.support import postgres
from tests.support import redis as private_redis

SERVERS, EACH, DUE = 1_000, 100, 10_000
IDLE_TICKS = 50


def main() -> None:
    """SQLite and PostgreSQL."""
    with (
        tempfile.TemporaryDirectory(prefix="cp-bench-") as home,
        private_redis.running(Path(home)) as redis,
        postgres.running() as url,
    ):
        measure("SQLite", f"sqlite:///{home}/panel.db", redis)
        measure("PostgreSQL", postgres.create(url, "bench"), redis)


def measure(title: str, url: str, redis: str) -> None:
    """Both figures of one database."""
    with panel(url, redis):
        fill(EACH // 100, 0)
        few = idle()
        fill(EACH - EACH // 100, DUE)
        started, rounds = time.monotonic(), 0
        while made() < DUE:
            tick.ask_for_backups()
            rounds += 1
        seconds = time.monotonic() - started
        what = f"{SERVERS * EACH:,} schedules, {DUE:,} due at once, {title}"
        say(what, f"{seconds:.1f} s, {rounds} ticks", "seconds")
        many = idle()
        say(f"an idle tick with {SERVERS:,} schedules, {title}", f"{few:.1f} ms", "")
        ratio = f"{many:.1f} ms, {many / few:.2f} ×"
        say(f"an idle tick with {SERVERS * EACH:,} schedules, {title}", ratio, "the same")


KEY = "a key for the bench of schedules"


@contextmanager
def panel(url: str, redis: str) -> Iterator[Flask]:
    """An application over a new database."""
    environ = {"DATABASE_URL": url, "REDIS_URL": redis, "CLOUDPILOT_SECRET_KEY": KEY}
    app = create_core(from_environment(environ))
    cli.register(app)
    with app.app_context():
        flask_migrate.upgrade()
        yield app
        db.session.remove()
        db.engine.dispose()


def fill(each: int, due: int) -> None:
    """So many more schedules on each server, with a site for each; so many of all are due now."""
    now, later = clock.now(), clock.now() + timedelta(days=1)
    with transaction() as session:
        servers = list(session.scalars(select(Server.id))) or add_servers()
        sites = [(uuid4(), server) for server in servers for _ in range(each)]
        site = {"paths": ["/srv"], "excludes": [], "compression": Compression.GZIP}
        rows = ({"id": one, "server_id": server, "name": "s"} | site for one, server in sites)
        session.execute(insert(Site), list(rows))
        plan = {"type": BackupType.FILES, "cron": "0 3 * * *", "zone": "Europe/Vienna"}
        session.execute(
            insert(Schedule),
            [
                plan
                | {"id": uuid4(), "server_id": server, "site_id": one}
                | {
                    "next_run_at": now
                    if number % (len(sites) // max(due, 1) or 1) == 0 and due
                    else later
                }
                | {"paths": [], "excludes": [], "created_at": now}
                for number, (one, server) in enumerate(sites)
            ],
        )


def add_servers() -> list[object]:
    """Those that the schedules are of."""
    rows = [
        {"id": uuid4(), "name": f"web-{number}", "host": "h", "public_key": "k"}
        | {"private_key": "sealed", "host_keys": ["SHA256:a"], "privilege": Privilege.PLAIN}
        | {"backups_at_once": 20}
        for number in range(SERVERS)
    ]
    db.session().execute(insert(Server), rows)
    return [row["id"] for row in rows]


def made() -> int:
    """How many backups have a run."""
    with reading() as session:
        return session.scalar(select(func.count()).select_from(Run)) or 0


def idle() -> float:
    """Milliseconds of a tick when nothing is due."""
    times = []
    for _ in range(IDLE_TICKS):
        started = time.monotonic()
        tick.ask_for_backups()
        times.append((time.monotonic() - started) * 1000)
    return median(times)


if __name__ == "__main__":
    main()
