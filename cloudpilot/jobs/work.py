"""Work that a server does: we start it, look at it and stop it, whatever kind it is."""

import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session as OrmSession

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import pace, runs
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.engine import detached
from cloudpilot.engine.detached import Place
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import InvalidState, RunLost, SshUnreachable
from cloudpilot.jobs import lifecycle, make, queue, restore, upload
from cloudpilot.jobs.on_server import connected
from cloudpilot.jobs.payload import Payload
from cloudpilot.kinds import RunKind
from cloudpilot.reports import Report

# What is tiny is done before the clock has come round: the job that has started it waits so long.
FIRST_LOOKS = (0.15, 0.25, 0.4, 0.6)  # seconds between them
# What is about to end is waited for, too: what comes after it begins at once.
LAST_LOOKS = (0.2,) * 6
# The clock comes round once a second: who is due a moment after it has come waits for the next.
EARLY = timedelta(seconds=0.3)
# Of a pause: up to so much earlier. Who was due at the same moment, since the panel was away or the
# backups began together, would else be for as long as they run.
SPREAD = 0.2


class Kind(Protocol):
    """What one kind of work is: a module of this package."""

    def roots(self, session: OrmSession, work: Sequence[Run]) -> Mapping[UUID, str]:
        """By run: in which directory of its server it works; without those whose place is gone."""

    def place(self, run: Run, root: str) -> Place:
        """Where in that directory."""

    def payload(self, run: Run) -> Payload:
        """What is sent there to begin it."""

    def undo(self, ssh: Session, where: Place) -> None:
        """It was ended while it was being sent: nothing may be left of it."""

    def heard(self, ssh: Session, run: Run, where: Place, report: Report) -> Report:
        """What a look has brought: hand over what the work wants, fetch what it has made."""


KINDS: Mapping[RunKind, Kind] = {
    RunKind.MAKE: make,
    RunKind.UPLOAD: upload,
    RunKind.RESTORE: restore,
    RunKind.UNDO: restore.UNDO,
    RunKind.FORGET: restore.FORGET,
}


def start(run: Run) -> None:
    """Send the work and see it begin."""
    kind = KINDS[run.kind]
    where, payload = place(run), kind.payload(run)
    with connected(run.at) as ssh:
        with transaction() as session:
            wanted = runs.mark_sent(session, run)
        if not wanted:
            queue_stop(run)
            return
        detached.launch(ssh, where, payload.files, payload.secrets)
        report = detached.look(ssh, where)
        if report.never_started:
            raise SshUnreachable("The server took the work but has not begun it.")
        try:
            lifecycle.begin(run)
        except InvalidState:
            if lifecycle.current(run.id).status is Status.FAILED:
                kind.undo(ssh, where)
            raise
        report = _looked_again(ssh, where, report, FIRST_LOOKS)
        _settle(ssh, run, where, report, pause(run, watched=True))


def roots(session: OrmSession, work: Sequence[Run]) -> dict[UUID, str]:
    """By run: in which directory of its server it works; without those whose place is gone."""
    by_kind: dict[RunKind, list[Run]] = defaultdict(list)
    for run in work:
        by_kind[run.kind].append(run)
    found = (KINDS[kind].roots(session, some) for kind, some in by_kind.items())
    return {run_id: root for by_run in found for run_id, root in by_run.items()}


def place(run: Run, known: Mapping[UUID, str] | None = None) -> Place:
    """Where on its server the run works; raises RunLost.

    known  what `roots` has found, if that was asked for it just now
    """
    if known is None:
        with reading() as session:
            known = roots(session, [run])
    if run.id not in known:
        raise RunLost("It has no place on a server any more.")
    return KINDS[run.kind].place(run, known[run.id])


def look(ssh: Session, run: Run, where: Place, *, watched: bool, since: float) -> None:
    """Ask how it is going and write the answer down.

    since  when it was this run's turn, by time.monotonic: the next turn is counted from there
    """
    if run.stop_requested_at:
        detached.stop(ssh, where)
    report = detached.look(ssh, where)
    if _is_about_to_end(run, report):
        report = _looked_again(ssh, where, report, LAST_LOOKS)
    spent = timedelta(seconds=time.monotonic() - since)
    _settle(ssh, run, where, report, pause(run, watched=watched, spent=spent))


def stop(run: Run) -> None:
    """End the work at the server, and see that it has ended."""
    with connected(run.at) as ssh:
        look(ssh, run, place(run), watched=True, since=time.monotonic())


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


def pause(run: Run, *, watched: bool, spent: timedelta = timedelta(0)) -> timedelta:
    """How long to leave it alone, without what was `spent` on asking; at least half of it, so that
    a server which answers slowly is not asked all the time."""
    limits = lifecycle.settings()
    paused = pace.pause_before_next_look(
        clock.now() - (run.started_at or run.created_at),
        watched=watched,
        fastest=timedelta(seconds=limits.look_seconds),
        slowest=timedelta(seconds=limits.look_seconds_at_most),
    )
    apart = random.uniform(0, SPREAD)  # noqa: S311  (nobody gains by guessing it)
    return max(paused / 2, paused * (1 - apart) - EARLY - spent)


def _is_about_to_end(run: Run, report: Report) -> bool:
    """By the rate of the looks before."""
    same = report.stage == run.stage and not report.over
    return same and pace.ends_within(report.done, report.total, run.rate, sum(LAST_LOOKS))


def _looked_again(ssh: Session, where: Place, report: Report, pauses: Sequence[float]) -> Report:
    """The report as soon as it is over, else the last one; what it wants is not kept waiting."""
    for seconds in pauses:
        if report.over or report.wants:
            break
        time.sleep(seconds)
        report = detached.look(ssh, where)
    return report


def _settle(ssh: Session, run: Run, where: Place, report: Report, until_next: timedelta) -> None:
    heard = KINDS[run.kind].heard(ssh, run, where, _judged(run, report))
    lifecycle.settle(run, heard, until_next)


def _judged(run: Run, report: Report) -> Report:
    """Work that was seen to begin and of which there is nothing now is lost."""
    if not report.never_started:
        return report
    lost = RunLost("Its directory on the server is gone: was it emptied, by a reboot or a person?")
    return replace(report, stage=run.stage, log=run.log, over=True, error=lost)
