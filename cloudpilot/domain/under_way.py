"""What is waiting or under way, as lists of it are shown."""

from functools import cache
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, load_only

from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import ACTIVE

SHOWN = 100
SHOWN_BRIEFLY = 20  # beside much else: what fits a screen
OF_RUNS = (  # what lists show of one
    Run.kind,
    Run.status,
    Run.subject,
    Run.stage,
    Run.done,
    Run.total,
    Run.error_code,
    Run.error_detail,
    Run.created_at,
    Run.started_at,
    Run.seen_at,
    Run.next_look_at,
    Run.stop_requested_at,
    Run.backup_id,
    Run.restore_id,
)


def newest(session: Session, limit: int) -> tuple[list[Run], int]:
    """The newest first, without their logs and what else no list shows; how many there are in
    all."""
    shown = list(session.scalars(_runs().limit(limit)))
    if len(shown) < limit:
        return shown, len(shown)
    return shown, session.scalar(select(func.count()).where(Run.status.in_(ACTIVE))) or 0


@cache
def _runs() -> Any:
    work = load_only(*OF_RUNS, raiseload=True)
    rows = select(Run).where(Run.status.in_(ACTIVE)).options(work)
    return rows.order_by(Run.created_at.desc(), Run.id)
