"""domain.daily: each server has its time of day, and of many clocks one asks."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import daily, requests
from cloudpilot.domain.daily import slot
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.errors import SshUnreachable
from cloudpilot.jobs import lifecycle, queue
from cloudpilot.jobs.queue import JsonQueue
from cloudpilot.scheduling.tick import tick
from tests.support.rows import add_server

DAY = timedelta(days=1)


def test_the_slots_of_many_servers_are_spread_over_the_day() -> None:
    now = clock.now()
    times = [slot(uuid4(), now, DAY) for _ in range(2400)]
    assert all(now < when <= now + DAY for when in times)
    each_hour = Counter(when.hour for when in times)
    assert len(each_hour) == 24
    assert max(each_hour.values()) < 200
    one = uuid4()
    assert slot(one, slot(one, now, DAY), DAY) == slot(one, now, DAY) + DAY


@pytest.fixture
def server_id(core: Flask) -> UUID:
    """A server that has its time already, and it has come."""
    with transaction() as session:
        return add_server(session, next_check_at=clock.now() - timedelta(minutes=1)).id


def checks() -> list[Run]:
    with reading() as session:
        return list(session.scalars(select(Run).order_by(Run.created_at)))


def next_check(server_id: UUID) -> datetime | None:
    with reading() as session:
        return session.get_one(Server, server_id).next_check_at


def come(server_id: UUID) -> None:
    """Its time has come again."""
    with transaction() as session:
        session.get_one(Server, server_id).next_check_at = clock.now() - timedelta(seconds=1)


def test_a_new_server_is_given_its_time_and_not_checked_at_once(core: Flask) -> None:
    with transaction() as session:
        server_id = add_server(session).id
    tick()
    assert checks() == []
    when = next_check(server_id)
    assert when
    assert clock.now() < when <= clock.now() + DAY


def test_three_clocks_make_one_check(core: Flask, server_id: UUID) -> None:
    def one(_: int) -> None:
        with core.app_context():
            tick()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(one, range(9)))
    [check] = checks()
    assert (check.server_id, check.requested_by) == (server_id, None)
    rung = [job.args for job in JsonQueue(queue.PATIENT, connection=queue.redis()).jobs]
    assert [str(check.id)] in [list(args) for args in rung]


def test_a_clock_that_comes_late_asks_for_nothing(core: Flask, server_id: UUID) -> None:
    with transaction() as session:
        assert daily.claim(session, server_id, DAY)
    with transaction() as session:
        assert daily.claim(session, server_id, DAY) is None


def test_not_while_a_check_is_under_way(core: Flask, server_id: UUID) -> None:
    with transaction() as session:
        requests.check(session, session.get_one(Server, server_id), by=None)
    tick()
    assert len(checks()) == 1
    when = next_check(server_id)
    assert when
    assert when > clock.now()


@pytest.mark.parametrize("columns", [{"host_keys": []}, {"removed_at": clock.now()}])
def test_only_servers_that_are_set_up_and_still_here(
    core: Flask, columns: dict[str, object]
) -> None:
    with transaction() as session:
        add_server(session, next_check_at=clock.now() - DAY, **columns)
    tick()
    assert checks() == []


def test_a_server_that_does_not_answer_is_asked_less_and_less_often(
    core: Flask, server_id: UUID
) -> None:
    pauses = []
    for _ in range(7):
        come(server_id)
        tick()
        when = next_check(server_id)
        assert when
        pauses.append(round((when - clock.now()).total_seconds() / 3600))
        lifecycle.fail(checks()[-1].id, SshUnreachable("No route."))
    assert pauses == [1, 2, 4, 8, 16, 24, 24]
    with transaction() as session:
        session.get_one(Server, server_id).checked_at = clock.now()
    come(server_id)
    tick()
    when = next_check(server_id)
    assert when
    assert when - clock.now() <= timedelta(hours=1)
    assert [run.status for run in checks()] == [Status.FAILED] * 7 + [Status.PENDING]
