"""How a panel that watches a fleet does: when each run was looked at, and how long pages take.

Nothing is asked of the process that looks: each look writes down when it was, and that is read.
"""

import os
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event
from uuid import UUID

from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import passwords
from cloudpilot.domain.runs import Run
from cloudpilot.secrets import Secret
from tests.support.client import Client
from tests.support.panel import below
from tests.support.rows import add_person

PASSWORD = "correct horse battery"
PAGE_SECONDS = 2.0  # between two questions of an open page
LOOKS_SECONDS = 0.25  # between two readings of the rows: shorter than any pause between looks


@dataclass
class Watch:
    """What was seen until now.

    looks  by run: when it was looked at, the first time being that before this began
    pages  seconds that each answer to a page took, by its path; without those in which the web or
           this process could have gone on, and other programs had the cores
    moves  what the open page's run had done, each time that the page asked
    """

    pids: Sequence[int]  # of those two
    looks: dict[UUID, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    pages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    moves: list[int] = field(default_factory=list)

    def late(self, period: float, runs: Collection[UUID]) -> list[float]:
        """By how many seconds each look at these came later than a period after the one before."""
        waits = [
            (later - earlier).total_seconds()
            for run_id in runs
            for earlier, later in zip(self.looks[run_id], self.looks[run_id][1:], strict=False)
        ]
        return sorted(max(0.0, waited - period) for waited in waits)

    @property
    def count(self) -> int:
        """How many looks there were."""
        return sum(len(times) - 1 for times in self.looks.values())


def part(sorted_values: Sequence[float], share: float) -> float:
    """The value that this share of all is at most."""
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def signed_in(url: str) -> Client:
    """The browser of a new owner."""
    with transaction() as session:
        person = add_person(session)
        person.password_hash = passwords.hashed(Secret(PASSWORD))
    client = Client(url, lambda *_: None)
    client.send("/sign-in", email=person.email, password=PASSWORD)
    return client


def watched(
    client: Client,
    pid: int,
    run_id: UUID,
    paths: Sequence[str],
    seconds: float,
) -> Watch:
    """Look on for so long; the page of one run is open and asks every two seconds, and so is each
    of `paths` in turn.

    pid  of the web, of which gunicorn has started one worker
    """
    watch, started, asked = Watch([os.getpid(), *below(pid)]), time.monotonic(), 0.0
    while time.monotonic() - started < seconds:
        now = _read(watch)
        if time.monotonic() - asked >= PAGE_SECONDS:
            asked = time.monotonic()
            watch.moves.append(now[run_id])
            _open(client, watch, f"/runs/{run_id}/status", "/runs/<id>/status")
            for path in paths:
                _open(client, watch, path, path)
        Event().wait(LOOKS_SECONDS)
    return watch


def _read(watch: Watch) -> dict[UUID, int]:
    """Note who was looked at since; returns what each has done."""
    with reading() as session:
        rows = session.execute(select(Run.id, Run.seen_at, Run.done)).all()
    for run_id, seen_at, _ in rows:
        times = watch.looks[run_id]
        if seen_at and (not times or seen_at > times[-1]):
            times.append(seen_at)
    return {run_id: done for run_id, _, done in rows}


def _open(client: Client, watch: Watch, path: str, name: str) -> None:
    waited, started = _waited(watch.pids), time.monotonic()
    client.get(path)
    seconds = time.monotonic() - started
    watch.pages[name].append(max(0.0, seconds - (_waited(watch.pids) - waited)))


def _waited(pids: Sequence[int]) -> float:
    """Seconds that their threads have been kept waiting for a core, as the kernel counts them."""
    threads = [thread for pid in pids for thread in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int((one / "schedstat").read_text().split()[1]) for one in threads) / 1e9
