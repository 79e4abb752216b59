"""Whose turn it is: which runs are due, and which job has one for itself, for how long."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, or_, select, update
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import pace, rest, turns
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.domain.turns import Turn
from cloudpilot.errors import CloudThrottled, ObjectLocked
from cloudpilot.kinds import RunKind

# Two jobs at once do these no harm: on a server a rename is the claim, and the others look, or
# remove. It may come to that if our clock is set back while a job has one.
ON_SERVER = frozenset(kind for kind in RunKind if kind.is_on_server)
HARMLESS_TWICE = ON_SERVER | turns.CHECKS | {RunKind.VERIFY, RunKind.DELETE}
FOR_OTHERS = (ObjectLocked.code, CloudThrottled.code)  # put off for as long as a provider says


def is_due(now: datetime) -> Any:
    """Its time has come; or our clock has been set back since that was written down."""
    works = (Run.status == Status.RUNNING) & Run.kind.in_(ON_SERVER)
    is_ours = Run.error_code.is_(None) | Run.error_code.not_in(FOR_OTHERS)
    return or_(
        Run.next_look_at <= now,
        and_(Run.next_look_at > now + pace.FARTHEST, works),
        and_(Run.next_look_at > now + pace.FARTHEST_OF_ALL, Run.kind.in_(HARMLESS_TWICE), is_ours),
    )


def due(session: Session, limit: int, *statuses: Status, kinds: Sequence[RunKind]) -> list[UUID]:
    """The runs whose time has come, the longest overdue first."""
    return list(session.scalars(_first(session, limit, *statuses, kinds=kinds)))


def to_start(
    session: Session, limit: int, *statuses: Status, kinds: Sequence[RunKind]
) -> list[UUID]:
    """The runs that a job is due to take, so many of each line: hundreds that may wait in the one
    keep none of another from being seen."""
    first = _first(session, limit, *statuses, kinds=kinds)
    lines = (session.scalars(first.where(turns.stands_in(turn))) for turn in Turn)
    return [run_id for line in lines for run_id in line]


def _first(
    session: Session, limit: int, *statuses: Status, kinds: Sequence[RunKind]
) -> Select[UUID]:
    rows = select(Run.id).where(is_due(clock.now()), Run.status.in_(statuses), Run.kind.in_(kinds))
    return rows.where(*rest.allowed(session, Run)).order_by(Run.next_look_at).limit(limit)


def lease(session: Session, run_id: UUID, *statuses: Status, length: timedelta) -> Run | None:
    """The run, for this job alone for `length`; None if it is not due, so not ours to take."""
    now = clock.now()
    free = update(Run).where(Run.id == run_id, Run.status.in_(statuses), is_due(now))
    taken = session.execute(
        free.where(*rest.allowed(session, Run)).values(next_look_at=now + length).returning(Run.id),
        execution_options={"synchronize_session": False},
    )
    return session.get_one(Run, run_id, populate_existing=True) if taken.first() else None


def at_work(session: Session, limit: int, *, kinds: Sequence[RunKind], silent: bool) -> list[Run]:
    """Running ones whose time has come, the longest overdue first, locked, and without those that
    another process has locked at this moment; see `lease_all`.

    silent  those whose servers have not answered the last question, or those who have
    """
    rows = select(Run).where(
        *rest.allowed(session, Run),
        is_due(clock.now()),
        Run.status == Status.RUNNING,
        Run.kind.in_(kinds),
        Run.silent_since.is_not(None) if silent else Run.silent_since.is_(None),
    )
    first = rows.order_by(Run.next_look_at).limit(limit)
    return list(session.scalars(first.with_for_update(skip_locked=True)))


def lease_all(session: Session, locked: Sequence[Run], *, length: timedelta) -> None:
    """They are this job's alone for `length`, as by `lease`; in the transaction that has locked
    them."""
    if not locked:
        return
    session.execute(
        update(Run)
        .where(Run.id.in_([run.id for run in locked]))
        .values(next_look_at=clock.now() + length),
        execution_options={"synchronize_session": False},
    )


def some(session: Session, run_ids: Sequence[UUID]) -> list[Run]:
    """Those of these that there are, in their order."""
    found = {run.id: run for run in session.scalars(select(Run).where(Run.id.in_(run_ids)))}
    return [found[run_id] for run_id in run_ids if run_id in found]
