"""Restores: from which backup to where, what would happen, how it goes, and the way back."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import (
    backups,
    lists,
    restore_kept,
    restore_plans,
    restore_review,
    restore_sources,
    restore_steps,
    restores,
    servers,
)
from cloudpilot.domain.audit import Action
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.cursor import Cursor
from cloudpilot.domain.people import Person, Right
from cloudpilot.domain.restore_plans import Asked
from cloudpilot.domain.restores import Restore, RestoreStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.vaults import Vault
from cloudpilot.jobs import queue, restored
from cloudpilot.kinds import RunKind
from cloudpilot.secrets import Secret
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.forms import Form, page, sent
from cloudpilot.web.forms.restores import NameForm, RestoreForm
from cloudpilot.web.htmx import live
from cloudpilot.web.runs import watched

bp = Blueprint("restores", __name__)


@bp.get("/restores")
@needs(Right.VIEW)
def index() -> str:
    """Restores, the newest first, a page at a time."""
    after = request.args.get("after")
    with reading() as session:
        found = lists.restores(session, Cursor.parse(after) if after else None)
        names = {
            one.id: one.name
            for one in servers.of_ids(session, {row.server_id for row in found.rows})
        }
    return render_template("restores/index.html", page=found, names=names, after=after)


@bp.route("/backups/<uuid:backup_id>/restore", methods=["GET", "POST"])
@needs(Right.RESTORE)
def new(backup_id: UUID) -> BaseResponse:
    """Choose what goes where; nothing is done yet."""
    with reading() as session:
        backup = backups.find(session, backup_id)
        restore_plans.refuse_snapshot(backup)
        places = restore_sources.places(session, backup)
        vaults = [(one, session.get(Vault, one) if one else None) for one in places]
        there = [one for one in servers.listed(session) if one.is_ready]
        form = RestoreForm()
        unverified = restore_sources.is_unverified(session, backup)
        no_dumps = restore_plans.why_no_dumps(session, backup) if backup.databases else ""
        wanted, how = (
            request.args.getlist("path"),
            {"unverified": unverified, "dumps": not no_dumps},
        )
        form.offer(backup, vaults, there, wanted, **how)
    context = {"places": places, "unverified": unverified, "no_dumps": no_dumps}
    return sent(form, lambda: _plan(form, backup_id)) or page(
        "restores/new.html", form, backup=backup, **context
    )


@bp.get("/restores/<uuid:restore_id>")
@needs(Right.VIEW)
def show(restore_id: UUID) -> BaseResponse:
    """What would happen, what happens or what has happened."""
    return page("restores/show.html", NameForm(), **_context(restore_id))


@bp.get("/restores/<uuid:restore_id>/status")
@needs(Right.VIEW)
def status(restore_id: UUID) -> Response:
    """How it goes, alone."""
    return live("restores/_status.html", **_context(restore_id))


@bp.post("/restores/<uuid:restore_id>/look")
@needs(Right.RESTORE)
def look(restore_id: UUID) -> BaseResponse:
    """Look at the server once more."""
    form = Form()
    return _done(form, restore_id, Action.RESTORE_LOOKED, restore_plans.look)


@bp.post("/restores/<uuid:restore_id>/start")
@needs(Right.RESTORE)
def start(restore_id: UUID) -> BaseResponse:
    """Do it: the name of what is restored is typed, to be sure."""
    form = NameForm()

    def begin(session: Session, restore: Restore, by: Person) -> Run:
        [run] = restore_steps.start(session, restore, form.name.data or "", by)
        return run

    return _done(form, restore_id, Action.RESTORE_STARTED, begin)


@bp.route("/restores/<uuid:restore_id>/undo", methods=["GET", "POST"])
@needs(Right.RESTORE)
def undo(restore_id: UUID) -> BaseResponse:
    """Ask once more, then have what was there before put back."""
    return _asked_once_more("undo", restore_id, Action.RESTORE_UNDONE, restore_steps.undo)


@bp.route("/restores/<uuid:restore_id>/forget", methods=["GET", "POST"])
@needs(Right.RESTORE)
def forget(restore_id: UUID) -> BaseResponse:
    """Ask once more, then have what was there before removed for good."""
    return _asked_once_more("forget", restore_id, Action.RESTORE_FORGOTTEN, restore_kept.forget)


Act = Callable[[Session, Restore, Person], Run]


def _plan(form: RestoreForm, backup_id: UUID) -> str:
    with transaction() as session:
        backup = backups.find(session, backup_id)
        server = servers.find(session, UUID(form.server_id.data))
        asked = Asked(backup=backup, server=server, **form.asked())
        restore = restore_plans.plan(session, asked, me())
        if form.dumps and form.user.value:
            typed = Secret(form.password.data or "")
            place = restore.logins_place
            restore.logins = restored.sealed_login(place, form.user.value, typed)
        queue.ring(session, restore_plans.look(session, restore, me()))
        note(
            session,
            Action.RESTORE_PLANNED,
            restore,
            name=restore.subject,
            paths=restore.paths,
            databases=[one["name"] for one in restore.databases],
        )
    return url_for(".show", restore_id=restore.id)


def _done(form: Form, restore_id: UUID, action: Action, act: Act) -> BaseResponse:
    """Do it and write it down; what stands in its way is told on the restore's page."""

    def do() -> str:
        with transaction() as session:
            restore = restores.find(session, restore_id)
            run = act(session, restore, me())
            queue.ring(session, run)
            note(session, action, restore, name=restore.subject)
        return url_for(".show", restore_id=restore_id)

    return sent(form, do) or page("restores/show.html", _named(form), **_context(restore_id))


