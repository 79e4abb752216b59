"""Schedules as people see, enter, pause and run them; the status address."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from markupsafe import escape
from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import schedules, status_address
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.slots import Slot, SlotStatus
from cloudpilot.domain.status import Status
from cloudpilot.jobs import pulse
from cloudpilot.kinds import BackupType, Role
from tests.support.rows import add_database, add_server, add_site
from tests.support.schedules import add_schedule
from tests.support.vaulting import add_vault
from tests.web.conftest import Browser
from tests.web.scenes import DISK_FULL, add_backup

HOSTILE = "<script>alert(1)</script> '\"&"
SHOWN = str(escape(HOSTILE))
FIELDS = {
    "cron": "30 2 * * 1-5",
    "zone": "Europe/Vienna",
    "retention_days": "14",
    "retries": "1",
    "note": HOSTILE,
}


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def site_id(app: Flask) -> UUID:
    """A site that has files only."""
    with transaction() as session:
        return add_site(session, add_server(session), HOSTILE).id


@pytest.fixture
def schedule_id(site_id: UUID) -> UUID:
    """A schedule of that site, every night."""
    with transaction() as session:
        site = session.get_one(Site, site_id)
        server = session.get_one(Server, site.server_id)
        return add_schedule(session, server, site, "0 3 * * *").id


def stored() -> Schedule:
    with reading() as session:
        return session.scalars(select(Schedule)).one()


def actions() -> list[str]:
    with reading() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_a_schedule_is_entered_and_shown_in_words(owner: Browser, site_id: UUID) -> None:
    answer = owner.post(f"/schedules/new?site={site_id}", **FIELDS, keep_monthly="12").answer
    schedule = stored()
    assert answer.location == f"/schedules/{schedule.id}"
    assert (schedule.cron, schedule.zone, schedule.retention_days) == (
        "30 2 * * 1-5",
        "Europe/Vienna",
        14,
    )
    assert (schedule.type, schedule.keep_monthly, schedule.retries) == (BackupType.FILES, 12, 1)
    assert schedule.next_run_at
    assert schedule.next_run_at > clock.now()
    page = owner.get(f"/schedules/{schedule.id}")
    for words in ("At 02:30, Monday through Friday", "Europe/Vienna", "02:30 CET", SHOWN):
        assert words in page.text
    assert "schedule.added" in actions()
    assert SHOWN in owner.get("/schedules").text
    assert "At 02:30" in owner.get(f"/sites/{site_id}").text


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("cron", "", "five fields"),
        ("cron", "61 * * * *", "minute"),
        ("cron", "0 0 30 2 *", "never comes"),
        ("cron", "* * * * * *", "five fields"),
        ("zone", "Middle/Earth", "no time zone"),
        ("retention_days", "0", "from 1 to 365"),
        ("retention_days", "366", "from 1 to 365"),
        ("keep_last", "-1", "Give a number"),
        ("keep_weekly", "1001", "Give a number"),
        ("spread_minutes", "1441", "Give minutes"),
        ("grace_minutes", "0", "Give minutes"),
        ("retries", "6", "from 0 to 5"),
        ("note", "x" * 501, "one line"),
    ],
)
def test_what_makes_no_sense_is_said_at_its_field(
    owner: Browser, site_id: UUID, field: str, text: str, words: str
) -> None:
    page = owner.post(f"/schedules/new?site={site_id}", 422, **(FIELDS | {field: text}))
    assert words.lower() in page.text.lower()
    with reading() as session:
        assert session.scalars(select(Schedule)).all() == []


def test_what_is_typed_is_read_back_while_it_is_typed(owner: Browser) -> None:
    said = owner.client.get("/schedules/reading?cron=0+*/6+*+*+*&zone=Asia/Tokyo").text
    assert said.count("JST") == 5
    assert "every 6 hours" in said.lower()
    wrong = owner.client.get("/schedules/reading?cron=%3Cb%3E&zone=UTC")
    assert wrong.status_code == 200
    assert "<b>" not in wrong.text


def test_a_site_with_databases_asks_what_and_a_vault_how(owner: Browser, site_id: UUID) -> None:
    with transaction() as session:
        add_database(session, session.get_one(Site, site_id))
        vault_id = add_vault(session, "offsite").id
    assert "as one restore point" in owner.get(f"/schedules/new?site={site_id}").text
    more = {"type": "database", "vault_id": str(vault_id), "local": "goes", "local_days": "3"}
    owner.post(f"/schedules/new?site={site_id}", **FIELDS, **more)
    schedule = stored()
    assert (schedule.type, schedule.vault_id) == (BackupType.DATABASE, vault_id)
    assert schedule.local_days == 3
    assert "offsite" in owner.get(f"/schedules/{schedule.id}").text
    refused = owner.post(f"/vaults/{vault_id}/remove", 409)
    assert "Schedules send backups there" in refused.text
    assert str(schedule.id) in owner.get(f"/vaults/{vault_id}/remove").text


def test_paths_of_a_server_can_be_scheduled(owner: Browser, site_id: UUID) -> None:
    with reading() as session:
        server_id = session.scalars(select(Server.id)).one()
    assert str(site_id) in owner.get("/schedules/new").text
    own = {"paths": "/etc\n/root", "excludes": "*.log", "compression": "zstd"}
    owner.post(f"/schedules/new?server={server_id}", **FIELDS, **own)
    schedule = stored()
    assert (schedule.site_id, schedule.paths, schedule.excludes) == (
        None,
        ["/etc", "/root"],
        ["*.log"],
    )
    assert "/etc and 1 more" in owner.get("/schedules").text
    page = owner.get(f"/schedules/{schedule.id}/edit")
    assert "/root" in page.text
    assert str(schedule.id) in owner.get(f"/servers/{server_id}").text


def test_a_change_is_kept_with_what_was_before(owner: Browser, schedule_id: UUID) -> None:
    before = stored().next_run_at
    assert "0 3 * * *" in owner.get(f"/schedules/{schedule_id}/edit").text
    owner.post(f"/schedules/{schedule_id}/edit", **(FIELDS | {"cron": "0 5 * * *"}))
    after = stored()
    assert after.cron == "0 5 * * *"
    assert after.next_run_at != before
    with reading() as session:
        rows = select(AuditEntry).where(AuditEntry.action == "schedule.changed")
        assert session.scalars(rows).one().details["changes"]["cron"] == ["0 3 * * *", "0 5 * * *"]


def test_pause_and_resume(owner: Browser, schedule_id: UUID) -> None:
    owner.post(f"/schedules/{schedule_id}/pause")
    assert stored().next_run_at is None
    assert "Paused" in owner.get(f"/schedules/{schedule_id}").text
    owner.post(f"/schedules/{schedule_id}/resume")
    assert stored().next_run_at
    assert {"schedule.paused", "schedule.resumed"} <= set(actions())


def test_run_now_begins_a_backup_and_says_so_if_it_cannot(
    sign_in: Callable[[Role], Browser], schedule_id: UUID
) -> None:
    member = sign_in(Role.MEMBER)
    answer = member.post(f"/schedules/{schedule_id}/run").answer
    with reading() as session:
        backup = session.scalars(select(Backup)).one()
    assert answer.location == f"/backups/{backup.id}"
    assert backup.schedule_id == schedule_id
    assert "Run now" in member.get(f"/schedules/{schedule_id}").text
    assert member.post(f"/schedules/{schedule_id}/run", 409).text.count("under way")


def test_a_removed_one_is_gone_and_its_backups_are_not(owner: Browser, schedule_id: UUID) -> None:
    owner.post(f"/schedules/{schedule_id}/run")
    with reading() as session:
        backup_id = session.scalars(select(Backup.id)).one()
    assert "No more backups" in owner.get(f"/schedules/{schedule_id}/remove").text
    owner.post(f"/schedules/{schedule_id}/remove")
    owner.get(f"/schedules/{schedule_id}", 404)
    owner.get(f"/backups/{backup_id}")
    assert "No schedules yet" in owner.get("/schedules").text


def test_a_removed_site_takes_its_schedules_with_it(
    owner: Browser, site_id: UUID, schedule_id: UUID
) -> None:
    owner.post(f"/sites/{site_id}/remove")
    assert stored().next_run_at is None


@pytest.mark.parametrize(
    ("role", "runs", "manages"),
    [(Role.ADMIN, True, True), (Role.MEMBER, True, False), (Role.VIEWER, False, False)],
)
def test_members_may_run_and_viewers_only_look(
    sign_in: Callable[[Role], Browser], schedule_id: UUID, role: Role, runs: bool, manages: bool
) -> None:
    page = sign_in(role).get(f"/schedules/{schedule_id}").text
    assert ("Run now" in page, "/edit" in page) == (runs, manages)


def be_late(schedule_id: UUID) -> None:
    with transaction() as session:
        session.get_one(Schedule, schedule_id).late_at = clock.now() - timedelta(minutes=1)


def test_a_late_one_is_on_the_overview(owner: Browser, schedule_id: UUID) -> None:
    assert "Late schedules" not in owner.get("/").text
    be_late(schedule_id)
    page = owner.get("/").text
    assert "1 schedule is late" in page
    assert "Late schedules" in page
    assert "It is late." in owner.get(f"/schedules/{schedule_id}").text


def test_a_site_is_fresh_while_its_weekly_schedule_is_on_time(
    owner: Browser, site_id: UUID, schedule_id: UUID
) -> None:
    with transaction() as session:
        site = session.get_one(Site, site_id)
        server = session.get_one(Server, site.server_id)
        add_backup(session, server, site, Status.COMPLETED, age=timedelta(days=5))
    state = "/sites?state=old"
    assert SHOWN in owner.get(state).text
    with transaction() as session:
        schedule = session.get_one(Schedule, schedule_id)
        schedules.change(session, schedule, {"cron": "0 3 * * 0"})
        schedule.good_at = clock.now() - timedelta(days=5)
    assert SHOWN not in owner.get(state).text
    be_late(schedule_id)
    assert SHOWN in owner.get(state).text


@pytest.fixture
def address(owner: Browser, monkeypatch: pytest.MonkeyPatch) -> str:
    """The status address; the clock is alive."""
    monkeypatch.setattr(pulse, "is_well", lambda _seconds: True)
    page = owner.post("/status/make", 200)
    return page.one("textarea", id="status-address").text.strip().removeprefix("http://localhost")


def test_the_status_address_says_whether_all_is_well(
    anonymous: Browser, owner: Browser, schedule_id: UUID, address: str
) -> None:
    assert anonymous.client.get(address).status_code == 200
    be_late(schedule_id)
    answer = anonymous.client.get(address)
    assert (answer.status_code, answer.text) == (503, "attention\n")
    with transaction() as session:
        session.get_one(Schedule, schedule_id).late_at = None
        server = session.scalars(select(Server)).one()
        add_backup(session, server, None, Status.FAILED, **DISK_FULL)
    assert anonymous.client.get(address).status_code == 503


def test_a_clock_that_stands_still_is_not_well(
    anonymous: Browser, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "is_well", lambda _seconds: False)
    assert anonymous.client.get(address).status_code == 503


def test_a_status_address_is_shown_once_and_dies(
    anonymous: Browser, owner: Browser, address: str
) -> None:
    assert address not in owner.get("/status").text
    with reading() as session:
        assert address.rsplit("/", 1)[1] not in str(vars(status_address.current(session)))
    owner.post("/status/make", 200)
    assert anonymous.client.get(address).status_code == 404
    owner.post("/status/end")
    assert "There is none yet" in owner.get("/status").text


def test_what_waits_and_what_failed_is_said_of_each_slot(owner: Browser, schedule_id: UUID) -> None:
    now = clock.now()
    with transaction() as session:
        for number, status in enumerate(SlotStatus):
            due_at = now - timedelta(hours=number)
            slot = Slot(schedule_id=schedule_id, due_at=due_at, try_at=now, status=status)
            slot.why = HOSTILE
            session.add(slot)
    page = owner.get(f"/schedules/{schedule_id}").text
    for words in ("Waiting", "Running", "Failed", "Skipped", "Missed"):
        assert words in page
