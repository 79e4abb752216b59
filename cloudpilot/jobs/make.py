"""Making a backup: the server does it; we start it, look at it and stop it."""

import time
from dataclasses import replace
from datetime import timedelta

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, pace, requests, runs
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.engine import detached, script
from cloudpilot.engine.detached import Place
from cloudpilot.engine.script import Contents
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import InvalidState, RunLost, SshUnreachable
from cloudpilot.jobs import dumps, lifecycle, queue
from cloudpilot.jobs.on_server import connected
from cloudpilot.reports import Report

# A tiny site is packed before the clock has come round: the job that has started it waits so long.
FIRST_LOOKS = (0.15, 0.25, 0.4, 0.6)  # seconds between them


def place(run: Run) -> Place:
    """Where on its server the run works."""
    with reading() as session:
        backup = backups.find(session, run.backup_id) if run.backup_id else None
        copy = backup.server_copy if backup else None
    if copy is None or copy.root is None:
        raise RunLost("The backup has no place on a server.")
    return Place(copy.root, str(run.backup_id), str(run.id))


def start(run: Run) -> None:
    """Send the work and see it begin."""
    where, contents = place(run), _contents(run)
    with connected(run.at) as ssh:
        with transaction() as session:
            wanted = runs.mark_sent(session, run)
        if not wanted:
            queue_stop(run)
            return
        detached.launch(ssh, where, script.backup(contents), contents.secrets())
        report = detached.look(ssh, where)
        if report.never_started:
            raise SshUnreachable("The server took the work but has not begun it.")
        try:
            lifecycle.begin(run)
        except InvalidState:
            _undo(ssh, run, where)
            raise
        _first_looks(ssh, run, where, report)


def look(ssh: Session, run: Run, *, watched: bool) -> None:
    """Ask how it is going and write the answer down."""
    where = place(run)
    if run.stop_requested_at:
        detached.stop(ssh, where)
    report = detached.look(ssh, where)
    lifecycle.settle(run, _judged(run, report), pause(run, watched=watched))


def stop(run: Run) -> None:
    """End the work at the server, and see that it has ended."""
    with connected(run.at) as ssh:
        look(ssh, run, watched=True)


def end(run: Run) -> None:
    """End whatever of it there may be, for a run that was sent and never seen to begin."""
    with connected(run.at) as ssh:
        detached.stop(ssh, place(run))


def queue_stop(run: Run) -> None:
    """Somebody wanted it stopped while it was being started: the next job ends it."""
    with transaction() as session:
        row = runs.find(session, run.id)
        runs.put_off(session, row, None, next_look_at=clock.now())
        queue.ring(session, row)


def pause(run: Run, *, watched: bool) -> timedelta:
    """How long to leave it alone."""
    limits = lifecycle.settings()
    return pace.pause_before_next_look(
        clock.now() - (run.started_at or run.created_at),
        watched=watched,
        fastest=timedelta(seconds=limits.look_seconds),
        slowest=timedelta(seconds=limits.look_seconds_at_most),
    )


def _first_looks(ssh: Session, run: Run, where: Place, report: Report) -> None:
    for seconds in FIRST_LOOKS:
        if report.over:
            break
        time.sleep(seconds)
        report = detached.look(ssh, where)
    lifecycle.settle(run, _judged(run, report), pause(run, watched=True))


def _undo(ssh: Session, run: Run, where: Place) -> None:
    """It was ended while it was being sent: nothing may be left of it."""
    if lifecycle.current(run.id).status is Status.FAILED:
        detached.remove(ssh, where.root, where.backup_id)


def _judged(run: Run, report: Report) -> Report:
    """Work that was seen to begin and of which there is nothing now is lost."""
    if not report.never_started:
        return report
    lost = RunLost("Its directory on the server is gone: was it emptied, by a reboot or a person?")
    return replace(report, stage=run.stage, log=run.log, over=True, error=lost)


def _contents(run: Run) -> Contents:
    """What the backup is made from, as its row and those of its databases say."""
    with reading() as session:
        backup = backups.find(session, run.backup_id) if run.backup_id else None
        if backup is None or backup.server_copy is None:
            raise RunLost("The backup is gone.")
        return Contents(
            paths=tuple(backup.paths),
            excludes=tuple(backup.excludes),
            compression=backup.compression,
            archive=backup.archive,
            backup_root=backup.server_copy.root or "",
            plan=backup.plan(),
            expected_ratio=requests.expected_ratio(session, backup),
            privilege=session.get_one(Server, backup.server_id).privilege,
            dumps=dumps.of(session, backup),
        )
