"""Taking CloudPilot off a server: what is there, what is to stay, one command, and the proof."""

from uuid import UUID

from flask import Blueprint, Response, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import servers, uninstalls
from cloudpilot.domain.audit import Action
from cloudpilot.domain.people import Right
from cloudpilot.domain.servers import Server
from cloudpilot.errors import InvalidState
from cloudpilot.jobs import queue
from cloudpilot.jobs import uninstall as job
from cloudpilot.kinds import Privilege
from cloudpilot.web import access
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.forms import Form, page, sent
from cloudpilot.web.forms.servers import DeleteAllForm, RemovedForm
from cloudpilot.web.htmx import live

bp = Blueprint("uninstall", __name__, url_prefix="/servers/<uuid:server_id>/uninstall")


@bp.get("")
@needs(Right.SERVERS)
def show(server_id: UUID) -> Response:
    """What is there, and the way to its end."""
    return _page(server_id, DeleteAllForm(formdata=None), RemovedForm(formdata=None))


@bp.get("/left")
@needs(Right.SERVERS)
def left(server_id: UUID) -> Response:
    """How many backups are still to be deleted, alone."""
    with reading() as session:
        there = uninstalls.belongings(session, servers.find(session, server_id))
    state = "leaving" if there.leaving else "settled"
    return live("servers/_left.html", server_id=server_id, there=there, state=state)


@bp.post("/backups")
@needs(Right.SERVERS, Right.DELETE)
def delete_backups(server_id: UUID) -> BaseResponse:
    """Have every backup deleted that lies there."""
    form = DeleteAllForm()

    def act() -> str:
        with transaction() as session:
            server = servers.find(session, server_id)
            asked = uninstalls.delete_all(session, server, me(), form.typed.data or "")
            for run in asked:
                queue.ring(session, run)
            note(session, Action.BACKUP_DELETED, server, backups=[str(r.backup_id) for r in asked])
        return url_for(".show", server_id=server_id)

    return sent(form, act) or _page(server_id, form, RemovedForm(formdata=None))


@bp.post("/proof")
@needs(Right.SERVERS)
def prove(server_id: UUID) -> BaseResponse:
    """The command was run: have its word proven."""
    form = RemovedForm()

    def act() -> str:
        with transaction() as session:
            server = servers.find(session, server_id)
            said = job.said_in(server, form.removed.value)
            return _ring(session, server, said=dict(said))

    return sent(form, act) or _page(server_id, DeleteAllForm(formdata=None), form)


@bp.post("/now")
@needs(Right.SERVERS)
def now(server_id: UUID) -> BaseResponse:
    """Have the panel run the command itself, through sudo."""
    with transaction() as session:
        server = servers.find(session, server_id)
        if server.privilege is not Privilege.FULL:
            raise InvalidState("The panel may not do that on this server: run the command there.")
        address = _ring(session, server, said=None)
    return redirect(address, 303)


def _ring(session: Session, server: Server, *, said: dict[str, bool] | None) -> str:
    there = uninstalls.belongings(session, server)
    run = uninstalls.prove(session, server, me(), keep=there.stay(_keeps()), said=said)
    run.options = run.options | {"address": access.address()}
    queue.ring(session, run)
    note(session, Action.UNINSTALL_REQUESTED, server, keep=run.options["keep"], said=said)
    return url_for("runs.show", run_id=run.id)


def _page(server_id: UUID, doomed: Form, removed: Form) -> Response:
    with reading() as session:
        server = servers.find(session, server_id)
        there = uninstalls.belongings(session, server)
        run = uninstalls.latest(session, server)
    refused = doomed if doomed.problem or doomed.errors else removed
    keep = there.stay(_keeps())
    return page(
        "servers/uninstall.html",
        refused,
        server=server,
        server_id=server.id,
        there=there,
        run=run,
        keep=keep,
        command=job.command(server, keep=keep, roots=there.roots),
        doomed=doomed,
        removed=removed,
        state="leaving" if there.leaving else "settled",
    )


def _keeps() -> bool:
    """Whether the archives are to stay, if there are any: see `Belongings.stay`."""
    return request.values.get("archives") == "keep"
