"""Taking a server or a site out of the panel, after a page that says what stays."""

from uuid import UUID

from flask import Blueprint, url_for
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import removals, restores, servers, sites
from cloudpilot.domain.audit import Action
from cloudpilot.domain.people import Right
from cloudpilot.web.access import needs, note
from cloudpilot.web.forms import Form, page, sent

bp = Blueprint("removals", __name__)


@bp.route("/servers/<uuid:server_id>/remove", methods=["GET", "POST"])
@needs(Right.SERVERS)
def server(server_id: UUID) -> BaseResponse:
    """Ask once more, then forget a server."""
    with reading() as session:
        found = servers.find(session, server_id)
        its_sites = sites.listed(session, server_id)
        run = removals.keeps_server(session, found)
        kept = restores.kept_on(session, found)
    form = Form()

    def act() -> str:
        with transaction() as session:
            row = servers.find(session, server_id)
            removals.remove_server(session, row)
            note(session, Action.SERVER_REMOVED, row)
        return url_for("servers.index")

    return sent(form, act) or page(
        "servers/remove.html", form, server=found, sites=its_sites, run=run, kept=kept
    )


@bp.route("/sites/<uuid:site_id>/remove", methods=["GET", "POST"])
@needs(Right.SERVERS)
def site(site_id: UUID) -> BaseResponse:
    """Ask once more, then forget a site."""
    with reading() as session:
        found = sites.find(session, site_id)
        its_server = servers.find(session, found.server_id)
        run = removals.keeps_site(session, found)
    form = Form()

    def act() -> str:
        with transaction() as session:
            row = sites.find(session, site_id)
            removals.remove_site(session, row)
            note(session, Action.SITE_REMOVED, row, server=its_server.name)
        return url_for("servers.show", server_id=found.server_id)

    return sent(form, act) or page(
        "sites/remove.html", form, site=found, server=its_server, run=run
    )
