"""What CloudPilot may do on a server: another level is another set-up command."""

from uuid import UUID

from flask import Blueprint, render_template, request

from cloudpilot.db import reading
from cloudpilot.domain import servers
from cloudpilot.domain.people import Right
from cloudpilot.jobs import enrolment
from cloudpilot.kinds import Privilege
from cloudpilot.web.access import needs
from cloudpilot.web.forms.servers import LevelForm, PastedKeysForm

bp = Blueprint("privileges", __name__, url_prefix="/servers/<uuid:server_id>")


@bp.get("/privilege")
@needs(Right.SERVERS)
def show(server_id: UUID) -> str:
    """Choose a level, and see the command that gives it. The row says what the server has."""
    with reading() as session:
        server = servers.find(session, server_id)
    chosen = level(request.args.get("privilege")) or server.privilege
    return render_template(
        "servers/privilege.html",
        server=server,
        form=LevelForm(formdata=None, privilege=chosen.value),
        chosen=chosen,
        pasted=PastedKeysForm(formdata=None),
        command=enrolment.setup_command(server, chosen),
    )


def level(text: str | None) -> Privilege | None:
    """The level of that name."""
    return next((one for one in Privilege if one.value == text), None)
