"""How long backups stay, as people see and change it: pins, chains, what goes when."""

import re
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.kinds import Place
from tests.support.rows import add_database, add_server, add_site
from tests.support.vaulting import add_vault
from tests.web.conftest import Browser
from tests.web.scenes import add_backup, add_made

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def site_id(app: Flask) -> UUID:
    with transaction() as session:
        return add_site(session, add_server(session)).id


def add(site_id: UUID, age: int, **columns: object) -> UUID:
    with transaction() as session:
        site = session.get_one(Site, site_id)
        server = session.get_one(Server, site.server_id)
        return add_backup(session, server, site, Status.COMPLETED, age=age * DAY, **columns).id


def chain_of(site_id: UUID, length: int) -> list[UUID]:
    """A full backup and its increments, a day apart, the last one of today."""
    ids = [uuid4() for _ in range(length)]
    for level, one in enumerate(ids):
        base = ids[level - 1] if level else None
        add(site_id, length - 1 - level, id=one, chain_id=ids[0], base_id=base, level=level)
    return ids


def stored_in(vault: Vault, backup: Backup) -> Copy:
    """A copy there, proven."""
    proof = {"verified_by": "md5-parts", "verified_at": clock.now(), "size": backup.size}
    place = {"place": Place.VAULT, "vault_id": vault.id, "name": backup.archive}
    return Copy(status=CopyStatus.STORED, **place, **proof)


def row(backup_id: UUID) -> Backup:
    with reading() as session:
        return session.get_one(Backup, backup_id)


def actions() -> list[str]:
    with reading() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_what_is_kept_is_shown_for_now_and_for_later(owner: Browser, site_id: UUID) -> None:
    for age in (40, 25, 1):
        add(site_id, age)
    now, later = (owner.get(f"/sites/{site_id}/retention?days={days}") for days in (0, 30))
    assert "2 backups stay, 1 goes" in now.text
    assert "Goes: its 30 days were over" in now.text
    assert "If nothing new were backed up, in 30 days: 1 backup stays, 2 go" in later.text
    assert "newest good copy on the server" in later.text
    assert "2 backups stay, 1 goes" in owner.get(f"/sites/{site_id}/retention?days=x").text


def test_a_pin_is_set_and_taken_back(owner: Browser, site_id: UUID) -> None:
    backup_id = add(site_id, 1)
    owner.post(f"/backups/{backup_id}/pin")
    assert row(backup_id).pinned_at
    page = owner.get(f"/backups/{backup_id}").text
    assert "It is pinned" in page
    assert "Unpin" in page
    owner.post(f"/backups/{backup_id}/unpin")
    assert row(backup_id).pinned_at is None
    assert actions()[-2:] == ["backup.pinned", "backup.unpinned"]


def test_what_is_being_deleted_cannot_be_pinned(owner: Browser, site_id: UUID) -> None:
    backup_id = add(site_id, 1)
    owner.post(f"/backups/{backup_id}/delete")
    assert "being deleted" in owner.post(f"/backups/{backup_id}/pin", 409).text


def test_a_small_one_says_so_until_somebody_says_that_it_is_right(
    owner: Browser, site_id: UUID
) -> None:
    backup_id = add(site_id, 1, size=100, usual_size=1000)
    assert "less than half as large as usual" in owner.get(f"/backups/{backup_id}").text
    owner.post(f"/backups/{backup_id}/size-is-right")
    assert "less than half as large as usual" not in owner.get(f"/backups/{backup_id}").text
    assert actions()[-1] == "backup.size-accepted"


def test_a_chain_is_shown_and_goes_with_what_it_is_needed_for(
    owner: Browser, site_id: UUID
) -> None:
    full, first, second = chain_of(site_id, 3)
    page = owner.get(f"/backups/{second}").text
    assert "a restore takes 3 archives" in page
    assert page.count("needed to restore this one") == 2
    assert "The full backup that it begins with" in owner.get(f"/backups/{full}").text
    asked = owner.get(f"/backups/{first}/delete").text
    assert "1 increment that continues it goes with it" in asked
    owner.post(f"/backups/{first}/delete")
    assert [bool(row(one).delete_requested_at) for one in (full, first, second)] == [
        False,
        True,
        True,
    ]


