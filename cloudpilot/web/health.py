"""Whether the panel is up, for whoever restarts it."""

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from cloudpilot.db import reading
from cloudpilot.domain import people
from cloudpilot.jobs import pulse
from cloudpilot.web.access import public

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@public
def show() -> tuple[Response, int]:
    """503 when the database does not answer. What a new web process would not mend (Redis, workers,
    the clock) is told, with 200. Numbers only: everybody may ask."""
    has_database, found = _has_database(), pulse.take()
    is_whole = found.is_there and not found.silent(pulse.BANNER_SECONDS)
    answer = jsonify(
        status="unavailable" if not has_database else "ok" if is_whole else "degraded",
        database=has_database,
        redis=found.is_there,
        seconds_since={part: round(age, 1) for part, age in found.ages.items()},
        queues=found.queues,
        workers=found.workers,
    )
    return answer, 200 if has_database else 503


def _has_database() -> bool:
    try:
        with reading() as session:
            people.has_owner(session)
    except SQLAlchemyError:
        return False
    return True
