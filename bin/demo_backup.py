"""The backup of `make demo`: asked for, followed, told."""

import signal
import time
from contextlib import suppress
from uuid import UUID

from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, databases, destinations, requests, runs
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Offsite
from cloudpilot.domain.requests import Wish
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import ACTIVE, Status
from cloudpilot.errors import BackupInProgress, CloudPilotError
from cloudpilot.jobs import queue, work
from cloudpilot.kinds import BackupType
from cloudpilot.web.words import proof

LOOK_SECONDS = 0.5
ENDING = {signal.SIGTERM, signal.SIGINT}  # blocked: they are asked for where it can end


def ask(server: Server, site: Site) -> UUID:
    """The run of a new backup, or of one that an earlier demo has left under way."""
    with reading() as session:
        found, to = databases.of_site(session, site.id), destinations.of(session, site)
    wish = Wish(
        server,
        site,
        site.paths,
        site.excludes,
        site.compression,
        type=BackupType.FULL if found else BackupType.FILES,
        databases=found,
        destination=to,
        note="made by make demo",
    )
    with suppress(BackupInProgress), transaction() as session:
        queue.ring(session, requests.check(session, server, by=None))
    try:
        with transaction() as session:
            run = requests.backup_now(session, wish, by=None)
            queue.ring(session, run)
    except BackupInProgress:
        run = next(run for run in _under_way() if run.claim == f"make:site:{site.id}")
    return run.id


def follow(run_id: UUID) -> None:
    """Print the progress as it changes, then the result."""
    shown = ""
    while not is_ending():
        with reading() as session:
            run = runs.find(session, run_id)
            backup = backups.find(session, run.backup_id or run_id)
        goes_on = backup.offsite_status is Offsite.UPLOADING
        line = "completed, uploading" if run.status.is_final and goes_on else _progress(run)
        if line != shown:
            say(f"  {line}")
            shown = line
        if run.status.is_final and not goes_on:
            _result(backup)
            return
        time.sleep(LOOK_SECONDS)


def stop_what_runs() -> None:
    """A real server would go on; this one ends with the demo."""
    for run in _under_way():
        with suppress(CloudPilotError):
            work.end(run)


def is_ending() -> bool:
    """Whether somebody wants the demo to end."""
    return bool(signal.sigpending() & ENDING)


def say(text: str) -> None:
    """One line for the person who started the demo."""
    print(text, flush=True)


def _under_way() -> list[Run]:
    """What is at work on the server now."""
    with reading() as session:
        rows = select(Run).where(Run.status.in_(ACTIVE), Run.kind.in_(work.KINDS))
        return list(session.scalars(rows))


def _progress(run: Run) -> str:
    if run.status is not Status.RUNNING or run.total is None:
        return f"{run.status}" + (
            f" ({run.stage})" if run.stage and not run.status.is_final else ""
        )
    return f"{run.status} ({run.stage}) {run.done / 1e6:.0f} of {run.total / 1e6:.0f} MB"


def _result(backup: Backup) -> None:
    if backup.status is not Status.COMPLETED:
        say(f"  {backup.error_code}: {backup.error_detail}\n  {backup.remedy}")
        return
    copy = backup.server_copy
    rows = {
        "status": backup.status,
        "path": copy.path if copy else "",
        "size": f"{backup.size:,} bytes",
        "files": f"{backup.counts['files']:,}",
        "sha-256": backup.sha256,
        "seconds": backup.seconds,
        "offsite": _offsite(backup),
    }
    for name, value in rows.items():
        say(f"  {name:8} {value}")


def _offsite(backup: Backup) -> str:
    copy = next(iter(backup.in_vaults()), None)
    proven = f", proven by {proof(copy.verified_by)}" if copy and copy.verified_by else ""
    return f"{backup.offsite_status}{proven}"
