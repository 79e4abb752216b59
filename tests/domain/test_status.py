"""domain.status: a status changes in one place, once, and leaves an event."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import runs
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import NEXT, IllegalStep, LostRace, Status, StatusEvent
from cloudpilot.errors import DiskFull

STEPS = [(old, new) for old in Status for new in Status]


@pytest.mark.parametrize(("old", "new"), STEPS)
def test_only_the_steps_of_the_table_are_possible(
    core: Flask, make_run: UUID, old: Status, new: Status
) -> None:
    with transaction() as session:
        session.get_one(Run, make_run).status = old
    with transaction() as session:
        run = session.get_one(Run, make_run)
        if new in NEXT[old]:
            run.move(session, new)
            assert run.status is new
        else:
            with pytest.raises(IllegalStep):
                run.move(session, new)


def test_a_step_leaves_an_event_that_says_when_and_why(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        session.get_one(Run, make_run).move(session, Status.FAILED, because=DiskFull("0 B left."))
    with reading() as session:
        event = session.scalars(select(StatusEvent)).one()
    assert (event.subject, event.subject_id) == ("runs", make_run)
    assert (event.old, event.new, event.code) == ("pending", "failed", "DISK_FULL")
    assert event.detail == "0 B left."
    assert event.at.tzinfo is not None


def test_of_eight_that_race_one_moves_the_run(core: Flask, make_run: UUID) -> None:
    def race(_number: int) -> bool:
        with core.app_context(), transaction() as session:
            run = session.get_one(Run, make_run)
            run.status = Status.PENDING  # what each of them has read, before the others wrote
            session.expunge(run)
            try:
                run.move(_Unrefreshed(session), Status.RUNNING)
            except LostRace:
                return False
            return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(race, range(8))) == 1
    with reading() as session:
        assert session.scalar(select(func.count(StatusEvent.id))) == 1
        assert runs.find(session, make_run).status is Status.RUNNING


class _Unrefreshed:
    """A session, but for the refresh of a row that does not belong to it."""

    def __init__(self, session: object) -> None:
        self._session = session

    def __getattr__(self, name: str) -> object:
        return (lambda _row: None) if name == "refresh" else getattr(self._session, name)
