"""Ten workers and two clocks on one Redis and one PostgreSQL, each ring sent three times, workers
killed at random: every run is worked on once, by one at a time.

The server keeps a journal: its compressors note the run that they work for, and the session, which
is the process that was launched. PostgreSQL keeps one, too: who took which lease, and when.
"""

import hashlib
import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, text

from cloudpilot.db import reading, transaction
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status, StatusEvent
from cloudpilot.jobs import queue
from cloudpilot.kinds import RunKind
from cloudpilot.settings import Settings
from tests.support.database import SECRET_KEY
from tests.support.openssh import Sshd
from tests.support.panel import Processes, running
from tests.support.rows import add_real_server, add_run, add_site
from tests.support.sshd import private_sshd
from tests.support.until import until

WORKERS = [f"{role}-{number}" for role in ("work", "looks") for number in range(5)]
CLOCKS = ["clock-1", "clock-2"]
SERVERS = 10
RINGS = 3
LEASE = 8  # seconds
LEASES_A_KILL = 10  # of which notes are made until the next worker is killed, however fast that is
JOURNAL = """
CREATE TABLE lease_journal (run uuid, was timestamptz, until timestamptz, at timestamptz);
CREATE FUNCTION note_lease() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO lease_journal VALUES (NEW.id, OLD.next_look_at, NEW.next_look_at, clock_timestamp());
  RETURN NEW;
END $$;
CREATE TRIGGER note_lease AFTER UPDATE OF next_look_at ON runs FOR EACH ROW
  EXECUTE FUNCTION note_lease();
"""
COMPRESSOR = """#!/bin/bash
if [ -e work/archive ]; then
  read -r -a stat </proc/self/stat
  echo "$CLOUDPILOT_RUN ${{stat[5]}}" >>{journal}
fi
exec {real} "$@"
"""


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    home = tmp_path / "sshd"
    (home / "tools").mkdir(parents=True)
    for name in ("igzip", "pigz", "gzip"):
        tool = home / "tools" / name
        real = next((f"{at}/{name}" for at in ("/usr/bin", "/bin") if Path(at, name).exists()), "")
        if real:
            tool.write_text(COMPRESSOR.format(journal=home / "journal", real=real))
            tool.chmod(0o755)
    path = f"PATH={home / 'tools'}:{os.defpath.lstrip(':')}"
    with private_sshd(home, environment=path, limits="MaxStartups 500") as found:
        yield found


def ask(core: Flask, sshd: Sshd, root: Path, files: Path, count: int) -> list[UUID]:
    """Backups of so many sites of some servers, all at once; the runs that make them."""
    ids = []
    with transaction() as session:
        servers = [add_real_server(core, session, sshd, root) for _ in range(SERVERS)]
        for number in range(count):
            site = add_site(session, servers[number % SERVERS], f"s{number}", paths=[str(files)])
            run = add_run(session, servers[number % SERVERS], site)
            for _ in range(RINGS):
                queue.ring(session, run)
            ids.append(run.id)
    return ids


@contextmanager
def killing(core: Flask, processes: Processes, seed: int) -> Iterator[Counter[str]]:
    """Until the block ends one worker after the other is killed, whole or its first process alone,
    and started anew; yields how often which kind was."""
    chance, over, killed = random.Random(seed), Event(), Counter[str]()

    def kill() -> None:
        while not over.wait(0.05):
            if leases(core) < LEASES_A_KILL * (killed.total() + 1):
                continue
            name = chance.choice(WORKERS)
            processes.kill(name, tree=chance.random() < 0.7)
            processes.start(name)
            killed[name.partition("-")[0]] += 1

    thread = Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


@pytest.mark.on_postgresql
@pytest.mark.parametrize("count", [24, pytest.param(200, marks=pytest.mark.long)])
def test_every_run_is_worked_on_once(
    core: Flask, settings: Settings, sshd: Sshd, tmp_path: Path, count: int
) -> None:
    root, files = tmp_path / "backups", tmp_path / "site"
    files.mkdir()
    (files / "index.html").write_text("<h1>hello</h1>")
    with transaction() as session:
        session.execute(text(JOURNAL))
    environ = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
        "CLOUDPILOT_LEASE_SECONDS": str(LEASE),
        "TEST_RINGS": str(RINGS),
    }
    ids = ask(core, sshd, root, files, count)
    with running(environ, tmp_path, *WORKERS, *CLOCKS) as processes:
        with killing(core, processes, seed=count) as killed:
            until(ended, lambda done: done > count / 2, seconds=120 + count)
        until(ended, lambda done: done == count, seconds=120 + count)
    assert killed["work"]
    assert killed["looks"]
    assert_each_was_made_once(ids, root)
    assert_one_process_each(ids, sshd.home / "journal")
    assert_no_lease_was_taken_twice()


def leases(core: Flask) -> int:
    with core.app_context(), reading() as session:
        return session.scalar(text("SELECT count(*) FROM lease_journal")) or 0


def ended() -> int:
    with reading() as session:
        rows = select(Run.status).where(Run.kind == RunKind.MAKE)
        return sum(status.is_final for status in session.scalars(rows))


def assert_each_was_made_once(ids: list[UUID], root: Path) -> None:
    with reading() as session:
        assert {run.id for run in session.scalars(select(Run))} == set(ids)
        backups = list(session.scalars(select(Backup)))
        copies = list(session.scalars(select(Copy)))
        steps: dict[UUID, list[str]] = defaultdict(list)
        for event in session.scalars(select(StatusEvent).order_by(StatusEvent.id)):
            steps[event.subject_id].append(event.new)
    assert {backup.status for backup in backups} == {Status.COMPLETED}
    assert [copy.status for copy in copies] == [CopyStatus.STORED] * len(ids)
    for one in (*ids, *(backup.id for backup in backups)):
        assert steps[one] == ["running", "completed"]
    there = {path.name for path in root.iterdir() if path.name != ".removed"}
    assert there == {str(backup.id) for backup in backups}
    for copy in copies:
        assert hashlib.sha256(Path(copy.path).read_bytes()).hexdigest() == copy.sha256


def assert_one_process_each(ids: list[UUID], journal: Path) -> None:
    """Of each run one process that was launched has packed, and no other."""
    sessions = defaultdict(set)
    for line in journal.read_text().splitlines():
        mark, session = line.split()
        sessions[UUID(mark.partition("/")[2])].add(session)
    assert set(sessions) == set(ids)
    assert {len(found) for found in sessions.values()} == {1}


def assert_no_lease_was_taken_twice() -> None:
    """Who has taken a run has found it due: nobody had it at that moment."""
    taken = text(
        "SELECT count(*), count(*) FILTER (WHERE was > at) FROM lease_journal"
        " WHERE until > at + make_interval(secs => :half)"
    )
    with reading() as session:
        count, too_early = session.execute(taken, {"half": LEASE / 2}).one()
    assert count > 0
    assert too_early == 0
