"""domain.figures, on both databases."""

from datetime import timedelta

from flask import Flask

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import figures
from cloudpilot.domain.protection import State
from cloudpilot.domain.status import Status
from cloudpilot.kinds import Place, RunKind
from tests.support.rows import add_run, add_server, add_site
from tests.web.scenes import add_backup


def test_nothing_is_counted_as_nothing(core: Flask) -> None:
    with reading() as session:
        found = figures.counted(session)
    assert (found.runs, found.backups, found.oldest, found.late) == ({}, {}, None, 0)
    assert {kept.size for kept in found.stored.values()} == {0}


def test_all_of_it_is_counted(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session)
        one, other = add_site(session, server, "one"), add_site(session, server, "other")
        for age in (1, 2):
            add_backup(session, server, one, Status.COMPLETED, age=timedelta(days=age))
        add_backup(session, server, other, Status.COMPLETED, age=timedelta(days=5))
        add_backup(session, server, other, Status.FAILED)
        add_run(session, server, one)
    with reading() as session:
        found = figures.counted(session)
    assert found.backups == {Status.COMPLETED: 3, Status.FAILED: 1, Status.PENDING: 1}
    assert found.runs == {(RunKind.MAKE, Status.PENDING): 1}
    kept = found.stored[Place.SERVER]
    assert (kept.backups, kept.size > 0) == (3, True)
    assert found.sites[State.FAILED] == 1
    assert found.oldest is not None
    assert clock.now() - found.oldest >= timedelta(days=5)
