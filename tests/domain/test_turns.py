"""domain.turns: the line in which a run waits, and that a long one hides no other."""

from datetime import timedelta
from itertools import product
from uuid import UUID

from flask import Flask
from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain import leases, turns
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.domain.turns import Turn
from cloudpilot.kinds import RunKind
from tests.support.rows import add_person


def test_row_and_table_are_asked_alike(core: Flask) -> None:
    with transaction() as session:
        by = (None, add_person(session).id)
        for kind, attempts, asked_by in product(RunKind, (0, 1, 9), by):
            session.add(Run(kind=kind, attempts=attempts, requested_by=asked_by, subject=""))
        session.flush()
        found = {turn: set(session.scalars(_line(turn))) for turn in Turn}
        for run in session.scalars(select(Run)):
            assert [turn for turn in Turn if run.id in found[turn]] == [turns.of(run)]


def _line(turn: Turn) -> object:
    return select(Run.id).where(turns.stands_in(turn))


def test_hundreds_of_checks_hide_no_backup(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        long_ago = clock.now() - timedelta(hours=1)
        session.add_all(
            [Run(kind=RunKind.CHECK, subject="", next_look_at=long_ago) for _ in range(10)]
        )
        session.flush()
        found = leases.to_start(session, 5, Status.PENDING, kinds=list(RunKind))
    assert len(found) == 6
    assert make_run in found
