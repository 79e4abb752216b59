"""What a restore keeps for a time: what was there before, and the logins typed for a plan."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain.people import Person
from cloudpilot.domain.restores import Restore, RestoreStatus, add_run, of_run
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import ACTIVE
from cloudpilot.errors import InvalidState
from cloudpilot.kinds import RunKind

FORGOTTEN_A_TICK = 20
PLANS_KEEP_LOGINS = timedelta(days=1)


def forget(session: Session, restore: Restore, by: Person | None) -> Run:
    """Have what was there before removed for good; raises InvalidState."""
    if not restore.is_kept:
        raise InvalidState("What was there before is not kept any more.")
    return add_run(session, restore, RunKind.FORGET, by.id if by else None)


def is_going(session: Session, restore: Restore) -> bool:
    """Whether its removal may have begun, whatever became of that run: a part may be gone."""
    rows = select(Run.id).where(
        Run.restore_id == restore.id, Run.kind == RunKind.FORGET, Run.sent_at.is_not(None)
    )
    return session.scalar(rows.limit(1)) is not None


def forgotten(session: Session, run: Run) -> list[Run]:
    """What was there before is gone."""
    restore = of_run(session, run)
    restore.kept_until = restore.logins = None
    return [add_run(session, restore, RunKind.CLEAR, run.requested_by)]


def due_to_forget(session: Session, limit: int = FORGOTTEN_A_TICK) -> list[UUID]:
    """Restores of which what was there before has been kept for as long as it was to."""
    at_it = select(Run.id).where(
        Run.restore_id == Restore.id, Run.kind == RunKind.FORGET, Run.status.in_(ACTIVE)
    )
    rows = select(Restore.id).where(
        Restore.status == RestoreStatus.COMPLETED,
        Restore.kept_until <= clock.now(),
        ~at_it.exists(),
    )
    return list(session.scalars(rows.order_by(Restore.kept_until).limit(limit)))


def has_old_logins(session: Session) -> bool:
    """Whether a login was typed for a restore that nobody has begun for a day."""
    return session.scalar(select(Restore.id).where(*_never_begun()).limit(1)) is not None


def drop_logins(session: Session) -> None:
    """Those are not kept."""
    session.execute(update(Restore).where(*_never_begun()).values(logins=None))


def _never_begun() -> tuple[ColumnElement[bool], ...]:
    old = Restore.created_at < clock.now() - PLANS_KEEP_LOGINS
    return (Restore.status == RestoreStatus.PLANNED, Restore.logins.is_not(None), old)
