"""Checking a server: what it has, what is wrong with it, and what would help."""

from dataclasses import asdict

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import servers
from cloudpilot.domain.backups import RETENTION_DAYS
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import BACKUP_ROOT, SAFE_BACKUP_ROOT, Checkup, Server
from cloudpilot.engine import facts
from cloudpilot.jobs import lifecycle
from cloudpilot.jobs.on_server import connected
from cloudpilot.reports import Report


def perform(run: Run) -> None:
    """Ask the server, and keep what it says."""
    with reading() as session:
        root = session.get_one(Server, run.server_id).backup_root
    with connected(run.server_id) as ssh:
        lifecycle.begin(run)
        found = facts.check(ssh, root, retention_days=RETENTION_DAYS)
        moved = _better_root(run, root, found)
        if moved:
            found = facts.check(ssh, moved, retention_days=RETENTION_DAYS)
    _keep(run, found, moved)
    words = "\n".join(f"{line.level}: {line.title}: {line.detail}" for line in found.lines)
    lifecycle.complete(run, Report(stage="check", log=words, over=True))


def _better_root(run: Run, root: str, found: facts.Checkup) -> str | None:
    """At its first check, a server whose default directory is a trap gets the safe one."""
    with reading() as session:
        first = session.get_one(Server, run.server_id).checked_at is None
    alternative = found.facts.get("alternative")
    trapped = root == BACKUP_ROOT and found.facts.get("trap")
    safe = alternative == SAFE_BACKUP_ROOT  # the server's word is not a path to follow
    return SAFE_BACKUP_ROOT if first and trapped and safe else None


def _keep(run: Run, found: facts.Checkup, moved: str | None) -> None:
    lines = [asdict(line) for line in found.lines]
    if moved:
        lines.append(_note_of_the_move(moved))
    with transaction() as session:
        server = servers.find(session, run.server_id)
        server.checked_at = clock.now()
        server.backup_root = moved or server.backup_root
        session.add(Checkup(server_id=server.id, lines=lines, facts=dict(found.facts)))


def _note_of_the_move(moved: str) -> dict[str, str]:
    line = facts.Line(
        key="backup_directory_moved",
        level="warning",
        title="Backup directory changed",
        detail=f"{BACKUP_ROOT} does not keep files here, so backups go to {moved}.",
        remedy="Nothing to do. You can change it back on the server's page.",
    )
    return asdict(line)
