"""Who is started before whom: each run that waits stands in one of three lines.

Said twice, of a row and of the table, since a line is asked for its first few; a test compares.
"""

from enum import StrEnum

from sqlalchemy import ColumnElement, and_, case, or_

from cloudpilot.domain.runs import Run
from cloudpilot.kinds import RunKind


class Turn(StrEnum):
    """The lines, the first first."""

    ASKED = "work"  # what somebody waits for
    PLANNED = "planned"  # what the panel does by itself
    PATIENT = "patient"  # daily Checks, and what could not be done the last time


CHECKS = frozenset({RunKind.CHECK, RunKind.CHECK_VAULT, RunKind.CHECK_CLOUD})


def of(run: Run) -> Turn:
    """Nobody who has pressed a button waits for what nobody has asked for, nor for a server that
    did not answer the last time, which may take a worker half a minute. What puts a site back as it
    was waits for none of them, the last time included."""
    if run.kind is RunKind.UNDO:
        return Turn.ASKED
    if run.attempts or (run.kind in CHECKS and run.requested_by is None):
        return Turn.PATIENT
    return Turn.ASKED if run.requested_by else Turn.PLANNED


def stands_in(turn: Turn) -> ColumnElement[bool]:
    """Of the table: the runs for which `of` says this."""
    by_itself = and_(Run.kind.in_(CHECKS), Run.requested_by.is_(None))
    line = case(
        (Run.kind == RunKind.UNDO, Turn.ASKED.value),
        (or_(Run.attempts > 0, by_itself), Turn.PATIENT.value),
        (Run.requested_by.is_not(None), Turn.ASKED.value),
        else_=Turn.PLANNED.value,
    )
    return line == turn.value
