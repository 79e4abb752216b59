"""Runs: what goes on now, what has ended, and one run with its log."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import lists, runs, under_way
from cloudpilot.domain.audit import Action
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.cursor import Cursor
from cloudpilot.domain.people import Person, Right
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import InvalidState, NotAllowed
from cloudpilot.jobs import queue
from cloudpilot.kinds import RunKind
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.htmx import fragment_or_redirect, live

bp = Blueprint("runs", __name__)

WATCHED = 20  # of those in a list: what fits a screen; the others move as often as by themselves


@bp.get("/activity")
@needs(Right.VIEW)
def index() -> str:
    """What goes on now, and one page of what has ended."""
    after = request.args.get("after")
    with reading() as session:
        found, active = under_way.newest(session, under_way.SHOWN)
        ended = lists.ended_runs(session, {}, Cursor.parse(after) if after else None)
    return render_template(
        "runs/index.html",
        runs=found,
        active=active,
        state=fingerprint(found, active),
        briefly=False,
        ended=ended,
        after=after,
    )


@bp.get("/activity/live")
@needs(Right.VIEW)
def active() -> Response:
    """What goes on now, alone; of the overview the newest of it."""
    briefly = "briefly" in request.args
    with reading() as session:
        limit = under_way.SHOWN_BRIEFLY if briefly else under_way.SHOWN
        found, count = under_way.newest(session, limit)
    queue.watch(*(run.id for run in found[:WATCHED]))
    context = {"runs": found, "active": count, "briefly": briefly}
    return live("runs/_active.html", state=fingerprint(found, count), **context)


@bp.get("/runs/<uuid:run_id>")
@needs(Right.VIEW)
def show(run_id: UUID) -> str:
    """One run: stage, progress, log, and how it ended."""
    with reading() as session:
        run = runs.find(session, run_id)
        by = session.get(Person, run.requested_by) if run.requested_by else None
        server = session.get_one(Server, run.server_id) if run.server_id else None
        vault = session.get_one(Vault, run.vault_id) if run.vault_id else None
        cloud = session.get_one(Cloud, run.cloud_id) if run.cloud_id else None
    context = {"run": run, "by": by, "server": server, "vault": vault, "cloud": cloud}
    return render_template("runs/show.html", **watched(context, "active", "ended"))


@bp.get("/runs/<uuid:run_id>/status")
@needs(Right.VIEW)
def status(run_id: UUID) -> Response:
    """What the run is doing, alone."""
    with reading() as session:
        run = runs.find(session, run_id)
    return live("runs/_status.html", **watched({"run": run}, "active", "ended"))


@bp.post("/runs/<uuid:run_id>/stop")
@needs(Right.RUN)
def stop(run_id: UUID) -> BaseResponse:
    """Ask the run to end."""
    run = ask_to_stop(run_id)
    back = url_for(".show", run_id=run.id)
    return fragment_or_redirect("runs/_controls.html", back, run=run)


def ask_to_stop(run_id: UUID) -> Run:
    """Write the wish down and pass it on; who may not delete does not stop a deletion."""
    with transaction() as session:
        run = runs.find(session, run_id)
        if run.kind is RunKind.DELETE and not me().may(Right.DELETE):
            raise NotAllowed(f"As {me().role} you may not stop a deletion.")
        if run.restore_id and not me().may(Right.RESTORE):
            raise NotAllowed(f"As {me().role} you may not stop a restore.")
        if run.kind.must_end:
            raise InvalidState("It ends by itself; half done it helps nobody.")
        runs.request_stop(session, run)
        queue.ring_stop(session, run)
        note(session, Action.RUN_STOPPED, run, name=run.subject, kind=run.kind)
    return run


def fingerprint(shown: Iterable[Run], active: int) -> str:
    """Which runs these are of how many: it changes when one begins or ends. Of very many one or the
    other ends at any time: of those that are not shown, a hundred are reason to load a page."""
    ids = ",".join(sorted(str(run.id) for run in shown))
    which = f"{ids} of {active if active < under_way.SHOWN else round(active, -2)}"
    return hashlib.sha256(which.encode()).hexdigest()[:12] if ids else "none"


def watched(context: Mapping[str, Any], working: str, idle: str = "idle") -> dict[str, Any]:
    """What a live fragment needs, its `run` (or none) among it, with `working` and `state`; from
    now on the run is looked at often. It asks Redis: no session is to be open.

    working, idle  the state's name while the run goes on, and otherwise; see `htmx.live`
    """
    run: Run | None = context["run"]
    goes_on = run is not None and not run.status.is_final
    if run and goes_on:
        queue.watch(run.id)
    return {**context, "working": goes_on, "state": working if goes_on else idle}
