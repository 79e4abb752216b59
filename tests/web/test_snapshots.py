"""The pages of snapshots: asked for, watched, used; and what cannot be done with one, with why."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import snapshots
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.errors import SnapshotMissing, SnapshotNotDownloadable, SnapshotRestore
from cloudpilot.kinds import BackupType, Role, RunKind
from tests.support import clouding
from tests.support.rows import add_server
from tests.support.vaulting import add_vault
from tests.web.conftest import Browser

HOSTILE = "<b>web</b> '\"; $(id) ünï"
STEPS = [{"sentence": "Make a volume of it.", "command": "aws ec2 create-volume <x>"}]


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def member(sign_in: Callable[[Role], Browser]) -> Browser:
    return sign_in(Role.MEMBER)


@pytest.fixture
def server_id(app: Flask) -> UUID:
    """A server that is a machine of a cloud; nobody logs in there."""
    with transaction() as session:
        server = add_server(session, HOSTILE, host_keys=[])
        clouding.linked(session, server)
        return server.id


@pytest.fixture
def made(server_id: UUID) -> UUID:
    """A whole snapshot of one disk."""
    with transaction() as session:
        backup_id = clouding.ask(session, session.get_one(Server, server_id))
        backup = session.get_one(Backup, backup_id)
        run = session.scalars(select(Run)).one()
        for row in (run, backup):
            row.move(session, Status.RUNNING)
        part = {"id": "snap-<1>", "disk": "/dev/sda", "size": 8 * 2**30}
        found = snapshots.Found(8 * 2**30, [part], "About $0.40 a month.", STEPS)
        snapshots.describe(session, run, found)
        snapshots.ended(session, run, None, leave=False)
        run.move(session, Status.COMPLETED)
        return backup_id


def backup_of(backup_id: UUID) -> Backup:
    with reading() as session:
        return session.get_one(Backup, backup_id, populate_existing=True)


def test_it_is_asked_for_and_followed(member: Browser, server_id: UUID) -> None:
    page = member.get(f"/servers/{server_id}/snapshot")
    assert "web-1" in page.text  # the machine's name at its cloud
    member.post(f"/servers/{server_id}/snapshot", retention_days="7", note="before the upgrade")
    with reading() as session:
        backup = session.scalars(select(Backup)).one()
        run = session.scalars(select(Run)).one()
    assert (backup.type, backup.retention_days) == (BackupType.SNAPSHOT, 7)
    assert (run.kind, run.cloud_id is None) == (RunKind.SNAPSHOT, False)
    assert "before the upgrade" in member.get(f"/backups/{backup.id}").text
    member.post(f"/backups/{backup.id}/stop")
    with reading() as session:
        assert session.scalars(select(Run)).one().stop_requested_at


def test_two_at_once_are_refused(member: Browser, server_id: UUID) -> None:
    member.post(f"/servers/{server_id}/snapshot")
    page = member.post(f"/servers/{server_id}/snapshot", 409)
    assert "BACKUP_IN_PROGRESS" in page.text


def test_of_a_server_without_a_machine_there_is_none(member: Browser) -> None:
    with transaction() as session:
        other = add_server(session, "other").id
    page = member.get(f"/servers/{other}/snapshot", 422)
    assert "Choose first which machine" in page.text


def test_a_whole_one_says_what_it_is_and_what_it_costs(owner: Browser, made: UUID) -> None:
    text = owner.get(f"/backups/{made}").text
    for said in ("snap-&lt;1&gt;", "/dev/sda", "About $0.40", "create-volume &lt;x&gt;", "1 disk"):
        assert said in text, said
    for absent in ("Compression", f"/backups/{made}/restore", f"/backups/{made}/files"):
        assert absent not in text, absent


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("restore", SnapshotRestore.code),
        ("files", SnapshotNotDownloadable.code),
        ("download", SnapshotNotDownloadable.code),
        ("upload", SnapshotNotDownloadable.code),
    ],
)
def test_what_cannot_be_done_says_why(owner: Browser, made: UUID, address: str, code: str) -> None:
    with transaction() as session:
        add_vault(session)
    page = owner.get(f"/backups/{made}/{address}", 409)
    assert code in page.text


def test_something_new_is_made_of_it_after_a_question(owner: Browser, made: UUID) -> None:
    page = owner.get(f"/backups/{made}/create?part=snap-<1>")
    assert "Nothing that runs is stopped" in page.text
    owner.post(f"/backups/{made}/create?part=snap-<1>", name=HOSTILE)
    with reading() as session:
        run = session.scalars(select(Run).where(Run.kind == RunKind.CREATE)).one()
    assert run.options == {"part": "snap-<1>", "name": HOSTILE}
    text = owner.get(f"/backups/{made}").text
    assert "Being ordered" in text
    assert "<b>" not in text
    owner.get(f"/backups/{made}/create?part=another", 404)


def test_a_member_makes_nothing_of_it(member: Browser, made: UUID) -> None:
    member.get(f"/backups/{made}/create?part=snap-<1>", 403)
    assert "Make something of it" not in member.get(f"/backups/{made}").text


def test_one_that_is_missing_says_so_and_is_made_nothing_of(owner: Browser, made: UUID) -> None:
    with transaction() as session:
        [copy] = session.get_one(Backup, made).copies
        why = "Its cloud does not have it any more."
        copy.move(session, CopyStatus.MISSING, missing_why=why, missing_at=copy.verified_at)
    text = owner.get(f"/backups/{made}").text
    assert SnapshotMissing.code in text
    assert "Make something of it" not in text
    owner.post(f"/backups/{made}/create?part=snap-<1>", 409, name="x")


def test_a_schedule_of_snapshots(owner: Browser, server_id: UUID) -> None:
    address = f"/schedules/new?server={server_id}&of=machine"
    page = owner.get(address)
    assert "Schedule snapshots of the machine" in page.text
    for absent in ('name="paths"', 'name="incremental"', 'name="vault_id"', 'name="method"'):
        assert absent not in page.text
    owner.post(address, cron="0 4 * * *", zone="UTC", retention_days="14")
    with reading() as session:
        schedule = session.scalars(select(Schedule)).one()
    assert (schedule.type, schedule.paths, schedule.vault_id) == (BackupType.SNAPSHOT, [], None)
    assert "the whole machine" in owner.get(f"/schedules/{schedule.id}").text
    owner.post(f"/schedules/{schedule.id}/edit", cron="0 5 * * *", zone="UTC")
    owner.post(f"/schedules/{schedule.id}/run")
    with reading() as session:
        run = session.scalars(select(Run)).one()
        backup = session.scalars(select(Backup)).one()
    assert (run.kind, backup.schedule_id) == (RunKind.SNAPSHOT, schedule.id)


def test_a_schedule_of_a_server_without_a_machine_is_refused(owner: Browser) -> None:
    with transaction() as session:
        other = add_server(session, "other").id
    address = f"/schedules/new?server={other}&of=machine"
    page = owner.post(address, 422, cron="0 4 * * *", zone="UTC")
    assert "Choose first which machine" in page.text
