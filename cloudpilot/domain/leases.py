"""Many runs at once: taken, as `runs.lease` takes one, and found."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.kinds import RunKind


def at_work(session: Session, limit: int, *, kinds: Sequence[RunKind], silent: bool) -> list[Run]:
    """Running ones whose time has come, the longest overdue first, locked, and without those that
    another process has locked at this moment; see `lease_all`.

    silent  those whose servers have not answered the last question, or those who have
    """
    rows = select(Run).where(
        Run.next_look_at <= clock.now(),
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
