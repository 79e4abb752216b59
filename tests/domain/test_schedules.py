"""Schedules: what changes when they come, what is due of them, and what is left out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import (
    chains,
    requests,
    scheduled,
    schedules,
    slots,
    starting,
    status_address,
)
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.runs import Run
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.slots import Slot, SlotStatus
from cloudpilot.domain.status import LostRace, StatusEvent
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import CommandFailed, NotFound
from cloudpilot.kinds import Role, RunKind
from cloudpilot.scheduling import tick
from tests.support.rows import add_person, add_server, add_site
from tests.support.schedules import MADE, add_schedule
from tests.support.time import Moment
from tests.support.vaulting import add_vault

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOURLY = "0 * * * *"


@pytest.fixture
def schedule_id(core: Flask, moment: Moment) -> UUID:
    with transaction() as session:
        server = add_server(session)
        return add_schedule(session, server, add_site(session, server), HOURLY).id


def row(schedule_id: UUID) -> Schedule:
    with reading() as session:
        return session.get_one(Schedule, schedule_id)


def only_slot() -> Slot:
    with reading() as session:
        return session.scalars(select(Slot)).one()


def test_what_is_not_there_cannot_be_locked(core: Flask, schedule_id: UUID) -> None:
    with transaction() as session:
        schedules.remove(session, schedules.locked(session, schedule_id))
    with transaction() as session:
        with pytest.raises(NotFound):
            schedules.locked(session, schedule_id)
        with pytest.raises(NotFound):
            schedules.find(session, schedule_id)


def test_only_another_time_begins_anew(schedule_id: UUID, moment: Moment) -> None:
    due = row(schedule_id).next_run_at
    moment.pass_by(minutes=30)
    with transaction() as session:
        schedule = schedules.locked(session, schedule_id)
        schedules.change(session, schedule, {"note": "other words", "cron": HOURLY})
    assert row(schedule_id).next_run_at == due
    with transaction() as session:
        schedule = schedules.locked(session, schedule_id)
        schedules.pause(session, schedule)
        schedules.change(session, schedule, {"cron": "0 3 * * *"})
    assert row(schedule_id).next_run_at is None
    assert row(schedule_id).upcoming(3) == []


def test_who_is_paused_while_late_is_not_late_any_more(schedule_id: UUID, moment: Moment) -> None:
    moment.pass_by(days=2)
    with transaction() as session:
        assert schedules.say_late(session, 10) == 1
    with transaction() as session:
        schedules.pause(session, schedules.locked(session, schedule_id))
    assert not row(schedule_id).is_late
    with reading() as session:
        rows = select(StatusEvent.new).where(StatusEvent.subject_id == schedule_id)
        assert list(session.scalars(rows.order_by(StatusEvent.id))) == ["late", "on time"]


def test_a_good_backup_of_a_paused_one_is_remembered(schedule_id: UUID, moment: Moment) -> None:
    with transaction() as session:
        schedule = schedules.locked(session, schedule_id)
        schedules.pause(session, schedule)
        schedules.is_good(session, schedule, NOON)
    assert (row(schedule_id).good_at, row(schedule_id).late_at) == (NOON, None)


def test_of_two_clocks_at_once_one_gives_way(schedule_id: UUID, moment: Moment) -> None:
    moment.pass_by(hours=1)
    with transaction() as session:
        schedule = session.get_one(Schedule, schedule_id)
        seen = replace_row(schedule, next_run_at=NOON)  # as it was before the other one came
        with pytest.raises(LostRace):
            slots._claim(session, [seen], moment())
    with reading() as session:
        assert session.scalars(select(Slot)).all() == []


def replace_row(schedule: Schedule, **columns: object) -> object:
    """What a query had found of it."""
    names = ("id", "cron", "zone", "next_run_at", "spread_minutes")
    values = {name: getattr(schedule, name) for name in names} | columns
    return type("Found", (), values)()


@pytest.mark.parametrize("gone", ["site", "server", "vault"])
def test_what_was_removed_meanwhile_fails_its_slot(
    schedule_id: UUID, moment: Moment, gone: str
) -> None:
    with transaction() as session:
        schedule = session.get_one(Schedule, schedule_id)
        schedule.vault_id = add_vault(session).id
        kind, row_id = {
            "site": (Site, schedule.site_id),
            "server": (Server, schedule.server_id),
            "vault": (Vault, schedule.vault_id),
        }[gone]
        session.get_one(kind, row_id).removed_at = NOON  # type: ignore[attr-defined]
    moment.pass_by(hours=1)
    tick.ask_for_backups()
    slot = only_slot()
    assert (slot.status, slot.error_code) == (SlotStatus.FAILED, "NOT_FOUND")
    assert "removed" in slot.why


def test_a_server_that_is_being_left_is_waited_for(schedule_id: UUID, moment: Moment) -> None:
    with transaction() as session:
        server_id = session.get_one(Schedule, schedule_id).server_id
        session.add(Run(kind=RunKind.UNINSTALL, server_id=server_id, subject="web-1"))
    moment.pass_by(hours=1)
    tick.ask_for_backups()
    assert only_slot().status is SlotStatus.WAITING
    assert "being removed" in only_slot().why


def test_what_somebody_has_begun_does_not_keep_the_others(core: Flask, moment: Moment) -> None:
    with transaction() as session:
        server = add_server(session)
        for name in ("one", "two"):
            add_schedule(session, server, add_site(session, server, name), HOURLY)
    moment.pass_by(hours=1)
    tick._in_batches(slots.make_due, 0)
    with transaction() as session:
        due = [
            (slot, session.get_one(Schedule, slot.schedule_id))
            for slot in session.scalars(select(Slot)).all()
        ]
        around = starting._Around.of(session, due)
        wishes = [(slot, around.wish(slot, schedule)) for slot, schedule in due]
        requests.backup_now(session, replace(wishes[0][1], slot_id=None, schedule_id=None), None)
        starting._make(session, wishes)
        states = sorted(slot.status.value for slot, _ in due)
    assert states == ["started", "waiting"]


def test_a_backup_keeps_its_place_in_a_chain(schedule_id: UUID, moment: Moment) -> None:
    with transaction() as session:
        schedule = session.get_one(Schedule, schedule_id)
        schedule.incremental = True
        slot = slots.by_hand(session, schedule)
        run = starting.start_now(session, slot, schedule, None)
        backup = session.get_one(Backup, run.backup_id)
        assert chains.is_wanted(session, backup)
        assert [chains.join(session, backup) for _ in range(2)] == [None, None]
        assert (backup.chain_id, backup.level) == (backup.id, 0)
        backup.level, backup.base_id = 1, UUID(int=1)
        with pytest.raises(CommandFailed, match="another backup"):
            chains.made(backup, replace(MADE, level=1, base="somebody else's"))


def test_a_status_address_is_good_until_there_is_a_newer_one(core: Flask) -> None:
    with transaction() as session:
        owner = add_person(session, Role.OWNER)
        _, first = status_address.make(session, owner)
        assert status_address.is_good(session, first.reveal())
        _, second = status_address.make(session, owner)
        assert [status_address.is_good(session, one.reveal()) for one in (first, second)] == [
            False,
            True,
        ]


def test_a_schedule_that_comes_rarely_is_late_after_twelve_hours(
    core: Flask, moment: Moment
) -> None:
    with transaction() as session:
        server = add_server(session)
        yearly = add_schedule(session, server, None, "0 0 1 1 *")
        often = add_schedule(session, server, None, "*/5 * * * *")
        assert yearly.late_at
        assert yearly.next_run_at
        assert yearly.late_at - yearly.next_run_at == timedelta(hours=12)
        assert often.late_at
        assert often.next_run_at
        assert often.late_at - often.next_run_at == timedelta(hours=1)


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (3, 3), (12, scheduled.LATE_SHOWN)])
def test_all_late_ones_are_counted_and_the_latest_shown(
    core: Flask, moment: Moment, count: int, shown: int
) -> None:
    with transaction() as session:
        server = add_server(session)
        made = [add_schedule(session, server, None, HOURLY) for _ in range(count + 1)]
        for number, schedule in enumerate(made[:count]):
            schedule.late_at = NOON - timedelta(minutes=number + 1)
        made[-1].late_at = NOON + timedelta(minutes=1)
        by_lateness = [schedule.id for schedule in reversed(made[:count])]
    with reading() as session:
        total, rows = scheduled.late(session)
    assert (total, [row.schedule.id for row in rows]) == (count, by_lateness[:shown])
