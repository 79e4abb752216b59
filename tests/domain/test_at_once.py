"""Many schedules due at once: as many backups as servers and the panel may make, each in turn."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import at_once, leases, runs, starting
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.slots import Slot, SlotStatus
from cloudpilot.domain.status import ACTIVE, Status
from cloudpilot.errors import SshUnreachable
from cloudpilot.jobs import queue
from cloudpilot.kinds import BackupType, RunKind
from cloudpilot.scheduling import tick
from tests.support.clouding import linked
from tests.support.rows import add_run, add_server, add_site
from tests.support.schedules import add_schedule, end_all
from tests.support.time import Moment

HOURLY = "0 * * * *"


@pytest.fixture
def most(core: Flask, monkeypatch: pytest.MonkeyPatch) -> int:
    """What the panel may make at once."""
    settings = replace(core.extensions["settings"], backups_at_once=5)
    monkeypatch.setitem(core.extensions, "settings", settings)
    return 5


def sites(servers: int, each: int, cron: str = HOURLY, **columns: object) -> list[UUID]:
    """Schedules, so many of each server."""
    with transaction() as session:
        return [
            add_schedule(session, server, add_site(session, server, f"s{number}"), cron).id
            for server in (add_server(session, f"web-{n}", **columns) for n in range(servers))
            for number in range(each)
        ]


def making() -> Counter[str]:
    """How many backups are being made, by server."""
    with reading() as session:
        rows = select(Server.name).join(Run, Run.server_id == Server.id)
        return Counter(session.scalars(rows.where(Run.status.in_(ACTIVE))))


def waiting() -> list[Slot]:
    with reading() as session:
        return list(session.scalars(select(Slot).where(Slot.status == SlotStatus.WAITING)))


def end() -> int:
    with transaction() as session:
        return end_all(session, None)


def test_the_panel_makes_no_more_at_once_than_it_may(most: int, moment: Moment) -> None:
    sites(6, 2)
    moment.pass_by(hours=1)
    for expected in (5, 5, 2):
        tick.ask_for_backups()
        assert making().total() == expected
        for slot in waiting():
            assert slot.why == "5 backups are being made, as many as this panel may."
        assert end() == expected
    assert waiting() == []


def test_clocks_that_come_at_once_begin_no_more_than_it_may(
    core: Flask, most: int, moment: Moment
) -> None:
    sites(4, 10, backups_at_once=20)
    moment.pass_by(hours=1)

    def rings(_: int) -> None:
        with core.app_context():
            tick.ask_for_backups()

    begun = 0
    with ThreadPoolExecutor(3) as pool:
        while begun < 40:
            list(pool.map(rings, range(3)))
            tick.ask_for_backups()  # all three may have given way
            assert making().total() == most
            begun += end()
            queue.redis().flushall()
    assert begun == 40


def test_who_has_waited_longest_goes_first(most: int, moment: Moment) -> None:
    sites(1, 5, "2 * * * *", backups_at_once=20)
    early = sites(1, 5, "1 * * * *", backups_at_once=20)
    held = by_hand(most)
    for _ in range(2):
        moment.pass_by(hours=0.5)
        tick.ask_for_backups()
    moment.pass_by(minutes=5)
    tick.ask_for_backups()
    assert len(waiting()) == 10
    with transaction() as session:
        for run_id in held:
            runs.find(session, run_id).move(session, Status.FAILED)
    tick.ask_for_backups()
    with reading() as session:
        begun = set(session.scalars(select(Slot.schedule_id).where(Slot.status == "started")))
    assert begun == set(early)


def by_hand(count: int) -> list[UUID]:
    """Backups of one server that a person has asked for."""
    with transaction() as session:
        server = add_server(session, "by-hand")
        found = [add_site(session, server, f"h{number}") for number in range(count)]
        return [add_run(session, server, site).id for site in found]


def test_a_person_does_not_wait_and_counts(most: int, moment: Moment) -> None:
    sites(2, 2)
    moment.pass_by(hours=1)
    by_hand(7)
    tick.ask_for_backups()
    assert making() == {"by-hand": 7}
    assert {slot.why for slot in waiting()} == {at_once.full(most)}


def test_who_has_not_answered_for_long_holds_no_place(most: int, moment: Moment) -> None:
    sites(3, 2)
    moment.pass_by(hours=1)
    tick.ask_for_backups()
    with transaction() as session:
        for run in session.scalars(select(Run).where(Run.status.in_(ACTIVE))):
            gone = SshUnreachable("It does not answer.")
            runs.put_off(session, run, gone, next_look_at=clock.now() + timedelta(hours=1))
    tick.ask_for_backups()
    assert making().total() == 5
    moment.pass_by(minutes=11)
    tick.ask_for_backups()
    assert making().total() == 6


def test_without_a_limit_all_begin(core: Flask, moment: Moment) -> None:
    sites(8, 2)
    moment.pass_by(hours=1)
    with transaction() as session:
        assert starting.start_due(session, 500) == 0
    tick.ask_for_backups()
    assert making().total() == 16


def test_a_snapshot_is_made_by_its_cloud_and_does_not_wait(most: int, moment: Moment) -> None:
    by_hand(most)
    with transaction() as session:
        server = add_server(session, "machine")
        linked(session, server)
        add_schedule(session, server, None, HOURLY, type=BackupType.SNAPSHOT, paths=[])
    moment.pass_by(hours=1)
    tick.ask_for_backups()
    with reading() as session:
        kinds = Counter(session.scalars(select(Run.kind).where(Run.status.in_(ACTIVE))))
    assert kinds == {RunKind.MAKE: most, RunKind.SNAPSHOT: 1}


def test_a_server_with_many_due_starves_no_other(core: Flask, moment: Moment) -> None:
    """Two hundred of one are due, and earlier; ten others have theirs begun in the same tick."""
    sites(1, 200)
    with transaction() as session:
        session.execute(update(Server).values(name="greedy"))
    sites(10, 1)
    moment.pass_by(hours=1)
    tick.ask_for_backups()
    assert making() == {"greedy": 2} | {f"web-{number}": 1 for number in range(10)}


@contextmanager
def due_runs(count: int) -> Iterator[list[UUID]]:
    with transaction() as session:
        server = add_server(session)
        ids = []
        for number in range(count):
            run = add_run(session, server, add_site(session, server, f"s{number}"))
            run.move(session, Status.RUNNING, next_look_at=clock.now() - timedelta(minutes=number))
            ids.append(run.id)
    yield ids


def test_many_are_taken_at_once_and_by_one_alone(core: Flask) -> None:
    with due_runs(30) as ids:
        with transaction() as session:
            unheard = runs.find(session, ids[0])
            error = SshUnreachable("It does not answer.")
            runs.put_off(session, unheard, error, next_look_at=clock.now())

        def take(which: int) -> list[UUID]:
            with core.app_context(), transaction() as session:
                found = leases.at_work(session, 10, kinds=[RunKind.MAKE], silent=which == 0)
                leases.lease_all(session, found, length=timedelta(minutes=1))
                return [run.id for run in found]

        with ThreadPoolExecutor(4) as pool:
            taken = [one for some in pool.map(take, range(8)) for one in some]
    assert sorted(taken) == sorted(ids)


def test_those_that_are_most_overdue_are_taken_first(core: Flask) -> None:
    with due_runs(5) as ids, transaction() as session:
        found = leases.at_work(session, 2, kinds=[RunKind.MAKE], silent=False)
        assert [run.id for run in found] == ids[:2:-1]
    with reading() as session:
        assert len(session.scalars(select(Backup.id)).all()) == 5
