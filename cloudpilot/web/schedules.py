"""Schedules: the list, a new one, and the page that says what became of each of its slots."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import (
    databases,
    destinations,
    overview,
    recurrence,
    scheduled,
    schedules,
    servers,
    sites,
    slots,
    starting,
    trees,
    vaults,
)
from cloudpilot.domain.audit import Action
from cloudpilot.domain.destinations import Destination
from cloudpilot.domain.people import Right
from cloudpilot.domain.scheduled import Place
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.jobs import queue
from cloudpilot.kinds import BackupType
from cloudpilot.web import planning
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.forms import Form, page, sent
from cloudpilot.web.forms.schedules import ScheduleForm, SchedulePathsForm, read, typed
from cloudpilot.web.ids import id_of

bp = Blueprint("schedules", __name__, url_prefix="/schedules")

CHOICES_SHOWN = 500
UPCOMING_SHOWN = 5
SLOTS_SHOWN = 30
MACHINE = (BackupType.SNAPSHOT,)


@bp.get("")
@needs(Right.VIEW)
def index() -> str:
    """All schedules, those that need attention first, a page at a time."""
    after = request.args.get("after")
    with reading() as session:
        found = scheduled.page(session, Place.parse(after) if after else None)
    return render_template("schedules/index.html", page=found, after=after)


@bp.get("/reading")
@needs(Right.VIEW)
def reading_of() -> str:
    """What a cron expression that is being typed means, and when it comes next."""
    return render_template("schedules/_reading.html", **read(request.args))


@bp.route("/new", methods=["GET", "POST"])
@needs(Right.SERVERS)
def new() -> BaseResponse:
    """Plan backups of a site or of paths of a server; first the question of which."""
    with reading() as session:
        site_id, server_id = (id_of(request.args.get(name)) for name in ("site", "server"))
        site = sites.find(session, site_id) if site_id else None
        server = _server_of(session, site, server_id)
        if server is None:
            return _choose(session)
        is_machine = request.args.get("of") == "machine" and site is None
        types = MACHINE if is_machine else _types(session, site)
        all_vaults = [] if is_machine else vaults.listed(session)
        now = destinations.of(session, site) if site else Destination()
        zone, trees_too = scheduled.usual_zone(session), trees.are_possible(session, server)
    form = _form(types, site)(data={"zone": zone})
    form.offer_types(types)
    form.offer(all_vaults, now)
    form.offer_methods(trees.usual(site, types), trees=trees_too and not is_machine)
    return sent(form, lambda: planning.add(form, server.id, site_id, types)) or _page(
        "schedules/new.html", form, server=server, site=site, types=types
    )


@bp.get("/<uuid:schedule_id>")
@needs(Right.VIEW)
def show(schedule_id: UUID) -> str:
    """One schedule: what it does, when it comes next, and what became of it so far."""
    with reading() as session:
        row = scheduled.one(session, schedules.find(session, schedule_id))
        found = slots.latest(session, schedule_id, SLOTS_SHOWN)
        made = scheduled.backups_of(session, found)
        vault = destinations.of(session, row.schedule).vault
        history = scheduled.lateness_of(session, schedule_id)
    return render_template(
        "schedules/show.html",
        row=row,
        schedule=row.schedule,
        upcoming=row.schedule.upcoming(UPCOMING_SHOWN),
        slots=found,
        made=made,
        vault=vault,
        history=history,
    )


@bp.route("/<uuid:schedule_id>/edit", methods=["GET", "POST"])
@needs(Right.SERVERS)
def edit(schedule_id: UUID) -> BaseResponse:
    """Change a schedule; backups that were made stay as they are."""
    with reading() as session:
        row = scheduled.one(session, schedules.find(session, schedule_id))
        is_machine = row.schedule.type is BackupType.SNAPSHOT
        types = MACHINE if is_machine else _types(session, row.site)
        all_vaults, now = vaults.listed(session), destinations.of(session, row.schedule)
        trees_too = trees.are_possible(session, row.server) and not is_machine
    form = _form(types, row.site)(data=typed(row.schedule))
    form.offer_types(types)
    form.offer([] if is_machine else all_vaults, now)
    form.offer_methods(row.schedule.method, trees=trees_too)
    return sent(form, lambda: planning.change(form, schedule_id, types)) or _page(
        "schedules/edit.html", form, row=row, server=row.server, site=row.site, types=types
    )


@bp.post("/<uuid:schedule_id>/run")
@needs(Right.RUN)
def run(schedule_id: UUID) -> BaseResponse:
    """Make its backup now; when it comes next stays as it was."""
    with transaction() as session:
        schedule = schedules.locked(session, schedule_id)
        slot = slots.by_hand(session, schedule)
        found = starting.start_now(session, slot, schedule, me())
        note(session, Action.SCHEDULE_RUN, schedule, name=scheduled.title(session, schedule))
        queue.ring(session, found)
    return redirect(url_for("backups.show", backup_id=found.backup_id), 303)


@bp.post("/<uuid:schedule_id>/pause")
@needs(Right.SERVERS)
def pause(schedule_id: UUID) -> BaseResponse:
    """Nothing of it is due until somebody resumes it."""
    return _set(schedule_id, schedules.pause, Action.SCHEDULE_PAUSED)


@bp.post("/<uuid:schedule_id>/resume")
@needs(Right.SERVERS)
def resume(schedule_id: UUID) -> BaseResponse:
    """From its next slot on."""
    return _set(schedule_id, schedules.resume, Action.SCHEDULE_RESUMED)


@bp.route("/<uuid:schedule_id>/remove", methods=["GET", "POST"])
@needs(Right.SERVERS)
def remove(schedule_id: UUID) -> BaseResponse:
    """Ask once more; its backups stay as long as they were to."""
    with reading() as session:
        row = scheduled.one(session, schedules.find(session, schedule_id))
    form = Form()

    def act() -> str:
        with transaction() as session:
            schedule = schedules.locked(session, schedule_id)
            schedules.remove(session, schedule)
            name = scheduled.title(session, schedule)
            note(session, Action.SCHEDULE_REMOVED, schedule, name=name)
        return url_for(".index")

    return sent(form, act) or page("schedules/remove.html", form, row=row)


def _set(
    schedule_id: UUID, change: Callable[[Session, Schedule], None], action: Action
) -> BaseResponse:
    with transaction() as session:
        schedule = schedules.locked(session, schedule_id)
        change(session, schedule)
        note(session, action, schedule, name=scheduled.title(session, schedule))
    return redirect(url_for(".show", schedule_id=schedule_id), 303)


def _form(types: tuple[BackupType, ...], site: Site | None) -> type[ScheduleForm]:
    return ScheduleForm if site or types == MACHINE else SchedulePathsForm


def _types(session: Session, site: Site | None) -> tuple[BackupType, ...]:
    if site is None:
        return (BackupType.FILES,)
    return sites.types(site.paths, databases.of_site(session, site.id))


def _server_of(session: Session, site: Site | None, server_id: UUID | None) -> Server | None:
    wanted = site.server_id if site else server_id
    return servers.find(session, wanted) if wanted else None


def _choose(session: Session) -> BaseResponse:
    return BaseResponse(
        render_template(
            "schedules/choose.html",
            rows=overview.site_rows(session, limit=CHOICES_SHOWN),
            servers=servers.listed(session),
        ),
        mimetype="text/html",
    )


def _page(template: str, form: ScheduleForm, **context: Any) -> BaseResponse:
    words = read({"cron": form.cron.data, "zone": form.zone.data})
    return page(
        template, form, presets=recurrence.PRESETS, zones=recurrence.zones(), **words, **context
    )
