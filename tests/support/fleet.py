"""Many servers with a backup under way on each: real rows, a real sshd, processes that live.

All of them are names of one sshd, but to the panel they are servers of their own: each has its row,
its sealed key, its approved host key, its connection. A run is a directory as launch.sh leaves it,
and a process that waits; what it has done is written into it from here.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from uuid import UUID

from flask import Flask
from sqlalchemy import update

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from tests.support.openssh import Sshd
from tests.support.rows import add_real_server, add_run, add_site
from tests.support.sshd import private_sshd

AGE = timedelta(hours=1)  # as long as they have been under way: old enough for the longest pause
MOVES_SECONDS = 0.5  # between two words of progress
TOTAL = 10**12  # bytes: no end is in sight


@dataclass
class Fleet:
    """Backups that run; the first one is `watched` by those who look at a page."""

    sshd: Sshd
    root: Path
    runs: dict[UUID, Path] = field(default_factory=dict)  # by run: its directory
    silent: list[UUID] = field(default_factory=list)  # runs of servers that say nothing
    done: int = 0  # bytes, of each

    @property
    def watched(self) -> UUID:
        """The run whose page is open."""
        return next(iter(self.runs))

    def ask_silent(self) -> None:
        """All of those whose servers say nothing are due at once, before all others."""
        with transaction() as session:
            silent = update(Run).where(Run.id.in_(self.silent))
            session.execute(silent.values(next_look_at=clock.now() - AGE))

    def move(self) -> None:
        """The watched one has done something."""
        self.done += 1_000_000
        _write(self.runs[self.watched] / "progress", f"archive {self.done} {TOTAL}\n")


@contextmanager
def running(
    core: Flask, home: Path, count: int, *, period: float, silent: int = 0
) -> Iterator[Fleet]:
    """So many backups that run until the block ends, their looks spread over `period` seconds.

    silent  so many more, of servers that take a connection and never say a word
    """
    room = "MaxStartups 2000\nMaxSessions 100\nLogLevel ERROR"
    (home / "sshd").mkdir(parents=True)
    with (
        private_sshd(home / "sshd", limits=room) as sshd,
        socket.create_server(("127.0.0.1", 0), backlog=4096) as nobody,
    ):
        fleet = Fleet(sshd, home / "backups")
        _add_rows(core, fleet, count, period, silent, nobody.getsockname()[1])
        processes = [_begin(run_id, where) for run_id, where in fleet.runs.items()]
        over = Event()
        mover = Thread(target=_keep_moving, args=(fleet, over))
        mover.start()
        try:
            yield fleet
        finally:
            over.set()
            mover.join()
            for process in processes:
                process.kill()
            for process in processes:
                process.wait()


def _add_rows(
    core: Flask, fleet: Fleet, count: int, period: float, silent: int, nobody: int
) -> None:
    now = clock.now()
    with transaction() as session:
        for number in range(count + silent):
            server = add_real_server(core, session, fleet.sshd, fleet.root)
            server.name = f"web-{number:04}"
            server.next_check_at = now + AGE  # it has been here for a while
            run = add_run(session, server, add_site(session, server, f"shop {number}"))
            run.next_look_at = now + timedelta(seconds=period * number / count)
            if number < count:
                fleet.runs[run.id] = fleet.root / str(run.backup_id) / f"run-{run.id}"
            else:
                fleet.silent.append(run.id)
                server.port, run.next_look_at = nobody, now + AGE
        session.flush()
        begun = {"status": Status.RUNNING, "created_at": now - AGE, "started_at": now - AGE}
        session.execute(update(Run).values(**begun, sent_at=now - AGE, seen_at=now))
        session.execute(update(Backup).values(**begun))


def _begin(run_id: UUID, where: Path) -> subprocess.Popen[bytes]:
    """What launch.sh and the script leave: the process, and what it has written about itself."""
    where.mkdir(parents=True)
    mark = f"{where.parent.name}/{run_id}"
    process = subprocess.Popen(
        ["sleep", "86400"],
        env={**os.environ, "CLOUDPILOT_RUN": mark},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    stat = Path(f"/proc/{process.pid}/stat").read_text()
    start = stat.rpartition(") ")[2].split()[19]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (where / "pid").write_text(f"{process.pid} {start} {boot}\n")
    (where / "progress").write_text(f"archive 1000000 {TOTAL}\n")
    (where / "log").write_text("tar: what it has said\n" * 20)
    return process


def _keep_moving(fleet: Fleet, over: Event) -> None:
    while not over.wait(MOVES_SECONDS):
        fleet.move()


def _write(file: Path, text: str) -> None:
    """Whole or not at all: it is read meanwhile."""
    draft = file.with_name(".draft")
    draft.write_text(text)
    draft.replace(file)