def _named(form: Form) -> Form:
    """The form of the page, with what the other one has to say."""
    if isinstance(form, NameForm):
        return form
    named = NameForm()
    named.problem = form.problem
    return named


def _asked_once_more(name: str, restore_id: UUID, action: Action, act: Act) -> BaseResponse:
    form = Form()
    if form.is_submitted():
        return _done(form, restore_id, action, act)
    return page(f"restores/{name}.html", form, **_context(restore_id))


def _context(restore_id: UUID) -> dict[str, Any]:
    with reading() as session:
        restore = restores.find(session, restore_id)
        backup = backups.find(session, restore.backup_id)
        run = restores.latest_run(session, restore)
        safe = session.get(Backup, restore.safe_backup_id) if restore.safe_backup_id else None
        if safe and restores.waits_for(restore, run):
            run = backups.latest_run(session, safe, RunKind.MAKE)
        need = restore_plans.need(session, restore)
        found: dict[str, Any] = {
            "restore": restore,
            "backup": backup,
            "server": session.get_one(Server, restore.server_id),
            "vault": session.get(Vault, restore.vault_id) if restore.vault_id else None,
            "by": session.get(Person, restore.requested_by) if restore.requested_by else None,
            "safe": safe,
            "run": run,
            "name": restore_plans.confirmed_by(session, restore),
            "need": need,
            "unverified": restore_sources.is_unverified(session, backup),
        }
        saved = restore_plans.saved(session, restore)
    return _with_state(found | _reviewed(restore, backup, need, saved))


def _reviewed(
    restore: Restore, backup: Backup, need: restore_review.Need, saved: set[int] | None
) -> dict[str, Any]:
    if not restore.survey:
        return {"steps": [], "obstacles": []}
    into = restore.into
    patterns = bool(backup.excludes)
    return {
        "steps": restore_review.steps(
            restore.survey, into=into, exact=restore.exact, has_patterns=patterns
        ),
        "obstacles": restore_review.obstacles(restore.survey, need, into=into, saved=saved),
    }


def _with_state(context: dict[str, Any]) -> dict[str, Any]:
    """Whether anything is still to happen, and what the page around the fragment depends on."""
    restore: Restore = context["restore"]
    found = watched(context, "active")
    working = found["working"] or restore.is_active
    kept = "kept" if restore.is_kept else "not"
    looked = int(restore.surveyed_at.timestamp()) if restore.surveyed_at else "never"
    goes = "active" if working else "idle"
    state = f"{restore.status}-{goes}-{kept}-{looked}"
    return {**found, "working": working, "state": state, "planned": _is_planned(restore)}


def _is_planned(restore: Restore) -> bool:
    return restore.status is RestoreStatus.PLANNED
