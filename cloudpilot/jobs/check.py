"""Checking a server: what it has, what is wrong with it, and what would help."""

import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import checkups, daily, inspections, servers
from cloudpilot.domain.backups import RETENTION_DAYS
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import BACKUP_ROOT, SAFE_BACKUP_ROOT, Server
from cloudpilot.engine import facts
from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.ssh import Session
from cloudpilot.jobs import inspect, lifecycle
from cloudpilot.jobs.on_server import connected
from cloudpilot.jobs.queue import JOB_SECONDS
from cloudpilot.reports import Report

TO_WRITE_IT_DOWN = 6  # seconds of the job that asking leaves


@dataclass(frozen=True, slots=True)
class _Asking:
    """An open session on a server whose row says this."""

    ssh: Session
    server: Server
    login_seconds: float

    def about(self, root: str) -> facts.Checkup:
        """All lines, for backups that go to `root`."""
        return facts.check(
            self.ssh,
            root,
            privilege=self.server.privilege,
            retention_days=RETENTION_DAYS,
            login_seconds=self.login_seconds,
        )


def perform(run: Run) -> None:
    """Ask the server, and keep what it says."""
    with reading() as session:
        server = session.get_one(Server, run.server_id)
        logins = inspections.on_server(session, run.server_id)
    began = time.monotonic()
    with connected(run.server_id) as ssh:
        asking = _Asking(ssh, server, time.monotonic() - began)
        lifecycle.begin(run)
        found = asking.about(server.backup_root)
        moved = _better_root(server, found)
        if moved:
            found = asking.about(moved)
        looked = inspect.each(ssh, logins, began + JOB_SECONDS - TO_WRITE_IT_DOWN)
    lines = [asdict(line) for line in found.lines]
    if moved:
        lines.append(_note_of_the_move(moved))
    lines += inspections.lines(logins, looked)
    with transaction() as session:
        row = servers.find(session, run.server_id)
        row.backup_root = moved or row.backup_root
        row.next_check_at = _next(row)
        checkups.keep(session, row, lines, found.facts)
        inspections.keep_each(session, logins, looked)
    words = "\n".join(f"{line['level']}: {line['title']}: {line['detail']}" for line in lines)
    lifecycle.complete(run, Report(stage="check", log=words, over=True))


def _better_root(server: Server, found: facts.Checkup) -> str | None:
    """At its first check, a server whose default directory is a trap gets the safe one."""
    alternative = found.facts.get("alternative")
    trapped = server.backup_root == BACKUP_ROOT and found.facts.get("trap")
    safe = alternative == SAFE_BACKUP_ROOT  # the server's word is not a path to follow
    return SAFE_BACKUP_ROOT if server.checked_at is None and trapped and safe else None


def _next(server: Server) -> datetime:
    every = timedelta(hours=lifecycle.settings().check_hours)
    return daily.slot(server.id, clock.now(), every)


def _note_of_the_move(moved: str) -> dict[str, Any]:
    line = Line(
        key="backup_directory_moved",
        level="warning",
        title="Backup directory changed",
        detail=f"{BACKUP_ROOT} does not keep files here, so backups go to {moved}.",
        remedy="Nothing to do. You can change it back on the server's page.",
    )
    return asdict(line)
