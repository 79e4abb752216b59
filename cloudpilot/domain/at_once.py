"""How many backups are made at once over all servers, and for how many more there is room.

What people start by hand begins in any case, and counts; what schedules start waits for room.
"""

from datetime import timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain.runs import Run
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.slots import Slot, SlotStatus
from cloudpilot.domain.status import ACTIVE
from cloudpilot.kinds import BackupType, RunKind

# One whose server has not answered for so long is not waited for: it may be asked for hours.
UNHEARD = timedelta(minutes=10)
ANY_NUMBER = 1_000_000
_TURN = 0x636C6F7564  # any number that nothing else of this database locks


def take_turn(session: Session) -> bool:
    """Whether no other clock begins scheduled backups until this transaction ends. (On SQLite who
    writes is alone in any case.)"""
    if session.get_bind().dialect.name != "postgresql":
        return True
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(_TURN))))


def room(session: Session, most: int) -> int:
    """How many more may begin; `most` at once, 0: any number. A snapshot is its cloud's work."""
    if not most:
        return ANY_NUMBER
    heard = or_(Run.silent_since.is_(None), Run.silent_since > clock.now() - UNHEARD)
    making = select(func.count()).where(Run.kind == RunKind.MAKE, Run.status.in_(ACTIVE), heard)
    return max(0, most - (session.scalar(making) or 0))


def full(most: int) -> str:
    """What a slot waits for, as a sentence.

    >>> full(100), full(1)
    ('100 backups are being made, as many as this panel may.', 'A backup is being made, and this \
panel makes one at a time.')
    """
    if most == 1:
        return "A backup is being made, and this panel makes one at a time."
    return f"{most} backups are being made, as many as this panel may."


def say_if_full(session: Session, most: int) -> None:
    """If there is no room, all slots whose time has come say so; they keep their places."""
    if room(session, most):
        return
    waiting = (
        select(Slot.id)
        .join(Schedule, Schedule.id == Slot.schedule_id)
        .where(
            Slot.status == SlotStatus.WAITING,
            Slot.try_at <= clock.now(),
            Slot.why != full(most),
            Schedule.type != BackupType.SNAPSHOT,
        )
        .with_for_update(skip_locked=True, of=Slot)
    )
    session.execute(
        update(Slot).where(Slot.id.in_(waiting)).values(why=full(most)),
        execution_options={"synchronize_session": False},
    )
