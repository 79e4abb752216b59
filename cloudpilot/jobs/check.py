"""Checking a server: what it has, what is wrong with it, and what would help."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session as OrmSession

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import checkups, daily, history, inspections, presence, servers
from cloudpilot.domain.changes import Lines
from cloudpilot.domain.plans import RETENTION_DAYS
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import BACKUP_ROOT, SAFE_BACKUP_ROOT, Server
from cloudpilot.engine import facts
from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.findings import Last
from cloudpilot.engine.presence import Archive, Seen, look, unanswered
from cloudpilot.engine.presence import line as line_of
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed
from cloudpilot.jobs import foresight, inspect, lifecycle, orphans, reachability
from cloudpilot.jobs.on_server import connected
from cloudpilot.jobs.queue import SECONDS_BY_KIND
from cloudpilot.kinds import RunKind
from cloudpilot.reports import Report

SECONDS = SECONDS_BY_KIND[RunKind.CHECK]
TO_WRITE_IT_DOWN = 6  # of these, that asking leaves
FOR_VAULTS = 45  # of these, that looking at databases leaves


@dataclass(frozen=True, slots=True)
class _Asking:
    """An open session on a server whose row says this."""

    ssh: Session
    server: Server
    login_seconds: float
    last: Last | None

    def about(self, root: str) -> facts.Checkup:
        """All lines, for backups that go to `root`."""
        return facts.check(
            self.ssh,
            root,
            privilege=self.server.privilege,
            retention_days=RETENTION_DAYS,
            login_seconds=self.login_seconds,
            last=self.last,
        )


def perform(run: Run) -> None:
    """Ask the server, and keep what it says."""
    with reading() as session:
        server = session.get_one(Server, run.at)
        last = history.largest_last(session, server.id)
        logins = inspections.on_server(session, server.id)
    began = time.monotonic()
    with connected(run.at) as ssh:
        asking = _Asking(ssh, server, time.monotonic() - began, Last(*last) if last else None)
        lifecycle.begin(run)
        found, moved = _about(asking)
        stored = _look_for_archives(ssh, run.at)
        left = orphans.on_server(ssh, server)
        known = {**found.facts, **foresight.facts(ssh, server)}
        looked = inspect.each(ssh, logins, began + SECONDS - TO_WRITE_IT_DOWN - FOR_VAULTS)
        also = reachability.lines(ssh, run.at, began + SECONDS - TO_WRITE_IT_DOWN)
    also += [*_also(stored, moved), left]
    lines = [*map(asdict, (*found.lines, *also)), *inspections.lines(logins, looked)]
    with transaction() as session:
        presence.note(session, _known(stored))
        inspections.keep_each(session, logins, looked)
        row = _moved(servers.find(session, run.at), moved)
        words = _kept(session, row, lines, known)
    lifecycle.complete(run, Report(stage="check", log=words, over=True))


def _about(asking: _Asking) -> tuple[facts.Checkup, str | None]:
    """What there is to say of its directory; or of the better one that it moves to."""
    found = asking.about(asking.server.backup_root)
    moved = _better_root(asking.server, found)
    return (asking.about(moved) if moved else found), moved


def _kept(session: OrmSession, row: Server, lines: Lines, known: Mapping[str, Any]) -> str:
    """With what the next backups will fail on; in words."""
    lines = [*lines, *foresight.lines(session, row.id, lines, known)]
    checkups.keep(session, row, lines, known)
    return "\n".join(f"{line['level']}: {line['title']}: {line['detail']}" for line in lines)


def _better_root(server: Server, found: facts.Checkup) -> str | None:
    """At its first check, a server whose default directory is a trap gets the safe one."""
    alternative = found.facts.get("alternative")
    trapped = server.backup_root == BACKUP_ROOT and found.facts.get("trap")
    safe = alternative == SAFE_BACKUP_ROOT  # the server's word is not a path to follow
    return SAFE_BACKUP_ROOT if server.checked_at is None and trapped and safe else None


def _look_for_archives(ssh: Session, server_id: UUID) -> dict[UUID, Seen] | None:
    """What the server says of each stored copy; None if that makes no sense."""
    with reading() as session:
        copies = presence.looked_for(session, server_id)
    archives = [
        Archive(copy.root or "", str(copy.backup_id), copy.name, copy.size or 0) for copy in copies
    ]
    try:
        found = look(ssh, archives) if archives else []
    except CommandFailed:
        return None
    return {copy.id: seen for copy, seen in zip(copies, found, strict=True)}


def _also(stored: dict[UUID, Seen] | None, moved: str | None) -> list[Line]:
    """Lines about what only the panel knows of."""
    of_archives = unanswered() if stored is None else line_of(list(stored.values()))
    return [line for line in (of_archives, _note_of_the_move(moved)) if line]


def _known(stored: dict[UUID, Seen] | None) -> dict[UUID, str | None]:
    """Of each copy that was looked for with success, why it counts as missing, or None."""
    return {copy: one.why for copy, one in (stored or {}).items() if one.how != "unknown"}


def _moved(server: Server, moved: str | None) -> Server:
    """With its directory, and the time of the next Check."""
    server.backup_root = moved or server.backup_root
    every = timedelta(hours=lifecycle.settings().check_hours)
    server.next_check_at = daily.slot(server.id, clock.now(), every)
    return server


def _note_of_the_move(moved: str | None) -> Line | None:
    if moved is None:
        return None
    return Line(
        key="backup_directory_moved",
        level="warning",
        title="Backup directory changed",
        detail=f"{BACKUP_ROOT} does not keep files here, so backups go to {moved}.",
        remedy="Nothing to do. You can change it back on the server's page.",
    )
