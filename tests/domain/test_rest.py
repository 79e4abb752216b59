"""A panel at rest: what may be asked for, what is the old panel's, and how it begins."""

from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import beginning, leases, requests, rest, runs, slots
from cloudpilot.domain.beginning import Ahead
from cloudpilot.domain.rest import Import
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import ACTIVE, Status
from cloudpilot.errors import InvalidState, PanelAtRest
from cloudpilot.kinds import RunKind
from tests.support.rows import add_person, add_run, add_server, add_site
from tests.support.schedules import add_schedule
from tests.support.vaulting import add_vault
from tests.web.scenes import add_backup

MINUTE = timedelta(minutes=1)


def add_import(session: Session, **columns: object) -> Import:
    """This panel was brought back a moment ago, with all that is there."""
    back = beginning.take_over(session, clock.now() - timedelta(days=2), "0.6.0")
    for name, value in columns.items():
        setattr(back, name, value)
    session.flush()
    return back


def test_a_panel_that_was_never_brought_back_is_at_work(core: Flask) -> None:
    with transaction() as session:
        assert not rest.is_at_rest(session)
        assert rest.may_expire(session)
        assert rest.allowed(session, Run) == ()
        rest.refuse(session)
        with pytest.raises(InvalidState, match="at work already"):
            rest.begin(session, add_person(session))


def test_at_rest_nothing_is_begun_but_what_looks(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session)
        schedule = add_schedule(session, server, add_site(session, server), "0 3 * * *")
        add_import(session)
        run = requests.check(session, server, by=None)
        with pytest.raises(PanelAtRest, match="is at rest"):
            add_run(session, server)
        with pytest.raises(PanelAtRest):
            slots.by_hand(session, schedule)
        assert leases.due(session, 9, Status.PENDING, kinds=list(RunKind)) == [run.id]
        assert leases.lease(session, run.id, Status.PENDING, length=MINUTE)
        runs.request_stop(session, run)


def old_run(session: Session, server: Server, kind: RunKind, status: Status) -> Run:
    """One of the panel before this one."""
    row = Run(kind=kind, status=status, server_id=server.id, subject="s", attempts=3)
    row.created_at = row.silent_since = clock.now() - timedelta(days=2)
    session.add(row)
    session.flush()
    return row


def test_what_was_under_way_waits_and_cannot_be_stopped(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session)
        making = old_run(session, server, RunKind.MAKE, Status.RUNNING)
        check = old_run(session, server, RunKind.CHECK, Status.PENDING)
        add_import(session)
        for run in (making, check):
            assert leases.due(session, 9, run.status, kinds=list(RunKind)) == []
            assert leases.lease(session, run.id, run.status, length=MINUTE) is None
            assert run.of_old_panel
        with pytest.raises(PanelAtRest):
            runs.request_stop(session, making)


def prepared(session: Session) -> UUID:
    """A panel that was brought back with all kinds of things ahead."""
    person, server = add_person(session), add_server(session)
    site = add_site(session, server)
    add_vault(session, secret="sealed").next_check_at = clock.now() + timedelta(days=1)
    add_schedule(session, server, site, "0 3 * * *").next_run_at = clock.now() - MINUTE
    add_backup(session, server, site, Status.COMPLETED, age=timedelta(days=40))
    add_backup(session, server, site, Status.COMPLETED)
    for kind, status in (
        (RunKind.MAKE, Status.RUNNING),
        (RunKind.CHECK, Status.PENDING),
        (RunKind.DELETE, Status.RUNNING),
        (RunKind.VERIFY, Status.PENDING),
        (RunKind.RESTORE, Status.FAILED),
    ):
        old_run(session, server, kind, status)
    add_import(session)
    return person.id


def test_it_is_said_what_would_happen(core: Flask) -> None:
    with transaction() as session:
        prepared(session)
        assert beginning.ahead(session) == Ahead(
            schedules=1, under_way=1, dropped=1, deletions=2, expired=1
        )


def test_once_begun_everything_is_checked_and_asked_anew(core: Flask) -> None:
    with transaction() as session:
        person_id = prepared(session)
        person = session.get_one(rest.Person, person_id)
        back = beginning.begin(session, person)
        assert (back.begun_by, rest.is_at_rest(session)) == (person_id, False)
    with transaction() as session:
        now = clock.now()
        for table in (beginning.Server, beginning.Vault):
            for row in session.query(table):
                assert row.next_check_at
                assert row.next_check_at <= now
        for run in session.query(Run).where(Run.status != Status.FAILED):
            assert (run.silent_since, run.attempts) == (None, 0)
        assert len(leases.due(session, 9, *ACTIVE, kinds=list(RunKind))) == 4
        with pytest.raises(InvalidState, match="at work already"):
            beginning.begin(session, session.get_one(rest.Person, person_id))


def test_what_was_asked_for_here_is_ours_whatever_the_clocks_say(core: Flask) -> None:
    """The old panel's was ahead by a year; ours was set back after the import."""
    year = timedelta(days=365)
    with transaction() as session:
        server = add_server(session)
        old = old_run(session, server, RunKind.CHECK, Status.PENDING)
        old.created_at = clock.now() + year
        back = add_import(session)
        back.imported_at = clock.now() + year
        run = requests.check(session, server, by=None)
        assert leases.due(session, 9, Status.PENDING, kinds=list(RunKind)) == [run.id]
        back.begun_at = clock.now()
        making = add_run(session, server)
        assert (old.of_old_panel, run.of_old_panel, making.of_old_panel) == (True, False, False)


def test_nothing_expires_within_a_day(core: Flask) -> None:
    with transaction() as session:
        person = add_person(session)
        back = add_import(session)
        assert not rest.may_expire(session)
        rest.begin(session, person)
        assert not rest.may_expire(session)
        back.begun_at = clock.now() - timedelta(days=1, minutes=1)
        assert rest.may_expire(session)


def test_its_one_row_is_the_newest(core: Flask) -> None:
    with transaction() as session:
        add_import(session, begun_at=clock.now(), imported_at=clock.now() - timedelta(days=9))
        newest = add_import(session)
    with reading() as session:
        assert getattr(rest.current(session), "id", None) == newest.id
