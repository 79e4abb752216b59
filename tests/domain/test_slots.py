"""Slots: each comes once, whatever happens to clocks, and what became of it is written down."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update

from cloudpilot.db import db, reading, transaction
from cloudpilot.domain import requests, schedules, slots, starting
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.runs import Run
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.slots import Slot, SlotStatus
from cloudpilot.domain.status import ACTIVE, Status, StatusEvent
from cloudpilot.errors import CloudPilotError, DiskFull, InvalidState, RunStopped, SshUnreachable
from cloudpilot.jobs import queue
from cloudpilot.kinds import RunKind
from cloudpilot.scheduling import tick
from tests.support.rows import add_server, add_site
from tests.support.schedules import add_schedule, end_all
from tests.support.time import Moment

HOURLY = "0 * * * *"
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def one_schedule(cron: str = HOURLY, **columns: object) -> UUID:
    with transaction() as session:
        server = add_server(session)
        return add_schedule(session, server, add_site(session, server), cron, **columns).id


def found_slots(schedule_id: UUID) -> list[Slot]:
    """The oldest first."""
    with reading() as session:
        rows = select(Slot).where(Slot.schedule_id == schedule_id).order_by(Slot.due_at)
        return list(session.scalars(rows))


def states(schedule_id: UUID) -> list[str]:
    return [slot.status.value for slot in found_slots(schedule_id)]


def end(error: CloudPilotError | None = None) -> int:
    with transaction() as session:
        return end_all(session, error)


def count(kind: type) -> int:
    with reading() as session:
        return len(session.scalars(select(kind.id)).all())  # type: ignore[attr-defined]


def all_done() -> None:
    """Everything that was begun is over; in three statements, since there is much of it."""
    with transaction() as session:
        for kind in (Run, Backup):
            active = update(kind).where(kind.status.in_(ACTIVE))
            session.execute(active.values(status=Status.COMPLETED))
        started = update(Slot).where(Slot.status == SlotStatus.STARTED)
        session.execute(started.values(status=SlotStatus.COMPLETED))


def test_three_clocks_make_a_thousand_slots_a_thousand_backups(core: Flask, moment: Moment) -> None:
    with transaction() as session:
        for number in range(10):
            server = add_server(session, f"web-{number}", backups_at_once=20)
            for name in range(10):
                add_schedule(session, server, add_site(session, server, f"s{name}"), HOURLY)

    def clock_rings(which: int) -> None:
        with core.app_context():
            if which == 3:
                died_half_way()
            tick.ask_for_backups()

    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            moment.pass_by(hours=1)
            list(pool.map(clock_rings, range(4)))
            tick.ask_for_backups()
            queue.redis().flushall()
            tick.ask_for_backups()  # a tick too many
            all_done()
    assert (count(Slot), count(Backup), count(Run)) == (1000, 1000, 1000)
    with reading() as session:
        each = Counter(session.scalars(select(Slot.schedule_id)))
        assert set(each.values()) == {10}
        assert {slot.attempts for slot in session.scalars(select(Slot))} == {1}


def died_half_way() -> None:
    """A clock that is killed before its transaction is committed."""
    with suppress(ZeroDivisionError), transaction() as session:
        slots.make_due(session, 1000)
        starting.start_due(session, 1000)
        raise ZeroDivisionError


def test_the_newest_of_the_slots_that_were_missed_runs_once(core: Flask, moment: Moment) -> None:
    schedule_id = one_schedule()
    moment.pass_by(hours=5, minutes=20)  # 13:00 to 17:00 have been
    tick.ask_for_backups()
    missed, runs = found_slots(schedule_id)
    assert (missed.status, missed.count) == (SlotStatus.MISSED, 4)
    assert (missed.due_at, missed.until) == (NOON + timedelta(hours=1), runs.due_at)
    assert (runs.status, runs.due_at) == (SlotStatus.STARTED, NOON + timedelta(hours=5))
    with reading() as session:
        due = session.get_one(Schedule, schedule_id).next_run_at
    assert due == NOON + timedelta(hours=6)
    assert count(Backup) == 1


def test_a_clock_that_is_set_back_makes_no_slot_twice(core: Flask, moment: Moment) -> None:
    schedule_id = one_schedule()
    moment.pass_by(hours=1)
    tick.ask_for_backups()
    end()
    moment.pass_by(minutes=-30)
    with transaction() as session:
        schedule = schedules.locked(session, schedule_id)
        schedules.pause(session, schedule)
        schedules.resume(session, schedule)  # due at 13:00 once more
    moment.pass_by(minutes=30)
    tick.ask_for_backups()
    assert (states(schedule_id), count(Backup)) == (["completed"], 1)


def test_a_site_that_is_being_backed_up_is_waited_for(core: Flask, moment: Moment) -> None:
    schedule_id = one_schedule()
    moment.pass_by(hours=1)
    tick.ask_for_backups()
    moment.pass_by(hours=1)
    tick.ask_for_backups()
    assert states(schedule_id) == ["started", "waiting"]
    assert "shop" in found_slots(schedule_id)[1].why
    end()
    moment.pass_by(minutes=1)
    tick.ask_for_backups()
    assert states(schedule_id) == ["completed", "started"]


def test_a_slot_that_still_waits_when_the_next_is_due_is_skipped(
    core: Flask, moment: Moment
) -> None:
    schedule_id = one_schedule()
    for _ in range(3):
        moment.pass_by(hours=1)
        tick.ask_for_backups()
    assert states(schedule_id) == ["started", "skipped", "waiting"]
    assert "not ended" in found_slots(schedule_id)[1].why


def test_two_schedules_of_a_site_do_not_overlap(core: Flask, moment: Moment) -> None:
    with transaction() as session:
        server = add_server(session, backups_at_once=9)
        site = add_site(session, server)
        ids = [add_schedule(session, server, site, HOURLY).id for _ in range(2)]
    moment.pass_by(hours=1)
    tick.ask_for_backups()
    assert sorted(state for one in ids for state in states(one)) == ["started", "waiting"]


def test_a_server_makes_no_more_at_once_than_it_may(core: Flask, moment: Moment) -> None:
    with transaction() as session:
        server = add_server(session, backups_at_once=2)
        for number in range(5):
            add_schedule(session, server, add_site(session, server, f"s{number}"), HOURLY)
    moment.pass_by(hours=1)
    for expected in (2, 2, 1):
        tick.ask_for_backups()
        assert end() == expected
        moment.pass_by(seconds=30)


def test_what_may_pass_by_itself_is_tried_again_later_each_time(
    core: Flask, moment: Moment
) -> None:
    schedule_id = one_schedule("0 0 * * *", retries=2)
    moment.at = NOON + timedelta(hours=12)
    begun = []
    for _ in range(200):
        tick.ask_for_backups()
        if end(SshUnreachable("It does not answer.")):
            begun.append(moment.at)
        moment.pass_by(minutes=1)
    assert [later - earlier for earlier, later in pairwise(begun)] == [
        timedelta(minutes=5),
        timedelta(minutes=15),
    ]
    (slot,) = found_slots(schedule_id)
    assert (slot.status, slot.attempts) == (SlotStatus.FAILED, 3)
    assert slot.error_code == SshUnreachable.code


def test_what_was_to_be_tried_again_is_not_once_its_schedule_is_removed(
    core: Flask, moment: Moment
) -> None:
    schedule_id = one_schedule("0 0 * * *")
    moment.at = NOON + timedelta(hours=12)
    tick.ask_for_backups()
    end(SshUnreachable("It does not answer."))
    assert states(schedule_id) == ["waiting"]
    with transaction() as session:
        schedules.remove(session, schedules.locked(session, schedule_id))
    moment.pass_by(hours=1)
    tick.ask_for_backups()
    (slot,) = found_slots(schedule_id)
    assert (slot.status, slot.why, count(Backup)) == (SlotStatus.SKIPPED, slots.REMOVED, 1)


def test_a_backup_by_hand_that_fails_after_its_schedule_was_removed_is_not_tried_again(
    core: Flask, moment: Moment
) -> None:
    schedule_id = one_schedule("0 0 * * *")
    with transaction() as session:
        schedule = schedules.locked(session, schedule_id)
        starting.start_now(session, slots.by_hand(session, schedule), schedule, None)
        schedules.remove(session, schedule)
    end(SshUnreachable("It does not answer."))
    assert states(schedule_id) == ["failed"]


@pytest.mark.parametrize("error", [DiskFull("Full."), RunStopped("Stopped.")])
def test_what_does_not_pass_is_not_tried_again(
    core: Flask, moment: Moment, error: CloudPilotError
) -> None:
    schedule_id = one_schedule("0 0 * * *")
    moment.at = NOON + timedelta(hours=12)
    tick.ask_for_backups()
    end(error)
    moment.pass_by(hours=3)
    tick.ask_for_backups()
    assert (states(schedule_id), count(Backup)) == (["failed"], 1)


def test_the_next_slot_ends_the_tries_of_the_one_before(core: Flask, moment: Moment) -> None:
    schedule_id = one_schedule("*/10 * * * *", retries=5)
    moment.pass_by(minutes=10)
    tick.ask_for_backups()
    end(SshUnreachable("It does not answer."))
    moment.pass_by(minutes=4)
    tick.ask_for_backups()
    assert states(schedule_id) == ["waiting"]
    moment.pass_by(minutes=6)
    tick.ask_for_backups()
    assert states(schedule_id)[0] == "failed"
    assert len(found_slots(schedule_id)) == 2


def test_what_cannot_be_begun_fails_with_the_reason(core: Flask, moment: Moment) -> None:
    with transaction() as session:
        server = add_server(session)
        empty = add_site(session, server, paths=[])
        ids = [
            add_schedule(session, server, empty, HOURLY).id,
            add_schedule(session, add_server(session, "new", host_keys=[]), None, HOURLY).id,
        ]
    moment.pass_by(hours=1)
    tick.ask_for_backups()
    failed = [slot for one in ids for slot in found_slots(one)]
    assert [slot.status for slot in failed] == [SlotStatus.FAILED] * 2
    assert [slot.error_code for slot in failed] == ["INVALID_CONFIG", "SSH_NOT_CONFIGURED"]
    assert count(Backup) == 0


def test_starts_are_spread_and_stay_where_they_are(core: Flask, moment: Moment) -> None:
    with transaction() as session:
        server = add_server(session)
        site = add_site(session, server)
        for _ in range(200):
            add_schedule(session, server, site, HOURLY, spread_minutes=30)
    moment.pass_by(hours=1)
    tick.ask_for_backups()
    with reading() as session:
        starts = [slot.try_at - slot.due_at for slot in session.scalars(select(Slot))]
    assert all(timedelta() <= start < timedelta(minutes=30) for start in starts)
    each_five = Counter(start // timedelta(minutes=5) for start in starts)
    assert len(each_five) == 6
    assert max(each_five.values()) < 70


def test_run_now_leaves_the_plan_as_it_was(core: Flask, moment: Moment) -> None:
    schedule_id = one_schedule()
    with transaction() as session:
        schedule = schedules.locked(session, schedule_id)
        run = starting.start_now(session, slots.by_hand(session, schedule), schedule, None)
        assert run.backup_id
    with pytest.raises(InvalidState, match="under way"), transaction() as session:
        slots.by_hand(session, schedules.locked(session, schedule_id))
    end()
    assert states(schedule_id) == ["completed"]
    with reading() as session:
        assert session.get_one(Schedule, schedule_id).next_run_at == NOON + timedelta(hours=1)


def test_paused_and_removed_ones_are_not_due(core: Flask, moment: Moment) -> None:
    paused, removed = one_schedule(), one_schedule()
    with transaction() as session:
        schedules.pause(session, schedules.locked(session, paused))
        schedules.remove(session, schedules.locked(session, removed))
    moment.pass_by(days=2)
    tick.ask_for_backups()
    assert count(Slot) == 0
    with transaction() as session:
        schedules.resume(session, schedules.locked(session, paused))
    moment.pass_by(hours=1)
    tick.ask_for_backups()
    assert states(paused) == ["started"]  # and nothing was missed


def test_a_backup_that_somebody_begins_meanwhile_is_waited_for(core: Flask, moment: Moment) -> None:
    """Between the look at what is being made and the start of it: the database refuses it."""
    schedule_id = one_schedule()
    moment.pass_by(hours=1)
    tick._in_batches(slots.make_due, 0)
    with transaction() as session:
        slot, schedule = session.scalars(select(Slot)).one(), session.get_one(Schedule, schedule_id)
        wish = starting._Around.of(session, [(slot, schedule)]).wish(slot, schedule)
        requests.backup_now(session, replace(wish, slot_id=None, schedule_id=None), None)
        starting._make(session, [(slot, wish)])
    assert states(schedule_id) == ["waiting"]
    assert count(Backup) == 1


def late_words(schedule_id: UUID) -> list[str]:
    with reading() as session:
        rows = select(StatusEvent.new).where(StatusEvent.subject_id == schedule_id)
        return list(session.scalars(rows.order_by(StatusEvent.id)))


def test_a_schedule_without_a_good_backup_is_late_and_says_so_once(
    core: Flask, moment: Moment
) -> None:
    schedule_id = one_schedule("0 0 * * *", grace_minutes=60, retries=0)
    moment.at = NOON + timedelta(hours=12)  # midnight
    tick.ask_for_backups()
    end(DiskFull("Full."))
    moment.pass_by(minutes=59)
    tick.ask_for_backups()
    assert late_words(schedule_id) == []
    moment.pass_by(minutes=2)
    tick.ask_for_backups()
    tick.ask_for_backups()
    assert late_words(schedule_id) == ["late"]
    moment.at = NOON + timedelta(days=1, hours=12)
    tick.ask_for_backups()
    moment.pass_by(minutes=10)
    end()
    tick.ask_for_backups()
    assert late_words(schedule_id) == ["late", "on time"]
    with reading() as session:
        late_at = session.get_one(Schedule, schedule_id).late_at
    # The next is due a day later; it has an hour, and twice as long as this one took.
    assert late_at == NOON + timedelta(days=2, hours=13, minutes=20)


def test_the_databases_connections_are_given_back(core: Flask, moment: Moment) -> None:
    one_schedule()
    tick.ask_for_backups()
    assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_a_slot_waits_while_something_is_restored_to_its_server(
    core: Flask, moment: Moment
) -> None:
    """Half of what it would pack is of before, and half of after."""
    schedule_id = one_schedule()
    with transaction() as session:
        server_id = session.get_one(Schedule, schedule_id).server_id
        restoring = Run(kind=RunKind.RESTORE, server_id=server_id, subject="shop on web-1")
        session.add(restoring)
        session.flush()
        run_id = restoring.id
    moment.pass_by(hours=1)
    tick.ask_for_backups()
    [slot] = found_slots(schedule_id)
    assert (slot.status, slot.why) == (SlotStatus.WAITING, "A restore to web-1 is under way.")
    with transaction() as session:
        session.get_one(Run, run_id).move(session, Status.FAILED)
    moment.pass_by(minutes=2)
    tick.ask_for_backups()
    assert found_slots(schedule_id)[0].status is SlotStatus.STARTED
