"""Vaults and clouds are checked by the clock and keep what the last check found: what of it
somebody should look at.

The lines are kept in the row, of the same form as those of a server's Check.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from cloudpilot import clock
from cloudpilot.catalogue import by_code
from cloudpilot.domain.changes import RANK
from cloudpilot.domain.checkups import SINCE_YESTERDAY
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.daily import AGAIN
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import ACTIVE, Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import RunStopped, Unexpected
from cloudpilot.kinds import RunKind

Row = Vault | Cloud
Table = type[Vault] | type[Cloud]
_RUNS: Mapping[Table, tuple[InstrumentedAttribute[UUID | None], RunKind]] = {
    Vault: (Run.vault_id, RunKind.CHECK_VAULT),
    Cloud: (Run.cloud_id, RunKind.CHECK_CLOUD),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """A vault or cloud whose last check failed, at what, and when."""

    of: Row
    code: str
    detail: str
    remedy: str
    at: datetime


def worst_first(row: Row) -> list[dict[str, Any]]:
    """The lines of the last check, what needs attention before what is well."""
    return sorted(row.lines or (), key=lambda line: -RANK[line["level"]])


def worse(row: Row) -> dict[str, datetime]:
    """The keys of those lines that are worse than yesterday, and since when."""
    begin = clock.now() - SINCE_YESTERDAY
    since = {
        line["key"]: datetime.fromisoformat(line["worse_at"])
        for line in row.lines or ()
        if line["worse_at"]
    }
    return {key: at for key, at in since.items() if at >= begin}


def troubles(session: Session, rows: Sequence[Row]) -> list[Trouble]:
    """Of these, all vaults or all clouds, those whose last check failed or could not be done."""
    undone = _undone(session, rows) if rows else {}
    found = (undone.get(row.id) or _found(row) for row in rows)
    return [trouble for trouble in found if trouble]


def latest(session: Session, table: Table, row_id: UUID) -> Run | None:
    """The newest run that checks it."""
    column, kind = _RUNS[table]
    rows = select(Run).where(column == row_id, Run.kind == kind)
    return session.scalar(rows.order_by(Run.created_at.desc(), Run.id.desc()).limit(1))


def due(session: Session, table: Table, limit: int) -> list[UUID]:
    """Those to be checked now, the longest overdue first."""
    rows = select(table.id).where(*_is_due(table))
    return list(session.scalars(rows.order_by(table.next_check_at).limit(limit)))


def is_claimed(session: Session, table: Table, row_id: UUID) -> bool:
    """Whether its daily check is ours to ask for: no other clock was first, none is under way.

    The check's end says when the next one is due; if it never ends well, that is in an hour.
    """
    ours = update(table).where(table.id == row_id, *_is_due(table))
    taken = session.execute(
        ours.values(next_check_at=clock.now() + AGAIN).returning(table.id),
        execution_options={"synchronize_session": False},
    )
    return taken.first() is not None


def _is_due(table: Table) -> tuple[Any, ...]:
    column, kind = _RUNS[table]
    under_way = select(Run.id).where(column == table.id, Run.kind == kind, Run.status.in_(ACTIVE))
    return (
        or_(table.next_check_at.is_(None), table.next_check_at <= clock.now()),
        table.removed_at.is_(None),
        ~under_way.exists(),
    )


def _found(row: Row) -> Trouble | None:
    failed = next((line for line in row.lines or () if line["level"] == "failed"), None)
    if failed is None or row.checked_at is None:
        return None
    at = datetime.fromisoformat(failed["worse_at"]) if failed["worse_at"] else row.checked_at
    return Trouble(row, failed["code"], failed["detail"], failed["remedy"], at)


def _undone(session: Session, rows: Sequence[Row]) -> dict[UUID, Trouble]:
    """Checks that ended without a line, newer than the last lines that there are."""
    table = type(rows[0])
    column, kind = _RUNS[table]
    found = (
        select(table.id, Run)
        .join(Run, column == table.id)
        .where(
            Run.kind == kind,
            Run.status == Status.FAILED,
            Run.error_code.is_distinct_from(RunStopped.code),
            or_(table.checked_at.is_(None), Run.created_at > table.checked_at),
        )
        .order_by(Run.created_at, Run.id)
    )
    known = {row.id: row for row in rows}
    told = ((known.get(row_id), run) for row_id, run in session.execute(found))
    return {row.id: _why(row, run) for row, run in told if row}


def _why(row: Row, run: Run) -> Trouble:
    code = run.error_code or Unexpected.code
    detail, remedy = run.error_detail or "It could not be checked.", by_code(code).remedy
    return Trouble(row, code, detail, remedy, run.finished_at or run.created_at)
