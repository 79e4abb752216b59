"""Expiry: what has had its time goes from every place, what stays says why, and nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import deletions, outcomes
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.errors import InvalidState
from cloudpilot.kinds import BackupType, Compression, Place, Role, RunKind
from cloudpilot.scheduling import tick
from tests.support.rows import add_person, add_server, add_site
from tests.support.schedules import add_schedule
from tests.support.time import Moment
from tests.support.vaulting import add_vault

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def site_id(core: Flask, moment: Moment) -> UUID:
    with transaction() as session:
        return add_site(session, add_server(session)).id


def add(of_site: UUID, age: float, *, vault_id: UUID | None = None, **columns: Any) -> UUID:
    """A backup of so many days ago, with a copy on its server and one in the vault if given."""
    with transaction() as session:
        site = session.get_one(Site, of_site)
        server = session.get_one(Server, site.server_id)
        created_at = NOW - age * DAY
        values: dict[str, Any] = {
            "id": uuid4(),
            "type": BackupType.FILES,
            "status": Status.COMPLETED,
            "server_id": server.id,
            "site_id": site.id,
            "server_name": server.name,
            "site_name": site.name,
            "paths": site.paths,
            "excludes": [],
            "compression": Compression.GZIP,
            "created_at": created_at,
            "expires_at": created_at + 30 * DAY,
            "judge_at": created_at + 30 * DAY,
            "archive": "a.tar.gz",
            "size": 1000,
            "counts": {"files": 10, "directories": 1},
        }
        backup = Backup(**(values | columns))
        is_there = backup.status is Status.COMPLETED
        state = CopyStatus.STORED if is_there else CopyStatus.GONE
        shared = {"status": state, "name": "a.tar.gz", "sha256": "ab" * 32, "size": 1000}
        backup.copies.append(
            Copy(place=Place.SERVER, server_id=server.id, root=server.backup_root, **shared)
        )
        if vault_id:
            backup.copies.append(Copy(place=Place.VAULT, vault_id=vault_id, **shared))
        session.add(backup)
        return backup.id


def row(backup_id: UUID) -> Backup:
    with reading() as session:
        return session.get_one(Backup, backup_id)


def going() -> set[UUID]:
    """The backups that are being deleted, or have been."""
    with reading() as session:
        rows = select(Backup.id).where(Backup.delete_requested_at.is_not(None))
        return set(session.scalars(rows))


def finish_deletions() -> None:
    """Every deletion is done and proven."""
    with transaction() as session:
        rows = select(Run).where(Run.kind == RunKind.DELETE, Run.status == Status.PENDING)
        for run in session.scalars(rows).all():
            run.move(session, Status.RUNNING)
            run.move(session, Status.COMPLETED)
            outcomes.removed(session, run)


def test_what_has_had_its_time_goes_from_every_place(site_id: UUID) -> None:
    with transaction() as session:
        vault_id = add_vault(session, "offsite").id
    old = add(site_id, 31, vault_id=vault_id)
    young = add(site_id, 29, vault_id=vault_id)
    tick.ask_for_expiry()
    assert going() == {old}
    with reading() as session:
        runs = session.scalars(select(Run).where(Run.kind == RunKind.DELETE)).all()
        assert {run.vault_id for run in runs} == {None, vault_id}
        assert {run.requested_by for run in runs} == {None}
        said = session.scalars(select(AuditEntry)).one()
        assert (said.actor, said.action, said.subject_id) == ("CloudPilot", "backup.expired", old)
    assert row(old).deleted_at is None
    finish_deletions()
    assert row(old).deleted_at
    assert not row(young).is_being_deleted
    tick.ask_for_expiry()
    assert going() == {old}


def test_the_last_good_one_stays_and_says_why(site_id: UUID, moment: Moment) -> None:
    only = add(site_id, 40)
    tick.ask_for_expiry()
    assert going() == set()
    assert "newest good copy on the server" in row(only).kept_because
    assert row(only).judge_at == NOW + DAY
    newer = add(site_id, 0)
    moment.pass_by(days=1)
    tick.ask_for_expiry()
    assert going() == {only}
    assert row(newer).kept_because == ""


def test_the_last_copy_of_a_vault_stays_though_newer_ones_are_local(site_id: UUID) -> None:
    with transaction() as session:
        vault_id = add_vault(session, "offsite").id
    offsite = add(site_id, 35, vault_id=vault_id)
    for age in (3, 2, 1):
        add(site_id, age)
    tick.ask_for_expiry()
    assert going() == set()
    assert "in offsite" in row(offsite).kept_because


def test_nothing_goes_while_the_newest_attempt_failed(site_id: UUID, moment: Moment) -> None:
    ids = [add(site_id, age) for age in (33, 32, 31)]
    add(site_id, 20)
    add(site_id, 1, status=Status.FAILED, error_code="DISK_FULL")
    tick.ask_for_expiry()
    assert going() == set()
    assert all("failed" in row(one).kept_because for one in ids)
    add(site_id, 0)
    moment.pass_by(days=1)
    tick.ask_for_expiry()
    assert going() == set(ids)


def test_failed_attempts_that_left_nothing_leave_the_lists(site_id: UUID) -> None:
    failed = add(site_id, 31, status=Status.FAILED, error_code="DISK_FULL")
    add(site_id, 1)
    tick.ask_for_expiry()
    assert row(failed).deleted_at


def test_a_pinned_one_stays(site_id: UUID) -> None:
    pinned = add(site_id, 100, pinned_at=NOW - DAY)
    add(site_id, 1)
    tick.ask_for_expiry()
    assert going() == set()
    assert row(pinned).kept_because == "Kept because it is pinned."


def test_a_schedule_keeps_some_beyond_their_days(site_id: UUID) -> None:
    with transaction() as session:
        site = session.get_one(Site, site_id)
        server = session.get_one(Server, site.server_id)
        schedule = add_schedule(session, server, site, "0 3 * * *", keep_monthly=3)
        schedule_id = schedule.id
    ages = (1, 31, 32, 60, 61, 100)
    ids = {age: add(site_id, age, schedule_id=schedule_id) for age in ages}
    tick.ask_for_expiry()
    assert {age for age, one in ids.items() if one in going()} == {32, 61, 100}
    assert "one a month for 3 months" in row(ids[31]).kept_because


def test_a_chain_goes_as_one(site_id: UUID) -> None:
    full_id = uuid4()
    full = add(site_id, 40, id=full_id, chain_id=full_id)
    last = add(site_id, 29, chain_id=full_id, base_id=full_id, level=1)
    add(site_id, 1)
    tick.ask_for_expiry()
    assert going() == set()
    assert "same chain" in row(full).kept_because
    with transaction() as session:
        session.get_one(Backup, last).expires_at = NOW - DAY
        for one in (full, last):
            session.get_one(Backup, one).judge_at = NOW
    tick.ask_for_expiry()
    assert going() == {full, last}


def test_a_person_who_deletes_takes_with_it_what_continues_it(site_id: UUID) -> None:
    ids = [uuid4() for _ in range(4)]
    for level, one in enumerate(ids):
        base = {"base_id": ids[level - 1]} if level else {}
        add(site_id, 4 - level, id=one, chain_id=ids[0], level=level, **base)
    with transaction() as session:
        person = add_person(session, Role.OWNER)
        deletions.delete(session, session.get_one(Backup, ids[2]), person)
    assert going() == set(ids[2:])


def test_what_is_being_continued_is_not_deleted(site_id: UUID) -> None:
    full = uuid4()
    add(site_id, 2, id=full, chain_id=full)
    add(site_id, 0, status=Status.RUNNING, chain_id=full, base_id=full, level=1)
    with transaction() as session:
        person = add_person(session, Role.OWNER)
        backup = session.get_one(Backup, full)
        with pytest.raises(InvalidState, match="being made"):
            deletions.delete(session, backup, person)
    assert going() == set()


def test_what_lies_on_a_server_that_was_left_stays_and_says_so(site_id: UUID) -> None:
    old = add(site_id, 40)
    add(site_id, 1)
    with transaction() as session:
        site = session.get_one(Site, site_id)
        session.get_one(Server, site.server_id).removed_at = NOW
    tick.ask_for_expiry()
    assert going() == set()
    assert "cannot delete it there" in row(old).kept_because


def test_paths_of_a_server_stand_in_for_the_same_paths_only(core: Flask, moment: Moment) -> None:
    with transaction() as session:
        site = add_site(session, add_server(session))
        site_id = site.id
    home = add(site_id, 50, site_id=None, paths=["/home"])
    etc = add(site_id, 40, site_id=None, paths=["/etc"])
    add(site_id, 1, site_id=None, paths=["/etc"])
    tick.ask_for_expiry()
    assert going() == {etc}
    assert "newest good" in row(home).kept_because


def test_a_shrunken_one_does_not_let_the_last_whole_one_go(site_id: UUID, moment: Moment) -> None:
    whole = add(site_id, 31)
    shrunken = add(site_id, 1, size=100, usual_size=1000)
    assert row(shrunken).is_shrunken
    tick.ask_for_expiry()
    assert going() == set()
    with transaction() as session:
        session.get_one(Backup, shrunken).usual_size = None  # somebody says that this is right
    moment.pass_by(days=1)
    tick.ask_for_expiry()
    assert going() == {whole}
