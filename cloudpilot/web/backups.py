"""Backups: the list, a new one, and the page that follows it."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, make_response, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import (
    backups,
    chains,
    clouds,
    databases,
    destinations,
    lists,
    outcomes,
    overview,
    requests,
    restore_sources,
    restores,
    servers,
    sites,
    snapshots,
    trees,
    vaults,
)
from cloudpilot.domain.audit import Action
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.cursor import Cursor
from cloudpilot.domain.destinations import Destination
from cloudpilot.domain.people import Person, Right
from cloudpilot.domain.requests import Wish
from cloudpilot.domain.runs import Run
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.errors import InvalidConfig, NotFound
from cloudpilot.jobs import queue
from cloudpilot.kinds import BackupType, RunKind
from cloudpilot.web import uploads
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.forms import page, sent
from cloudpilot.web.forms.backups import BackUpPathsForm, BackUpSiteForm
from cloudpilot.web.htmx import fragment_or_redirect, live
from cloudpilot.web.ids import id_of
from cloudpilot.web.runs import ask_to_stop
from cloudpilot.web.servers import trap_of

bp = Blueprint("backups", __name__, url_prefix="/backups")

CHOICES_SHOWN = 500
# What the list can be narrowed by: the name in the URL, the column, how it is read.
FILTERS = (
    ("server", "server_id", UUID),
    ("site", "site_id", UUID),
    ("type", "type", BackupType),
    ("status", "status", Status),
    ("schedule", "schedule_id", UUID),
)


@bp.get("")
@needs(Right.VIEW)
def index() -> str:
    """Backups, the newest first, a page at a time."""
    wanted = _filters(request.args)
    after = request.args.get("after")
    with reading() as session:
        found = lists.backups(session, wanted, Cursor.parse(after) if after else None)
        all_servers, adopted = servers.listed(session), servers.adopted(session)
        site = session.get(Site, wanted["site_id"]) if wanted["site_id"] else None
    chosen = {name: request.args.get(name, "") for name, _, _ in FILTERS}
    return render_template(
        "backups/index.html",
        page=found,
        servers=all_servers,
        adopted=adopted,
        site=site,
        chosen=chosen,
        kept={name: value for name, value in chosen.items() if value},
        after=after,
        types=list(BackupType),
        statuses=list(Status),
    )


@bp.route("/new", methods=["GET", "POST"])
@needs(Right.RUN)
def new() -> BaseResponse:
    """Back up now: a site, paths of a server, or first the question which."""
    site_id, server_id = (id_of(request.args.get(name)) for name in ("site", "server"))
    with reading() as session:
        site = sites.find(session, site_id) if site_id else None
        server = _server_of(session, site, server_id)
        its_databases = databases.of_site(session, site.id) if site else []
        choices = _destinations(session, site) if server else _choices(session)
        trap = trap_of(server, servers.latest_checkup(session, server.id)) if server else None
        trees_too = trees.are_possible(session, server) if server else False
    if server is None:
        return make_response(render_template("backups/choose.html", **choices))
    form = BackUpSiteForm() if site else BackUpPathsForm()
    types = sites.types(site.paths, its_databases) if site else (BackupType.FILES,)
    if isinstance(form, BackUpSiteForm):
        form.offer_types(types)
    form.offer(choices["vaults"], choices["destination"])
    form.offer_methods(trees.usual(site, types), trees=trees_too)
    context = {"server": server, "site": site, "databases": its_databases, "types": types}
    return sent(form, lambda: _back_up(form, server.id, site_id, trap)) or page(
        "backups/new.html", form, trap=trap, **context
    )


@bp.get("/<uuid:backup_id>")
@needs(Right.VIEW)
def show(backup_id: UUID) -> str:
    """One backup: how it goes or went, what is in it, where it lies."""
    with reading() as session:
        context = _followed(session, backups.find(session, backup_id))
        backup: Backup = context["backup"]
        context["census"] = backup.census  # it is loaded when it is asked for
        by = session.get(Person, backup.requested_by) if backup.requested_by else None
        context["server"] = session.get_one(Server, backup.server_id)
        context["site"] = session.get(Site, backup.site_id) if backup.site_id else None
        planned = session.get(Schedule, backup.schedule_id) if backup.schedule_id else None
        context["schedule"] = planned if planned and not planned.removed_at else None
        context["chain"] = chains.members(session, backup)
        context["needed"] = {one.id for one in chains.needed(session, backup)}
        context["unverified"] = restore_sources.is_unverified(session, backup)
        context["names"] = vaults.names(session, backup)
        context["copies"] = uploads.in_vaults(session, backup)
        context["restored"] = restores.of_backup(session, backup)
        context["clouds"] = clouds.names(session) if backup.is_snapshot else {}
        context["created"] = snapshots.created(session, backup) if backup.is_snapshot else []
        context["free"] = uploads.vaults_for(session, backup)
    uploads.watch(*context["copies"])
    return render_template("backups/show.html", by=by, **_with_state(context))


@bp.get("/<uuid:backup_id>/status")
@needs(Right.VIEW)
def status(backup_id: UUID) -> Response:
    """How the backup goes, alone."""
    with reading() as session:
        context = _followed(session, backups.find(session, backup_id))
    return live("backups/_status.html", **_with_state(context))


@bp.post("/<uuid:backup_id>/stop")
@needs(Right.RUN)
def stop(backup_id: UUID) -> BaseResponse:
    """Ask the run that makes it to end."""
    with reading() as session:
        backup = backups.find(session, backup_id)
        run = backups.latest_run(session, backup, backup.made_by)
    if run is None:
        raise NotFound("Nothing is making this backup.")
    back = url_for(".show", backup_id=backup_id)
    return fragment_or_redirect("runs/_controls.html", back, run=ask_to_stop(run.id))


def _followed(session: Session, backup: Backup) -> dict[str, Any]:
    return {
        "backup": backup,
        "run": backups.latest_run(session, backup, backup.made_by),
        "deletion": _deletion(session, backup),
    }


def _deletion(session: Session, backup: Backup) -> Run | None:
    """Of the runs that delete it, one for each place, the one that has most to say."""
    active = outcomes.deletions(session, backup)
    waiting = next((run for run in active if run.error_code), None)
    latest = backups.latest_run(session, backup, RunKind.DELETE)
    return waiting or next(iter(active), latest)


def _with_state(context: dict[str, Any]) -> dict[str, Any]:
    """Whether anything is still to happen, and what the page around the fragment depends on."""
    runs = [run for run in (context["run"], context["deletion"]) if run]
    active = [run for run in runs if not run.status.is_final]
    queue.watch(*(run.id for run in active))
    state = "-".join(f"{run.kind}.{'active' if run in active else run.status}" for run in runs)
    return context | {"working": bool(active), "state": state or "none"}


def _filters(args: MultiDict[str, str]) -> dict[str, Any]:
    """The columns that a URL narrows the list by; what makes no sense is refused."""
    found: dict[str, Any] = {}
    for name, column, kind in FILTERS:
        try:
            found[column] = kind(args[name]) if args.get(name) else None
        except ValueError:
            raise InvalidConfig(f"There is no {name} “{args[name][:100]}”.") from None
    return found


def _server_of(session: Session, site: Site | None, server_id: UUID | None) -> Server | None:
    wanted = site.server_id if site else server_id
    return servers.find(session, wanted) if wanted else None


def _choices(session: Session) -> dict[str, Any]:
    return {
        "rows": overview.site_rows(session, limit=CHOICES_SHOWN),
        "servers": servers.listed(session),
    }


def _destinations(session: Session, site: Site | None) -> dict[str, Any]:
    """The vaults, and where backups of the site go unless somebody says otherwise."""
    now = destinations.of(session, site) if site else Destination()
    return {"vaults": vaults.listed(session), "destination": now}


def _of_site(session: Session, form: BackUpSiteForm, site: Site) -> dict[str, Any]:
    found = databases.of_site(session, site.id)
    return {
        "paths": site.paths,
        "excludes": site.excludes,
        "compression": site.compression,
        "databases": found,
        "type": form.chosen_type(sites.types(site.paths, found)),
    }


def _back_up(
    form: BackUpSiteForm | BackUpPathsForm, server_id: UUID, site_id: UUID | None, trap: str | None
) -> str:
    if trap and not form.accept_trap.data:
        raise InvalidConfig("The backup directory does not keep files: tick that you know.")
    with transaction() as session:
        site = sites.find(session, site_id) if site_id else None
        subject = _of_site(session, form, site) if site else form.chosen()
        to = form.destination(vaults.listed(session))
        wish = Wish(
            server=servers.find(session, server_id),
            site=site,
            destination=to,
            **form.asked() | subject,
        )
        run = requests.backup_now(session, wish, me())
        made = session.get_one(Backup, run.backup_id)
        note(session, Action.BACKUP_REQUESTED, made, name=made.subject)
        queue.ring(session, run)
    return url_for(".show", backup_id=run.backup_id)
