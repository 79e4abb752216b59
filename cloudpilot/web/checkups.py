"""What the Checks of a server have told over time."""

from uuid import UUID

from flask import Blueprint, render_template

from cloudpilot.db import reading
from cloudpilot.domain import checkups, servers
from cloudpilot.domain.people import Right
from cloudpilot.web.access import needs

bp = Blueprint("checkups", __name__)


@bp.get("/servers/<uuid:server_id>/history")
@needs(Right.VIEW)
def history(server_id: UUID) -> str:
    """What changed on a server, and when."""
    with reading() as session:
        server = servers.find(session, server_id)
        events = checkups.history(session, server_id)
    return render_template("servers/history.html", server=server, events=events)
