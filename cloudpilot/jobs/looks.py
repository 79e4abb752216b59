"""Looking at what runs: many servers side by side, over connections that stay open.

Runs in one process without forking (a SimpleWorker): connections and threads live from round to
round. They are all that it remembers; killed, the next one opens its own.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from datetime import timedelta
from uuid import UUID

from flask import Flask, current_app

from cloudpilot.db import transaction
from cloudpilot.domain import runs
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.errors import CloudPilotError, SshUnreachable
from cloudpilot.jobs import lifecycle, queue, work
from cloudpilot.jobs.connections import Connections
from cloudpilot.jobs.on_server import login
from cloudpilot.log import about

log = logging.getLogger(__name__)

RUNS_A_ROUND = 200
THREADS = 32
ROUND_SECONDS = 1  # what takes longer goes on beside the next rounds

_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="look")
_under_way: set[Future[None]] = set()
_connections = Connections()


def look_round() -> None:
    """Look at every run whose time has come; each is taken by one conditional UPDATE."""
    _connections.close_idle()
    with transaction() as session:
        length = timedelta(seconds=lifecycle.settings().lease_seconds)
        due = runs.due(session, RUNS_A_ROUND, Status.RUNNING, kinds=list(work.KINDS))
        taken = [runs.lease(session, run_id, Status.RUNNING, length=length) for run_id in due]
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    by_server: dict[UUID, list[Run]] = defaultdict(list)
    for run in taken:
        if run:
            by_server[run.at].append(run)
    watched = queue.watched(run.id for run in taken if run)
    asked: list[Future[None]] = [
        _pool.submit(_look_at, app, server_id, rows, watched)
        for server_id, rows in by_server.items()
    ]
    _under_way.update(asked)
    for future in asked:
        future.add_done_callback(_tell)
    wait_for(asked, timeout=ROUND_SECONDS)


def end(seconds: float) -> None:
    """No looks any more; those that are under way may go on for so long."""
    _pool.shutdown(wait=False, cancel_futures=True)
    wait_for(list(_under_way), timeout=seconds)


def _tell(future: Future[None]) -> None:
    """What ended a server's looks is said; when their leases are over they are asked again."""
    _under_way.discard(future)
    if future.cancelled():
        return
    if error := future.exception():
        log.error("looks of a server", exc_info=error)


def _look_at(app: Flask, server_id: UUID, rows: Sequence[Run], watched: set[UUID]) -> None:
    """All runs of one server, one after the other, over one connection."""
    with app.app_context():
        for run in rows:
            with about(run.id, run.kind):
                _tried(server_id, run, watched=run.id in watched)


def _tried(server_id: UUID, run: Run, *, watched: bool) -> None:
    try:
        _look(server_id, run, watched=watched)
    except CloudPilotError as error:
        # A look never fails a run: its work goes on, whatever keeps us from seeing it.
        lifecycle.wait(run, error)
        lifecycle.give_up_if_silent(run)
    except Exception as error:
        log.exception("look at run %s", run.id)
        lifecycle.wait(run, lifecycle.unexpected(error))


def _look(server_id: UUID, run: Run, *, watched: bool) -> None:
    who = login(server_id)
    ssh = _connections.get(who)
    try:
        work.look(ssh, run, watched=watched)
    except SshUnreachable:
        # The connection may have died while nobody used it: one fresh one before we say so.
        _connections.forget(who.server_id)
        work.look(_connections.get(who), run, watched=watched)
