"""Snapshots: their cloud is told to begin, and asked how it goes until it has ended.

A job does one of both in seconds; the clock has the next one asked. What a job was killed over is
found again by its tag, the backup's id.
"""

from dataclasses import asdict
from datetime import timedelta

from cloudpilot import clock
from cloudpilot.clouds import naming
from cloudpilot.clouds.base import Cloud, Snapshot, State
from cloudpilot.db import reading, transaction
from cloudpilot.domain import pace, snapshots
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.snapshots import Found
from cloudpilot.errors import InvalidConfig, InvalidState, RunStopped, SnapshotFailed
from cloudpilot.jobs import lifecycle, opening
from cloudpilot.kinds import RunKind
from cloudpilot.reports import Report

STAGE = RunKind.SNAPSHOT.value
LOOK_SECONDS = 20  # a provider counts what it is asked
LOOK_SECONDS_AT_MOST = 60


def perform(run: Run) -> None:
    """Begin it if it has not been begun, and write down how it stands."""
    if run.cloud_id is None:
        raise InvalidState("This is not done at a cloud.")
    with reading() as session:
        backup, copy = snapshots.of_run(session, run)
        server = session.get_one(Server, backup.server_id)
    cloud, ref = opening.cloud(run.cloud_id), copy.name
    if not ref:
        ref = _begun(cloud, run, backup, server)
    if not ref:
        return
    lifecycle.begin(run)
    if lifecycle.current(run.id).stop_requested_at:  # while it was being begun
        lifecycle.fail(run.id, RunStopped("Stopped while it was at work."))
    else:
        _settle(run, cloud, cloud.look(ref))


def _begun(cloud: Cloud, run: Run, backup: Backup, server: Server) -> str:
    """Its ref; nothing if it is not wanted any more."""
    if server.instance_id is None or server.cloud_id != run.cloud_id:
        raise InvalidConfig(f"{server.name} is no machine of this cloud any more.")
    tag = str(backup.id)
    with transaction() as session:
        wanted = snapshots.is_ordered(session, run, naming.ordered(tag, server.instance_id))
    if not wanted:
        return ""
    title = f"{server.name}, {backup.created_at:%Y-%m-%d %H:%M} UTC"
    ref = cloud.start(server.instance_id, tag, title)
    with transaction() as session:
        snapshots.is_begun(session, run, ref)
    return ref


def _settle(run: Run, cloud: Cloud, found: Snapshot) -> None:
    if found.state is State.FAILED:
        error = SnapshotFailed(found.why or "The cloud says that it has failed.")
        lifecycle.settle(run, Report(stage=STAGE, over=True, error=error), timedelta(0))
    elif found.state is State.DONE:
        parts, steps = ([asdict(one) for one in row] for row in (found.parts, cloud.by_hand(found)))
        with transaction() as session:
            whole = Found(found.size, parts, cloud.price(found), steps)
            snapshots.describe(session, run, whole)
        report = Report(stage=STAGE, done=100, total=100, log=_said(found), over=True)
        lifecycle.complete(run, report)
    else:
        total = None if found.percent is None else 100
        report = Report(stage=STAGE, done=found.percent or 0, total=total, log=_said(found))
        lifecycle.settle(run, report, _pause(run))


def _said(found: Snapshot) -> str:
    return "\n".join(f"{part.disk}: {part.id}" for part in found.parts)


def _pause(run: Run) -> timedelta:
    """How long to leave it alone: longer, the older it is."""
    age = clock.now() - (run.started_at or run.created_at)
    fastest, slowest = (
        timedelta(seconds=seconds) for seconds in (LOOK_SECONDS, LOOK_SECONDS_AT_MOST)
    )
    return pace.pause_before_next_look(age, watched=False, fastest=fastest, slowest=slowest)
