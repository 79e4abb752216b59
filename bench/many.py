"""Many backups at once: what one process that looks needs for them, and whether it is in time.

`make bench` prints 100, 300 and 1,000; `python -m bench many 1000` one size alone. Each backup is
a process of its own at a real sshd, behind a row, a key and a connection of its own. What the
servers do (sshd, the shells that answer) is done on the same cores: it is told apart, and where
all together fill the machine, looks are late because of it.
"""

import os
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import flask_migrate
from flask import Flask

from bench.figures import say
from cloudpilot import cli, create_core
from cloudpilot.db import db
from cloudpilot.settings import from_environment
from tests.support import fleet, looking, panel, postgres
from tests.support import redis as private_redis
from tests.support.database import SECRET_KEY
from tests.support.fleet import Fleet
from tests.support.looking import Watch, part
from tests.support.panel import Processes

SIZES = (100, 300, 1000)
PERIOD = 15.0  # seconds between two looks at a run
SETTLING, MEASURED = 2 * PERIOD, 6 * PERIOD  # seconds: until all connections are open; from then on
PAGES = ("/", "/servers", "/activity")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one process, now: bytes of memory, threads, open files."""

    rss: int
    pss: int
    threads: int
    files: int

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """As the kernel says."""
        process = Path(f"/proc/{pid}")
        stat = (process / "stat").read_text().rpartition(") ")[2].split()
        lines = (line.split() for line in (process / "smaps_rollup").read_text().split("\n")[1:])
        size = {words[0]: int(words[1]) * 1024 for words in lines if len(words) == 3}
        return cls(
            rss=size["Rss:"],
            pss=size["Pss:"],
            threads=int(stat[17]),
            files=len(list((process / "fd").iterdir())),
        )


def cpu(pid: int) -> float:
    """Seconds of processor until now of a process and of all that it has started, even of what of
    that has ended."""
    total = 0
    for one in (pid, *panel.below(pid)):
        with suppress(OSError):  # it has ended, and is its parent's now
            stat = Path(f"/proc/{one}/stat").read_text().rpartition(") ")[2].split()
            total += sum(map(int, stat[11:15]))
    return total / TICKS_A_SECOND


def main(*sizes: int) -> None:
    """All sizes, or these."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    for count in sizes or SIZES:
        with stage(count) as (running, processes, others):
            measure(count, running, processes, others)


@contextmanager
def stage(count: int) -> Iterator[tuple[Fleet, Processes, dict[str, int]]]:
    """A panel that looks at so many: a clock, one process that looks, the web. Then the processes,
    by name, of what else is there."""
    with (
        TemporaryDirectory(prefix="cp-many-") as folder,
        postgres.running() as url,
    ):
        home = Path(folder)
        (home / "redis").mkdir()
        with private_redis.running(home / "redis") as redis_url:
            environ = {
                "DATABASE_URL": postgres.create(url, "many"),
                "REDIS_URL": redis_url,
                "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
                "CLOUDPILOT_LOOK_SECONDS": "1",
                "CLOUDPILOT_LOOK_SECONDS_AT_MOST": str(PERIOD),
                "CLOUDPILOT_LEASE_SECONDS": "45",
                "CLOUDPILOT_RETRY_SECONDS": "5",
            }
            core = create_core(from_environment(environ))
            cli.register(core)
            with core.app_context():
                flask_migrate.upgrade()
                with _ready(core, environ, home, count) as (running, processes):
                    others = {
                        "the servers": running.sshd.pid,
                        "the web, asked for 4 pages every 2 s": processes.pid("web"),
                        "PostgreSQL": postgres.pid(url),
                    }
                    yield running, processes, others
                db.engine.dispose()


@contextmanager
def _ready(
    core: Flask, environ: dict[str, str], home: Path, count: int
) -> Iterator[tuple[Fleet, Processes]]:
    with (
        fleet.running(core, home / "fleet", count, period=PERIOD) as running,
        panel.running(environ, home, "looks", "clock", "web") as processes,
    ):
        yield running, processes


def measure(count: int, running: Fleet, processes: Processes, others: Mapping[str, int]) -> None:
    """The table of one size."""
    client, web = looking.signed_in(processes.url), processes.pid("web")
    everybody = {"the process that looks": processes.pid("looks"), **others}
    looking.watched(client, web, running.watched, PAGES, SETTLING)
    before, started = {name: cpu(pid) for name, pid in everybody.items()}, time.monotonic()
    seen = looking.watched(client, web, running.watched, PAGES, MEASURED)
    seconds = time.monotonic() - started
    title = f"{count:,} backups"
    for name, pid in everybody.items():
        used = cpu(pid) - before[name]
        figure = f"{used / seconds:.0%} / {used / seen.count * 1000:.1f} ms"
        say(f"{title}: CPU of {name} / for each look", figure, "")
    usage = Usage.of(processes.pid("looks"))
    memory = f"{usage.rss / 2**20:.0f} / {usage.pss / 2**20:.0f} MiB"
    say(f"{title}: memory, RSS / PSS", memory, "≤ 512 MiB")
    say(f"{title}: threads / open files", f"{usage.threads} / {usage.files}", "")
    say_what_was_seen(title, count, seconds, seen, running)


def say_what_was_seen(title: str, count: int, seconds: float, seen: Watch, running: Fleet) -> None:
    """How the looks came, and the pages."""
    late = seen.late(PERIOD, [one for one in running.runs if one != running.watched])
    aim = f"≤ {count / PERIOD:.1f}, one in {PERIOD:.0f} s"
    say(f"{title}: looks a second", f"{seen.count / seconds:.1f}", aim)
    shares = " / ".join(f"{part(late, share):.2f}" for share in (0.5, 0.95, 1))
    say(f"{title}: looks late, median / p95 / worst", f"{shares} s", f"≤ {PERIOD:.0f} s")
    moved = sum(one != two for one, two in zip(seen.moves, seen.moves[1:], strict=False))
    say(f"{title}: the open page has moved", f"{moved} of {len(seen.moves) - 1}", "all")
    for path, times in seen.pages.items():
        shown = " / ".join(f"{part(sorted(times), share) * 1000:.0f}" for share in (0.5, 0.95))
        say(f"{title}: {path}, p50 / p95", f"{shown} ms", "≤ 100 ms")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
