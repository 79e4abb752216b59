"""A whole panel with a real server to back up: nothing in it is faked."""

import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask

from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, deletions, requests, runs, servers
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.jobs import queue
from cloudpilot.settings import Settings
from tests.support.database import SECRET_KEY
from tests.support.openssh import Sshd
from tests.support.panel import Processes, below, running
from tests.support.rows import add_person, add_real_server, add_run, add_site
from tests.support.sshd import private_sshd
from tests.support.until import until


@dataclass
class World:
    """The panel, its server, and a site with real files."""

    core: Flask
    processes: Processes
    sshd: Sshd
    server_id: UUID
    site_id: UUID
    root: Path  # the backup directory
    files: Path  # what is backed up
    gate: Path  # while this exists, the server's compressor waits: it packs or unpacks nothing
    person_id: UUID

    def back_up(self) -> UUID:
        """Ask for a backup of the site, as the form does; returns its run."""
        with transaction() as session:
            server = session.get_one(Server, self.server_id)
            run = add_run(session, server, session.get_one(Site, self.site_id))
            queue.ring(session, run)
        return run.id

    def check(self) -> UUID:
        """Ask for a Check of the server; returns its run."""
        with transaction() as session:
            run = requests.check(session, session.get_one(Server, self.server_id), by=None)
            queue.ring(session, run)
        return run.id

    def stop(self, run_id: UUID) -> None:
        """Press Stop."""
        with transaction() as session:
            run = runs.find(session, run_id)
            runs.request_stop(session, run)
            queue.ring_stop(session, run)

    def delete(self, run_id: UUID) -> UUID:
        """Delete the backup of a run; returns the run that does it."""
        with transaction() as session:
            backup = backups.find(session, runs.find(session, run_id).backup_id)  # type: ignore[arg-type]
            [removal] = deletions.delete(session, backup, session.get_one(Person, self.person_id))
            queue.ring(session, removal)
        return removal.id

    def run(self, run_id: UUID) -> Run:
        """The run's row as it stands."""
        with reading() as session:
            return runs.find(session, run_id)

    def backup(self, run_id: UUID) -> Backup:
        """The row of the backup that the run makes."""
        with reading() as session:
            return backups.find(session, runs.find(session, run_id).backup_id)  # type: ignore[arg-type]

    def server(self) -> Server:
        """The server's row."""
        with reading() as session:
            return servers.find(session, self.server_id)

    def change_server(self, **columns: object) -> None:
        """Set columns of the server's row."""
        with transaction() as session:
            server = servers.find(session, self.server_id)
            for column, value in columns.items():
                setattr(server, column, value)

    def until(self, run_id: UUID, good: Callable[[Run], object], seconds: float = 60) -> Run:
        """The run as soon as it is as wanted; within a minute, whatever was killed."""
        return until(lambda: self.run(run_id), good, seconds=seconds)

    def ended(self, run_id: UUID, status: Status = Status.COMPLETED) -> Run:
        """The run once it has ended, which must be in that status."""
        run = self.until(run_id, lambda row: row.status.is_final)
        assert run.status is status, (run.error_code, run.error_detail, run.log)
        return run

    def hold(self) -> None:
        """From now on the server's compressor waits."""
        self.gate.touch()

    def release(self) -> None:
        """Let the compressor go on."""
        self.gate.unlink(missing_ok=True)

    def cut(self) -> None:
        """End every SSH connection, and the server with them."""
        pid = self.sshd.pid
        sessions = [child for child in below(pid) if _name(child).startswith("sshd")]
        self.sshd.stop()
        for child in sessions:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def archive(self, run_id: UUID) -> Path:
        """Where the archive lies on the server."""
        backup = self.backup(run_id)
        assert backup.server_copy is not None
        return Path(backup.server_copy.path)

    def names(self, run_id: UUID) -> list[str]:
        """What a plain tar reader finds in the archive."""
        with tarfile.open(self.archive(run_id)) as archive:
            return archive.getnames()

    def left_over(self) -> list[str]:
        """Backups below the backup directory; the names of deleted ones do not count."""
        return left_below(self.root)

    def working(self) -> list[str]:
        """Command lines of processes that work in the backup directory."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                here = str((process / "cwd").readlink())
                line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if here.startswith(str(self.root)) or str(self.root) in line:
                found.append(line)
        return found


@pytest.fixture
def gated_sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A server of its own for one test; its compressors wait while `<home>/gate` exists."""
    home = tmp_path / "sshd"
    home.mkdir()
    path = f"{gated_tools(home / 'tools', home / 'gate')}:{os.defpath.lstrip(':')}"
    with private_sshd(home, environment=f"PATH={path}") as sshd:
        yield sshd


@pytest.fixture
def world(core: Flask, settings: Settings, gated_sshd: Sshd, tmp_path: Path) -> Iterator[World]:
    """A running worker and clock; the web is started by those who need it."""
    sshd, home, files = gated_sshd, tmp_path / "panel", tmp_path / "site"
    home.mkdir()
    _make_files(files)
    root = tmp_path / "backups"
    environ = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
    }
    gate = sshd.home / "gate"
    with running(environ, home, "worker", "clock") as processes:
        yield enrolled(core, processes, sshd, root, files, excludes=["*.log"])
        gate.unlink(missing_ok=True)


def enrolled(
    core: Flask,
    processes: Processes,
    sshd: Sshd,
    root: Path,
    files: Path,
    excludes: Sequence[str] = (),
) -> World:
    """The world of a panel that knows this server, and `files` as its site."""
    with transaction() as session:
        server = add_real_server(core, session, sshd, root)
        site = add_site(session, server, paths=[str(files)], excludes=list(excludes))
        person = add_person(session)
    gate = sshd.home / "gate"
    return World(core, processes, sshd, server.id, site.id, root, files, gate, person.id)


def left_below(root: Path) -> list[str]:
    """What is in a backup directory, beside the names of what was deleted there."""
    found = root.iterdir() if root.exists() else ()
    return sorted(path.name for path in found if path.name != ".removed")


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _make_files(folder: Path) -> None:
    """A few files of which some are large enough to fill more than one member."""
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>hello</h1>")
    (folder / "deep" / "er" / "it's $(odd)\n.txt").write_text("odd")
    (folder / "debug.log").write_text("excluded")
    (folder / "large.bin").write_bytes(os.urandom(48 * 2**20))
    os.link(folder / "large.bin", folder / "again.bin")


def gated_tools(folder: Path, gate: Path) -> str:
    """A folder with a compressor that waits while `gate` exists; for a server's PATH.

    It waits in a backup and in a restore, not while it is only tried out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("igzip", "pigz", "gzip"):
        real = shutil.which(name)
        if real:
            held = f'[ -e "{gate}" ] && [ -e work/archive -o -e work/unpacking ]'
            script = f'#!/bin/bash\nwhile {held}; do sleep 0.05; done\nexec {real} "$@"\n'
            (folder / name).write_text(script)
            (folder / name).chmod(0o755)
    return str(folder)


def kill_group(directory: Path, number: int) -> None:
    """A signal to every process of the run that works in `directory`."""
    pid = (directory / "pid").read_text().split()[0]
    subprocess.run(["kill", f"-{number}", "--", f"-{pid}"], check=True)
