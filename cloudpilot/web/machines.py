"""Machines of clouds: the list, and which server of the panel is which machine."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import clouds, instances, machines, servers
from cloudpilot.domain.audit import Action
from cloudpilot.domain.machines import Machine
from cloudpilot.domain.people import Right
from cloudpilot.errors import InvalidConfig, NotFound
from cloudpilot.web.access import needs, note
from cloudpilot.web.forms import page, sent
from cloudpilot.web.forms.clouds import MachineForm
from cloudpilot.web.paging import PAGE, page_number

bp = Blueprint("machines", __name__)

SEARCH_LENGTH = 100


@bp.get("/clouds/<uuid:cloud_id>/machines")
@needs(Right.VIEW)
def index(cloud_id: UUID) -> str:
    """The machines that the last check saw, or those that are looked for, a page at a time."""
    search, number = _search(), page_number(request.args.get("page"))
    with reading() as session:
        cloud = clouds.find(session, cloud_id)
        found = [one for one in machines.of(session, cloud) if one.has(search)]
    return render_template(
        "clouds/machines.html",
        cloud=cloud,
        machines=found[PAGE * (number - 1) : PAGE * number],
        total=len(found),
        search=search,
        number=number,
        more=len(found) > PAGE * number,
    )


@bp.get("/clouds/<uuid:cloud_id>/machines/which")
@needs(Right.SERVERS)
def which(cloud_id: UUID) -> BaseResponse | str:
    """Which server of the panel a machine is: those that are no machine yet."""
    asked = request.args.get("machine")
    with reading() as session:
        cloud = clouds.find(session, cloud_id)
        seen = {str(one.told["id"]): one for one in machines.of(session, cloud)}
        alone = [server for server in servers.listed(session) if server.cloud_id is None]
    if not asked:
        return redirect(url_for(".index", cloud_id=cloud_id))
    if asked not in seen:
        raise NotFound(f"{cloud.name} has not shown this machine: check the cloud again.")
    return render_template("clouds/which.html", cloud=cloud, machine=seen[asked], servers=alone)


@bp.route("/servers/<uuid:server_id>/cloud", methods=["GET", "POST"])
@needs(Right.SERVERS)
def choose(server_id: UUID) -> BaseResponse:
    """Say which machine of which cloud a server is."""
    search = _search()
    with reading() as session:
        server = servers.find(session, server_id)
        known = clouds.listed(session)
        free = machines.free(session, server)
    form, likely = MachineForm(), machines.likely(free, server)
    linked = f"{server.cloud_id}:{server.instance_id}" if server.cloud_id else ""
    asked = request.args.get("machine", "")
    chosen = form.machine.data or asked or linked or (likely.id if likely else "")
    found = _first([one for one in free if one.has(search)], chosen, likely)
    return sent(form, lambda: _link(form, server_id)) or page(
        "servers/cloud.html",
        form,
        server=server,
        clouds=known,
        machines=found[:PAGE],
        total=len(found),
        likely=likely,
        chosen=chosen,
        linked=linked,
        search=search,
    )


@bp.post("/servers/<uuid:server_id>/cloud/unlink")
@needs(Right.SERVERS)
def unlink(server_id: UUID) -> BaseResponse:
    """From now on no snapshots of the server are made."""
    with transaction() as session:
        server = servers.find(session, server_id)
        before = server.instance_name or server.instance_id
        instances.unlink(session, server)
        note(session, Action.SERVER_UNLINKED, server, machine=before)
    return redirect(url_for("servers.show", server_id=server_id), 303)


def _link(form: MachineForm, server_id: UUID) -> str:
    cloud_id, _, instance_id = (form.machine.data or "").partition(":")
    try:
        wanted = UUID(cloud_id)
    except ValueError:
        raise InvalidConfig("Choose a machine.") from None
    with transaction() as session:
        server, cloud = servers.find(session, server_id), clouds.locked(session, wanted)
        instances.link(session, server, cloud, instance_id)
        name = server.instance_name or instance_id
        note(session, Action.SERVER_LINKED, server, cloud=cloud.name, machine=name, id=instance_id)
    return url_for("servers.show", server_id=server_id)


def _search() -> str:
    return request.args.get("q", "").strip()[:SEARCH_LENGTH]


def _first(found: list[Machine], chosen: str, likely: Machine | None) -> list[Machine]:
    """What is chosen or seems right stands first, so that it is always shown."""
    return sorted(found, key=lambda one: (one.id != chosen, one is not likely))
