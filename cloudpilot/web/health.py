"""Whether the panel is up, for whoever restarts it."""

from flask import Blueprint, Response
from sqlalchemy.exc import SQLAlchemyError

from cloudpilot.db import reading
from cloudpilot.domain import people
from cloudpilot.web.access import public

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@public
def show() -> Response:
    """200 when the database answers, 503 when not; nothing more is said."""
    try:
        with reading() as session:
            people.has_owner(session)
    except SQLAlchemyError:
        return Response("unavailable\n", 503, content_type="text/plain")
    return Response("ok\n", content_type="text/plain")
