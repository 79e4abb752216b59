"""Slots: each time at which a schedule was due is a row, and what became of it.

A slot is made once: the schedule's `next_run_at` moves on in the same transaction. It waits until
its start has come, for a backup of the same site that has not ended, or for another try; and a slot
that still waits when the next one of its schedule is due has had its time.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ForeignKey,
    Index,
    UniqueConstraint,
    bindparam,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain import recurrence, rest
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.status import LostRace, values_of
from cloudpilot.errors import InvalidState

COUNTED_AT_MOST = 10_000  # missed slots, one by one
DOWN = "CloudPilot was not running."
REMOVED = "Its schedule has been removed."
OVERTAKEN = "The next one was due before it could begin."


class SlotStatus(StrEnum):
    """What became of a slot."""

    WAITING = "waiting"  # for its start, for another backup to end, or for another try
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"  # error_code says why, or its last backup does
    SKIPPED = "skipped"  # another backup took until the next slot was due; or nobody wants it
    MISSED = "missed"  # the panel was not running


_WAITING = text("status = 'waiting'")


class Slot(Base):
    """One time at which a schedule was due; `missed` ones in a row are one row."""

    __tablename__ = "slots"
    __table_args__ = (
        UniqueConstraint("schedule_id", "due_at"),
        Index("ix_slots_waiting", "try_at", sqlite_where=_WAITING, postgresql_where=_WAITING),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    schedule_id: Mapped[UUID] = mapped_column(ForeignKey(Schedule.id))
    due_at: Mapped[datetime]
    status: Mapped[SlotStatus] = mapped_column(values_of(SlotStatus), default=SlotStatus.WAITING)
    try_at: Mapped[datetime]  # its start, or its next try
    attempts: Mapped[int] = mapped_column(default=0)  # backups that were begun for it
    count: Mapped[int] = mapped_column(default=1)  # slots that this row stands for
    until: Mapped[datetime | None]  # of missed ones: when the next one after them was due
    by_hand: Mapped[bool] = mapped_column(default=False)  # somebody pressed Run now
    why: Mapped[str] = mapped_column(
        default=""
    )  # a sentence: what it waits for, why it was skipped
    error_code: Mapped[str | None]


def make_due(session: Session, limit: int) -> int:
    """Give a slot to each of those schedules whose time has come; returns how many there were.

    What was missed is caught up with once: the newest slot of each runs, those before it are
    noted as missed.
    """
    now = clock.now()
    columns = (
        Schedule.id,
        Schedule.cron,
        Schedule.zone,
        Schedule.next_run_at,
        Schedule.spread_minutes,
    )
    rows = select(*columns).where(Schedule.next_run_at <= now)
    rows = rows.order_by(Schedule.next_run_at).limit(limit)
    due = session.execute(rows.with_for_update(skip_locked=True)).all()
    if due:
        _move_on(session, due, now)
    return len(due)


def _move_on(session: Session, due: Sequence[Any], now: datetime) -> None:
    made: list[dict[str, Any]] = []
    for schedule in due:
        made += _slots_of(schedule, now)
    _claim(session, due, now)
    _supersede(session, [schedule.id for schedule in due])
    # The clock of the machine may have been set back: what has had its slot has had it.
    there = select(Slot.schedule_id, Slot.due_at).where(
        Slot.schedule_id.in_({slot["schedule_id"] for slot in made}),
        Slot.due_at.in_({slot["due_at"] for slot in made}),
    )
    known = {tuple(row) for row in session.execute(there)}
    new = [slot for slot in made if (slot["schedule_id"], slot["due_at"]) not in known]
    if new:
        session.execute(insert(Slot), new)


def _claim(session: Session, due: Sequence[Any], now: datetime) -> None:
    """Raises LostRace, and nothing is done, if another clock was faster with one of them."""
    table: Any = Schedule.__table__
    ours = update(table).where(
        table.c.id == bindparam("ours"), table.c.next_run_at == bindparam("was")
    )
    moves = [
        {
            "ours": schedule.id,
            "was": schedule.next_run_at,
            "next": recurrence.following(schedule.cron, schedule.zone, now),
        }
        for schedule in due
    ]
    moved: Any = session.execute(ours.values(next_run_at=bindparam("next")), moves)
    if moved.rowcount != len(moves):
        raise LostRace("Another clock has taken these schedules.")


def _slots_of(schedule: Any, now: datetime) -> list[dict[str, Any]]:
    """The slot that runs, and before it the row of those that were missed."""
    first = schedule.next_run_at
    found = recurrence.slots_between(schedule.cron, schedule.zone, first, now, most=COUNTED_AT_MOST)
    newest = found.newest or first
    slots = [_slot(schedule.id, newest, newest + spread(schedule, newest))]
    if newest > first:
        missed = _slot(schedule.id, first, first, status=SlotStatus.MISSED)
        slots.insert(0, missed | {"count": found.count, "until": newest, "why": DOWN})
    return slots


def _slot(
    schedule_id: UUID, due_at: datetime, try_at: datetime, status: SlotStatus = SlotStatus.WAITING
) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "schedule_id": schedule_id,
        "due_at": due_at,
        "status": status,
        "try_at": try_at,
        "attempts": 0,
        "count": 1,
        "until": None,
        "by_hand": False,
        "why": "",
        "error_code": None,
    }


def spread(schedule: Any, due_at: datetime) -> timedelta:
    """How long after its time this slot begins: the same whoever asks, and spread evenly."""
    if not schedule.spread_minutes:
        return timedelta()
    word = f"{schedule.id}{due_at.timestamp():.0f}".encode()
    number = int.from_bytes(hashlib.sha256(word).digest()[:8])
    return timedelta(seconds=number % (schedule.spread_minutes * 60))


def _supersede(session: Session, schedule_ids: Iterable[UUID]) -> None:
    """Slots of these that still wait: their time is over."""
    waiting = update(Slot).where(
        Slot.schedule_id.in_(list(schedule_ids)), Slot.status == SlotStatus.WAITING
    )
    options = {"synchronize_session": False}
    tried, untried = waiting.where(Slot.attempts > 0), waiting.where(Slot.attempts == 0)
    session.execute(tried.values(status=SlotStatus.FAILED), execution_options=options)
    skipped = {
        "status": SlotStatus.SKIPPED,
        "why": func.coalesce(func.nullif(Slot.why, ""), OVERTAKEN),
    }
    session.execute(untried.values(skipped), execution_options=options)


def wanted(due: Sequence[tuple[Slot, Schedule]]) -> list[tuple[Slot, Schedule]]:
    """Without those whose schedule was removed while they waited, which are skipped."""
    for slot, schedule in due:
        if schedule.removed_at:
            slot.status, slot.why = SlotStatus.SKIPPED, REMOVED
    return [(slot, schedule) for slot, schedule in due if not schedule.removed_at]


def by_hand(session: Session, schedule: Schedule) -> Slot:
    """A slot that is due now since somebody wants it; raises InvalidState if one is under way,
    PanelAtRest."""
    rest.refuse(session)
    rows = select(Slot).where(
        Slot.schedule_id == schedule.id,
        Slot.status.in_((SlotStatus.WAITING, SlotStatus.STARTED)),
    )
    if session.scalar(rows.limit(1)):
        raise InvalidState("A backup of this schedule is waiting or under way.")
    now = clock.now()
    slot = Slot(schedule_id=schedule.id, due_at=now, try_at=now, by_hand=True)
    session.add(slot)
    session.flush()
    return slot


def latest(session: Session, schedule_id: UUID, limit: int) -> list[Slot]:
    """The last slots of a schedule, the newest first."""
    rows = select(Slot).where(Slot.schedule_id == schedule_id)
    return list(session.scalars(rows.order_by(Slot.due_at.desc()).limit(limit)))
