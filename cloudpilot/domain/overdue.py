"""Deletions that take longer than they should."""

from datetime import timedelta

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain.pace import BACK_OFF_AT_MOST
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import ACTIVE
from cloudpilot.errors import ObjectLocked
from cloudpilot.kinds import RunKind

DELETED_WITHIN = timedelta(days=1)


def deletions(session: Session, limit: int) -> list[Run]:
    """Those that have been tried for longer than a day, the oldest first; what a lock forbids until
    a day that is known is not late."""
    now = clock.now()
    is_locked = and_(Run.error_code == ObjectLocked.code, Run.next_look_at > now + BACK_OFF_AT_MOST)
    rows = select(Run).where(
        Run.kind == RunKind.DELETE,
        Run.status.in_(ACTIVE),
        Run.created_at < now - DELETED_WITHIN,
        or_(Run.error_code.is_(None), ~is_locked),
    )
    return list(session.scalars(rows.order_by(Run.created_at, Run.id).limit(limit)))