def test_why_an_increment_became_full_is_said(owner: Browser, site_id: UUID) -> None:
    backup_id = add(site_id, 1, tools={"full_because": "clock_back"})
    assert "clock has been set back" in owner.get(f"/backups/{backup_id}").text


def test_increments_are_wished_for_on_the_form(owner: Browser, site_id: UUID) -> None:
    fields = {"cron": "0 3 * * *", "zone": "UTC", "incremental": "y"}
    wrong = owner.post(f"/schedules/new?site={site_id}", 422, **fields, full_every="1")
    assert "every 2 to 100 backups" in wrong.text
    owner.post(f"/schedules/new?site={site_id}", **fields, full_every="14", full_days="30")
    with reading() as session:
        schedule = session.scalars(select(Schedule)).one()
    assert (schedule.incremental, schedule.full_every, schedule.full_days) == (True, 14, 30)
    assert "A full backup every 14 and after 30 days" in owner.get(f"/schedules/{schedule.id}").text
    edit = owner.get(f"/schedules/{schedule.id}/edit")
    assert "checked" in edit.one("input", name="incremental").attrs
    assert edit.one("input", name="full_every").attrs["value"] == "14"


def test_databases_have_no_increments(owner: Browser, site_id: UUID) -> None:
    with transaction() as session:
        add_database(session, session.get_one(Site, site_id))
    fields = {"cron": "0 3 * * *", "zone": "UTC", "incremental": "y", "type": "database"}
    page = owner.post(f"/schedules/new?site={site_id}", 422, **fields)
    assert "a database is dumped whole each time" in page.text


def test_the_only_copy_is_called_so(owner: Browser, site_id: UUID) -> None:
    backup_id = add(site_id, 1)
    with transaction() as session:
        vault = add_vault(session, "offsite")
        row = session.get_one(Backup, backup_id)
        row.copies[0].status = CopyStatus.GONE
        row.copies.append(stored_in(vault, row))
    page = owner.get(f"/backups/{backup_id}").text
    assert "the one in offsite is the only one" in page
    asked = owner.get(f"/backups/{backup_id}/delete").text
    assert re.search(r"is deleted\s+from offsite. It cannot be brought back", asked)
    assert "There is no other copy of it" in asked
    assert "Otherwise it would be kept until" in asked


def test_what_a_vault_still_has_is_not_to_be_deleted(owner: Browser, site_id: UUID) -> None:
    backup_id = add(site_id, 1)
    with transaction() as session:
        vault = add_vault(session, "offsite")
        row = session.get_one(Backup, backup_id)
        row.copies[0].status, row.copies[0].missing_why = CopyStatus.MISSING, "It is not there."
        row.copies.append(stored_in(vault, row))
    page = owner.get(f"/backups/{backup_id}").text
    assert "A vault still has this backup: keep it" in page
    assert "delete the backup here" not in page
    assert "the only one that is left" in owner.get(f"/backups/{backup_id}/delete").text


def test_a_streamed_one_that_failed_is_not_to_be_uploaded_again(
    owner: Browser, site_id: UUID
) -> None:
    with transaction() as session:
        site = session.get_one(Site, site_id)
        server = session.get_one(Server, site.server_id)
        failed = {"streamed": True, "error_code": "UPLOAD_FAILED", "error_detail": "Gone."}
        backup_id = add_made(session, server, site, Status.FAILED, **failed)[0].id
    page = owner.get(f"/backups/{backup_id}").text
    assert "Back up again: nothing of it was stored on its server" in page
    assert "Upload the backup again" not in page
