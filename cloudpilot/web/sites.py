"""Sites: what of a server belongs together."""

from uuid import UUID

from flask import Blueprint, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import audit, lists, servers, sites
from cloudpilot.domain.audit import Action
from cloudpilot.domain.people import Right
from cloudpilot.domain.sites import Site
from cloudpilot.web.access import needs, note
from cloudpilot.web.forms import page, sent
from cloudpilot.web.forms.sites import SiteForm

bp = Blueprint("sites", __name__)

BACKUPS_SHOWN = 10


@bp.route("/servers/<uuid:server_id>/sites/new", methods=["GET", "POST"])
@needs(Right.SERVERS)
def new(server_id: UUID) -> BaseResponse:
    """Add a site to a server."""
    with reading() as session:
        server = servers.find(session, server_id)
    form = SiteForm()
    return sent(form, lambda: _add(form, server_id)) or page("sites/new.html", form, server=server)


@bp.get("/sites/<uuid:site_id>")
@needs(Right.VIEW)
def show(site_id: UUID) -> str:
    """One site and its latest backups."""
    with reading() as session:
        site = sites.find(session, site_id)
        server = servers.find(session, site.server_id)
        backups = lists.backups(session, {"site_id": site_id}, size=BACKUPS_SHOWN)
    return render_template("sites/show.html", site=site, server=server, backups=backups)


@bp.route("/sites/<uuid:site_id>/edit", methods=["GET", "POST"])
@needs(Right.SERVERS)
def edit(site_id: UUID) -> BaseResponse:
    """Change what a site is; its next backup follows."""
    with reading() as session:
        site = sites.find(session, site_id)
        server = servers.find(session, site.server_id)
    typed = {"paths": "\n".join(site.paths), "excludes": "\n".join(site.excludes)}
    form = SiteForm(data={"name": site.name, "compression": site.compression.value} | typed)
    return sent(form, lambda: _change(form, site_id)) or page(
        "sites/edit.html", form, site=site, server=server
    )


def _add(form: SiteForm, server_id: UUID) -> str:
    with transaction() as session:
        server = servers.find(session, server_id)
        site = Site(server_id=server.id, **form.chosen())
        session.add(site)
        session.flush()
        note(session, Action.SITE_ADDED, site, server=server.name, paths=site.paths)
    return url_for(".show", site_id=site.id)


def _change(form: SiteForm, site_id: UUID) -> str:
    with transaction() as session:
        site = sites.find(session, site_id)
        note(session, Action.SITE_CHANGED, site, changes=audit.changes(site, form.chosen()))
        for name, value in form.chosen().items():
            setattr(site, name, value)
    return url_for(".show", site_id=site_id)
