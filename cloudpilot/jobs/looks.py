"""Looking at what runs: many servers side by side, over connections that stay open.

Runs in one process without forking (a SimpleWorker): connections and threads live from round to
round. They are all that it remembers; killed, the next one opens its own.
"""

import logging
import math
import os
import signal
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain import leases, pace
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.errors import CloudPilotError, SshUnreachable
from cloudpilot.jobs import lifecycle, queue, work
from cloudpilot.jobs.connections import Connections
from cloudpilot.jobs.on_server import login_of
from cloudpilot.log import about

log = logging.getLogger(__name__)

RUNS_A_ROUND = 150  # more that are due at once are spread over some seconds, and stay so
# Of servers, side by side. One that takes its time costs a thread and no processor: however many
# stop to answer at once, there is to be one left for those that do.
THREADS = 256
SILENT_THREADS = 64  # at most, of these: for servers that did not answer the last time
# Between two that are begun: all of a round at once would keep pages waiting for a core, and for
# PostgreSQL.
APART_SECONDS = 0.01
ROUND_SECONDS = 1  # what takes longer goes on beside the next rounds
DEAD_SECONDS = 2  # within which a connection that has died while nobody used it is noticed
PATIENCE = timedelta(seconds=1)  # until one takes over what another process has a connection for
STUCK_SECONDS = 900  # no look takes so long: it waits for what never comes, a dead database's word


@dataclass(frozen=True, slots=True)
class _Asked:
    silent: bool  # whether its server did not answer the last time
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class _Questions:
    """What is asked of one server in a round, and all that was read for it beforehand.

    roots  by run: the directory in which it works
    at     when its turn came, by time.monotonic
    """

    server: Server
    runs: Sequence[Run]
    roots: Mapping[UUID, str]
    watched: Collection[UUID]
    at: float = field(default_factory=time.monotonic)


_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="look")
_in_hand: dict[Future[None], _Asked] = {}  # what has not ended
_connections = Connections()


def look_round() -> None:
    """Look at every run whose time has come; no other process has it meanwhile."""
    over = time.monotonic() + ROUND_SECONDS
    _connections.close_idle()
    for future in [future for future in _in_hand if future.done()]:
        del _in_hand[future]
    _end_if_stuck()
    asked = [*_ask(silent=False), *_ask(silent=True)]
    wait_for(asked, timeout=max(0, over - time.monotonic()))


def _ask(*, silent: bool) -> list[Future[None]]:
    """Have as many servers asked as there are threads free: what is taken does not wait."""
    with transaction() as session:
        taken = _taken(session, _room(silent=silent), silent=silent)
        servers = {row.id: row for row in _servers(session, taken)}
        roots = work.roots(session, taken)
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    by_server: dict[UUID, list[Run]] = defaultdict(list)
    for run in taken:
        by_server[run.at].append(run)
    watched = queue.watched(run.id for run in taken)
    asked: list[Future[None]] = []
    # Who says nothing anyway keeps nobody waiting for a core.
    apart = 0 if silent else min(APART_SECONDS, ROUND_SECONDS / 2 / max(1, len(by_server)))
    for rows in sorted(by_server.values(), key=lambda rows: not _are_any(rows, watched)):
        questions = _Questions(servers[rows[0].at], rows, roots, watched)
        future = _pool.submit(_look_at, app, questions)
        future.add_done_callback(_tell)
        _in_hand[future] = _Asked(silent)
        asked.append(future)
        time.sleep(apart)
    return asked


def _are_any(rows: Sequence[Run], watched: Collection[UUID]) -> bool:
    return any(run.id in watched for run in rows)


def _end_if_stuck() -> None:
    """A thread cannot be interrupted: the process ends, and with it its connections; another one
    begins."""
    oldest = min((asked.at for asked in _in_hand.values()), default=math.inf)
    if time.monotonic() - oldest > STUCK_SECONDS:
        log.error("a look has hung for %d seconds: this process ends", STUCK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)


def _servers(session: Session, taken: Sequence[Run]) -> Sequence[Server]:
    return session.scalars(select(Server).where(Server.id.in_({run.at for run in taken}))).all()


def _room(*, silent: bool) -> int:
    free = THREADS - len(_in_hand)
    if silent:
        free = min(free, SILENT_THREADS - sum(asked.silent for asked in _in_hand.values()))
    return max(0, min(RUNS_A_ROUND, free))


def _taken(session: Session, limit: int, *, silent: bool) -> list[Run]:
    """Due runs, leased; of several processes the one that is connected to a server goes first."""
    due = leases.at_work(session, limit, kinds=list(work.KINDS), silent=silent)
    if due and queue.lookers() > 1:
        due = [run for run in due if _is_long_due(run) or _connections.has(run.at)]
    length = timedelta(seconds=lifecycle.settings().lease_seconds)
    leases.lease_all(session, due, length=length)
    return due


def _is_long_due(run: Run) -> bool:
    """Whether who is connected has had its time; or our clock was set back: nobody can say."""
    now = clock.now()
    return run.next_look_at <= now - PATIENCE or run.next_look_at > now + pace.FARTHEST


def end(seconds: float) -> None:
    """No looks any more; those that are under way may go on for so long."""
    _pool.shutdown(wait=False, cancel_futures=True)
    wait_for(list(_in_hand), timeout=seconds)


def _tell(future: Future[None]) -> None:
    """What ended a server's looks is said; when their leases are over they are asked again."""
    if future.cancelled():
        return
    if error := future.exception():
        log.error("looks of a server", exc_info=error)


def _look_at(app: Flask, questions: _Questions) -> None:
    """All runs of one server, one after the other, over one connection. Who does not answer is not
    asked for each of them."""
    unreached: SshUnreachable | None = None
    with app.app_context():
        for run in questions.runs:
            with about(run.id, run.kind):
                if unreached:
                    _not_seen(run, unreached)
                else:
                    unreached = _tried(questions, run)


def _tried(questions: _Questions, run: Run) -> SshUnreachable | None:
    """Look; returns why the server could not be reached, if that is so."""
    try:
        _look(questions, run)
    except CloudPilotError as error:
        _not_seen(run, error)
        return error if isinstance(error, SshUnreachable) else None
    except Exception as error:
        log.exception("look at run %s", run.id)
        lifecycle.wait(run, lifecycle.unexpected(error))
    return None


def _not_seen(run: Run, error: CloudPilotError) -> None:
    """A look never fails a run: its work goes on, whatever keeps us from seeing it."""
    lifecycle.wait(run, error)
    lifecycle.give_up_if_silent(run)


def _look(questions: _Questions, run: Run) -> None:
    who, where = login_of(questions.server), work.place(run, questions.roots)
    ssh, watched = _connections.get(who), run.id in questions.watched
    began = time.monotonic()
    try:
        work.look(ssh, run, where, watched=watched, since=questions.at)
    except SshUnreachable:
        # The connection may have died while nobody used it: one fresh one before we say so.
        _connections.forget(who.server_id)
        if time.monotonic() - began > DEAD_SECONDS:
            raise  # it lives, and does not answer
        work.look(_connections.get(who), run, where, watched=watched, since=questions.at)
