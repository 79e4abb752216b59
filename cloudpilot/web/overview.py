"""The first page: what runs, what failed lately, when each site was last backed up."""

from flask import Blueprint, render_template

from cloudpilot.db import reading
from cloudpilot.domain import overview
from cloudpilot.domain.people import Right
from cloudpilot.web.access import needs
from cloudpilot.web.runs import fingerprint

bp = Blueprint("overview", __name__)

FAILURES_SHOWN = 5
SITES_SHOWN = 50


@bp.get("/")
@needs(Right.VIEW)
def show() -> str:
    """The panel at a glance."""
    with reading() as session:
        active = overview.active_runs(session)
        context = {
            "summary": overview.summary(session),
            "failed": overview.failed_lately(session, FAILURES_SHOWN),
            "sites": overview.site_rows(session, limit=SITES_SHOWN),
            "servers": overview.server_rows(session, limit=1),
        }
    return render_template("overview.html", runs=active, state=fingerprint(active), **context)
