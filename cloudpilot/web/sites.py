"""Sites: what of a server belongs together."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import (
    audit,
    databases,
    destinations,
    lists,
    overview,
    previews,
    protection,
    requests,
    scheduled,
    servers,
    sites,
    suggestions,
    trees,
    vaults,
)
from cloudpilot.domain.audit import Action
from cloudpilot.domain.destinations import Destination
from cloudpilot.domain.people import Right
from cloudpilot.domain.protection import Around
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.suggestions import Suggestion
from cloudpilot.errors import BackupInProgress
from cloudpilot.jobs import queue
from cloudpilot.kinds import BackupType, Method
from cloudpilot.web import pictures
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.databases import looked_at
from cloudpilot.web.forms import page, sent
from cloudpilot.web.forms.sites import SiteForm
from cloudpilot.web.htmx import live
from cloudpilot.web.runs import watched

bp = Blueprint("sites", __name__)

BACKUPS_SHOWN = 10


@bp.route("/servers/<uuid:server_id>/sites/new", methods=["GET", "POST"])
@needs(Right.SERVERS)
def new(server_id: UUID) -> BaseResponse:
    """Add a site to a server; `path` in the address fills the form with what was found there."""
    with reading() as session:
        server = servers.find(session, server_id)
        found = suggestions.of(
            servers.latest_checkup(session, server_id), sites.listed(session, server_id)
        )
        all_vaults = vaults.listed(session)
        trees_too = trees.are_possible(session, server)
    form = SiteForm(data=_filled(found, request.args.get("path", "")))
    form.offer(all_vaults, Destination())
    form.offer_methods(Method.ARCHIVE, trees=trees_too)
    return sent(form, lambda: _add(form, server_id)) or page(
        "sites/new.html", form, server=server, found=found
    )


@bp.get("/sites/<uuid:site_id>")
@needs(Right.VIEW)
def show(site_id: UUID) -> str:
    """One site, what its patterns leave out, and its latest backups."""
    with reading() as session:
        site = sites.find(session, site_id)
        its_databases = databases.of_site(session, site_id)
        its_schedules = scheduled.of_site(session, site_id)
        plans = [row.schedule.type for row in its_schedules if row.schedule.is_on_time]
        known = Around({site_id: its_databases}, protection.trapped(session), {site_id: plans})
        row = overview.site_rows(session, site_ids=[site_id], known=known, limit=1)[0]
        context = _previewed(session, site)
        context |= {
            "server": row.server,
            "databases": looked_at(session, its_databases),
            "schedules": its_schedules,
            "backups": lists.backups(session, {"site_id": site_id}, size=BACKUPS_SHOWN),
            "row": row,
        } | pictures.of_site(session, site_id)
    context["databases"] = [watched(one, "looking") for one in context["databases"]]
    return render_template("sites/show.html", **watched(context, "counting"))


@bp.get("/sites/<uuid:site_id>/preview")
@needs(Right.VIEW)
def preview(site_id: UUID) -> Response:
    """What the patterns leave out, alone."""
    with reading() as session:
        context = _previewed(session, sites.find(session, site_id))
    return live("sites/_preview.html", **watched(context, "counting"))


@bp.post("/sites/<uuid:site_id>/preview")
@needs(Right.RUN)
def ask_for_preview(site_id: UUID) -> BaseResponse:
    """Have the server count what the patterns leave out."""
    with transaction() as session:
        _ring_preview(session, sites.find(session, site_id))
    return redirect(url_for(".show", site_id=site_id), 303)


@bp.route("/sites/<uuid:site_id>/edit", methods=["GET", "POST"])
@needs(Right.SERVERS)
def edit(site_id: UUID) -> BaseResponse:
    """Change what a site is; its next backup follows."""
    with reading() as session:
        site = sites.find(session, site_id)
        server = servers.find(session, site.server_id)
        all_vaults, now = vaults.listed(session), destinations.of(session, site)
        trees_too = trees.are_possible(session, server)
    typed = {"paths": "\n".join(site.paths), "excludes": "\n".join(site.excludes)}
    form = SiteForm(data={"name": site.name, "compression": site.compression.value} | typed)
    form.offer(all_vaults, now)
    form.offer_methods(site.method, trees=trees_too)
    return sent(form, lambda: _change(form, site_id)) or page(
        "sites/edit.html", form, site=site, server=server
    )


def _filled(found: list[Suggestion], path: str) -> dict[str, str]:
    """What the form begins with; all of it is judged again when it is sent."""
    known = next((one for one in found if one.path == path), None)
    if known is None:
        return {"paths": path}
    return {"name": known.name, "paths": path, "excludes": "\n".join(known.excludes)}


def _add(form: SiteForm, server_id: UUID) -> str:
    with transaction() as session:
        server = servers.find(session, server_id)
        to = form.destination(vaults.listed(session))
        site = Site(server_id=server.id, **_columns(form, server, to))
        session.add(site)
        session.flush()
        note(session, Action.SITE_ADDED, site, server=server.name, paths=site.paths)
        _preview_too(session, site)
    return url_for(".show", site_id=site.id)


def _change(form: SiteForm, site_id: UUID) -> str:
    with transaction() as session:
        site = sites.find(session, site_id)
        to, now = form.destination(vaults.listed(session)), destinations.of(session, site)
        columns = _columns(form, servers.find(session, site.server_id), to)
        told = {name: value for name, value in columns.items() if name not in to.columns()}
        changed = audit.changes(site, told) | now.changes(to)
        note(session, Action.SITE_CHANGED, site, changes=changed)
        for name, value in columns.items():
            setattr(site, name, value)
        _preview_too(session, site)
    return url_for(".show", site_id=site_id)


def _columns(form: SiteForm, server: Server, to: Destination) -> dict[str, Any]:
    method = form.chosen_method()
    trees.refuse(method, BackupType.FILES, server.privilege, to)
    return form.chosen() | to.columns() | {"method": method}


def _preview_too(session: Session, site: Site) -> None:
    """The form's second button: save, and show what the patterns leave out."""
    if request.form.get("then") == "preview" and site.paths:
        session.flush()
        with suppress(BackupInProgress):  # one that is under way shows what it was for
            _ring_preview(session, site)


def _ring_preview(session: Session, site: Site) -> None:
    run = requests.preview(session, site, me())
    note(session, Action.SITE_PREVIEWED, site)
    queue.ring(session, run)


def _previewed(session: Session, site: Site) -> dict[str, Any]:
    return {
        "site": site,
        "preview": site.preview,
        "stale": previews.is_stale(site),
        "looks_like": previews.looks_like,
        "run": previews.latest(session, site),
    }
