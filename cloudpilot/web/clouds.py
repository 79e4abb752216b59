"""Clouds: the list, a new one, and the page that says what one makes snapshots of."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.clouds import policies
from cloudpilot.db import reading, transaction
from cloudpilot.domain import audit, cloud_checks, clouds, instances, keeping, machines
from cloudpilot.domain.audit import Action
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.copies import Copy
from cloudpilot.domain.keeping import Kept
from cloudpilot.domain.people import Right
from cloudpilot.domain.runs import Run
from cloudpilot.errors import BackupInProgress
from cloudpilot.jobs import queue
from cloudpilot.kinds import CloudKind
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.checked import found_at
from cloudpilot.web.forms import Form, page, sent
from cloudpilot.web.forms.clouds import FORMS, CloudForm
from cloudpilot.web.forms.sealed import provider_of, sealer
from cloudpilot.web.htmx import live
from cloudpilot.web.runs import watched

bp = Blueprint("clouds", __name__, url_prefix="/clouds")

MACHINES_SHOWN = 10


@bp.get("")
@needs(Right.VIEW)
def index() -> str:
    """All clouds: which servers are there, what is kept, what their last checks found."""
    with reading() as session:
        context = {
            "clouds": clouds.listed(session),
            "kept": keeping.kept(session, Copy.cloud_id),
            "linked": instances.counted(session),
            "troubles": {one.of.id: one for one in cloud_checks.troubles(session)},
        }
    return render_template("clouds/index.html", nothing=Kept(), **context)


@bp.route("/new", methods=["GET", "POST"])
@needs(Right.VAULTS)
def new() -> BaseResponse:
    """Add a cloud: first the question whose it is, then its fields."""
    kind = provider_of(CloudKind)
    if kind is None:
        return Response(render_template("clouds/choose.html", kinds=list(FORMS)))
    form = FORMS[kind]()
    return sent(form, lambda: _add(form)) or page("clouds/new.html", form, kind=kind)


@bp.get("/<uuid:cloud_id>")
@needs(Right.VIEW)
def show(cloud_id: UUID) -> str:
    """One cloud: its check, its machines, its snapshots, the least rights, its last runs."""
    with reading() as session:
        cloud = clouds.find(session, cloud_id)
        found = machines.of(session, cloud)
        context = _checked(session, cloud) | {
            "machines": found[:MACHINES_SHOWN],
            "total": len(found),
            "kept": keeping.kept(session, Copy.cloud_id).get(cloud_id, Kept()),
            "copies": keeping.copies(session, Copy.cloud_id, cloud_id),
            "runs": keeping.runs(session, Run.cloud_id, cloud_id),
        }
    policy = policies.of(cloud.kind, cloud.region, cloud.project, cloud.key_id)
    return render_template("clouds/show.html", policy=policy, **watched(context, "checking"))


@bp.get("/<uuid:cloud_id>/checkup")
@needs(Right.VIEW)
def checkup(cloud_id: UUID) -> Response:
    """What the check is doing or has found, alone."""
    with reading() as session:
        context = _checked(session, clouds.find(session, cloud_id))
    return live("checked/_checkup.html", **watched(context, "checking"))


@bp.post("/<uuid:cloud_id>/check")
@needs(Right.VAULTS)
def check(cloud_id: UUID) -> BaseResponse:
    """Ask it what its credentials may do and which machines are there."""
    with transaction() as session:
        cloud = clouds.find(session, cloud_id)
        queue.ring(session, cloud_checks.ask(session, cloud, me()))
        note(session, Action.CLOUD_CHECKED, cloud)
    return redirect(url_for(".show", cloud_id=cloud_id), 303)


@bp.route("/<uuid:cloud_id>/edit", methods=["GET", "POST"])
@needs(Right.VAULTS)
def edit(cloud_id: UUID) -> BaseResponse:
    """Change a cloud; while it is used it stays the account that it is."""
    with reading() as session:
        cloud = clouds.find(session, cloud_id)
        holds = instances.is_used(session, cloud)
    form = FORMS[cloud.kind].of(cloud)
    if holds:
        form.pin()
    return sent(form, lambda: _change(form, cloud_id)) or page(
        "clouds/edit.html", form, cloud=cloud, kind=cloud.kind, holds=holds
    )


@bp.route("/<uuid:cloud_id>/remove", methods=["GET", "POST"])
@needs(Right.VAULTS)
def remove(cloud_id: UUID) -> BaseResponse:
    """Ask once more, then forget a cloud and its secret; one that is in use says by what."""
    with reading() as session:
        cloud = clouds.find(session, cloud_id)
        use = instances.use(session, cloud)
        copies = keeping.copies(session, Copy.cloud_id, cloud_id)
    form = Form()

    def act() -> str:
        with transaction() as session:
            row = clouds.find(session, cloud_id)
            instances.remove_cloud(session, row)
            note(session, Action.CLOUD_REMOVED, row)
        return url_for(".index")

    return sent(form, act) or page(
        "clouds/remove.html", form, cloud=cloud, use=use, copies=copies, run=use.run
    )


def _add(form: CloudForm) -> str:
    with transaction() as session:
        cloud = clouds.add(session, sealer(), form.new_secret(), form.chosen())
        note(session, Action.CLOUD_ADDED, cloud, kind=cloud.kind)
        _check_too(session, cloud)
    return url_for(".show", cloud_id=cloud.id)


def _change(form: CloudForm, cloud_id: UUID) -> str:
    with transaction() as session:
        cloud = clouds.locked(session, cloud_id)
        secret, values = form.typed_secret(), form.chosen()
        also: dict[str, Any] = {"changes": audit.changes(cloud, values)}
        is_used = instances.is_used(session, cloud)
        is_other = clouds.change(session, cloud, sealer(), secret, values, is_used=is_used)
        note(
            session, Action.CLOUD_CHANGED, cloud, **also | ({"new_secret": "yes"} if secret else {})
        )
        if is_other:
            _check_too(session, cloud)
    return url_for(".show", cloud_id=cloud_id)


def _check_too(session: Session, cloud: Cloud) -> None:
    """Say at once whether it works; a check that is under way sees that it is another one now."""
    with suppress(BackupInProgress):
        queue.ring(session, cloud_checks.ask(session, cloud, me()))


def _checked(session: Session, cloud: Cloud) -> dict[str, Any]:
    run = cloud_checks.latest(session, cloud.id)
    return {"cloud": cloud, "run": run, **found_at(cloud, "cloud")}
