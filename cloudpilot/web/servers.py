"""Servers: the list, a new one, and the page that takes one from its set-up to its backups."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import (
    adopted,
    audit,
    checkups,
    clouds,
    history,
    keys,
    lists,
    moving,
    overview,
    requests,
    scheduled,
    servers,
    uninstalls,
)
from cloudpilot.domain.audit import Action
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.people import Right
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Checkup, Server
from cloudpilot.errors import BackupInProgress, InvalidState
from cloudpilot.jobs import enrolment, queue
from cloudpilot.web import privileges
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.forms import page, sent
from cloudpilot.web.forms.servers import (
    LEVELS,
    MovedServerForm,
    NewServerForm,
    OfferedKeyForm,
    PastedKeysForm,
)
from cloudpilot.web.htmx import live
from cloudpilot.web.paging import PAGE, page_number
from cloudpilot.web.runs import watched

bp = Blueprint("servers", __name__, url_prefix="/servers")

SITES_SHOWN = 200
BACKUPS_SHOWN = 5


@bp.get("")
@needs(Right.VIEW)
def index() -> str:
    """All servers, a page at a time."""
    number = page_number(request.args.get("page"))
    with reading() as session:
        rows = overview.server_rows(session, limit=PAGE + 1, offset=PAGE * (number - 1))
        found = adopted.by_server(session) if number == 1 else []
    context = {"rows": rows[:PAGE], "number": number, "more": len(rows) > PAGE}
    return render_template(
        "servers/index.html", adopted=[one for one in found if one.is_alone], **context
    )


@bp.route("/new", methods=["GET", "POST"])
@needs(Right.SERVERS)
def new() -> BaseResponse:
    """Add a server."""
    form = NewServerForm()
    return sent(form, lambda: _enrol(form)) or page("servers/new.html", form)


@bp.get("/<uuid:server_id>")
@needs(Right.VIEW)
def show(server_id: UUID) -> Response:
    """One server: how to set it up, what its Check found, its sites and latest backups."""
    return page_of(server_id, PastedKeysForm(), OfferedKeyForm())


@bp.get("/<uuid:server_id>/checkup")
@needs(Right.VIEW)
def checkup(server_id: UUID) -> Response:
    """What the Check is doing or has found, alone."""
    with reading() as session:
        context = _checked(session, servers.find(session, server_id))
    return live("servers/_checkup.html", **watched(context, "checking"))


@bp.post("/<uuid:server_id>/check")
@needs(Right.RUN)
def check(server_id: UUID) -> BaseResponse:
    """Ask the server what it has."""
    with transaction() as session:
        server = servers.find(session, server_id)
        ring_check(session, server)
        note(session, Action.SERVER_CHECKED, server)
    return redirect(url_for(".show", server_id=server_id), 303)


@bp.route("/<uuid:server_id>/edit", methods=["GET", "POST"])
@needs(Right.SERVERS)
def edit(server_id: UUID) -> BaseResponse:
    """Change where a server is and where its backups go."""
    with reading() as session:
        server = servers.find(session, server_id)
        stored = uninstalls.belongings(session, server).backups
    form = MovedServerForm(obj=server)
    return sent(form, lambda: _change(form, server_id)) or page(
        "servers/edit.html", form, server=server, stored=stored
    )


@bp.post("/<uuid:server_id>/backup-root")
@needs(Right.SERVERS)
def move_backup_root(server_id: UUID) -> BaseResponse:
    """Keep new backups where the last Check says that they are safer."""
    with transaction() as session:
        server = servers.find(session, server_id)
        found = servers.latest_checkup(session, server_id)
        better = found.facts.get("alternative") if found else None
        if not better:
            raise InvalidState("The last Check knows no better directory.")
        note(session, Action.BACKUP_ROOT_MOVED, server, before=server.backup_root, after=better)
        server.backup_root = servers.valid_backup_root(better)
        _check_again(session, server)
    return redirect(url_for(".show", server_id=server_id), 303)


def page_of(server_id: UUID, pasted: PastedKeysForm, offered: OfferedKeyForm) -> Response:
    """The server's page; one of its two forms may hold what was refused."""
    with reading() as session:
        server = servers.find(session, server_id)
        context = _checked(session, server) | {
            "row": overview.server_rows(session, server_id, limit=1)[0],
            "schedules": scheduled.of_paths(session, server_id),
            "sites": overview.site_rows(session, server_id, limit=SITES_SHOWN),
            "backups": lists.backups(session, {"server_id": server_id}, size=BACKUPS_SHOWN),
            "key_change": keys.latest_change(session, server),
            "trusted": keys.latest_trust(session, server),
            "cloud": session.get_one(Cloud, server.cloud_id) if server.cloud_id else None,
            "has_clouds": bool(clouds.listed(session)),
            "stores": history.stores(session, server_id),
        }
    context |= {"command": enrolment.setup_command(server), "pasted": pasted, "offered": offered}
    wished = privileges.level(request.args.get("wished"))
    context |= {"levels": LEVELS, "wished": wished, "chosen": server.privilege}
    refused = offered if offered.problem or offered.errors else pasted
    return page("servers/show.html", refused, **watched(context, "checking"))


def ring_check(session: Session, server: Server) -> Run:
    """A Check, to be done at once; raises BackupInProgress if one is under way."""
    run = requests.check(session, server, me())
    queue.ring(session, run)
    return run


def trap_of(server: Server, found: Checkup | None) -> str | None:
    """Why the server's backup directory does not keep what is put there, if it does not."""
    if found is None:
        return None
    former = server.backup_root == found.facts.get("alternative")  # Checks before "root" was kept
    asked = found.facts.get("root", None if former else server.backup_root)
    return found.facts.get("trap") if asked == server.backup_root else None


def _checked(session: Session, server: Server) -> dict[str, Any]:
    found = servers.latest_checkup(session, server.id)
    return {
        "server": server,
        "checkup": found,
        "lines": overview.worst_first(found),
        "worse": checkups.worse_lines(session, server.id),
        "trap": trap_of(server, found),
        "run": overview.latest_check(session, server.id),
    }


def _enrol(form: NewServerForm) -> str:
    with transaction() as session:
        server = enrolment.enrol(session, **form.values())
        note(session, Action.SERVER_ADDED, server, host=server.host, port=server.port)
    return url_for(".show", server_id=server.id)


def _change(form: MovedServerForm, server_id: UUID) -> str:
    with transaction() as session:
        server = servers.find(session, server_id)
        moving.allow(session, server, form.values(), same=form.same_machine.data)
        note(session, Action.SERVER_CHANGED, server, changes=audit.changes(server, form.values()))
        for name, value in form.values().items():
            setattr(server, name, value)
        _check_again(session, server)
    return url_for(".show", server_id=server_id)


def _check_again(session: Session, server: Server) -> None:
    """What the last Check found may no longer be so."""
    if server.is_ready:
        with suppress(BackupInProgress):
            ring_check(session, server)
