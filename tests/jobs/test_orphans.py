"""Orphans as checks find them: real server, real store, each job by itself. Nothing is deleted."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import (
    deletions,
    requests,
    runs,
    schedules,
    slots,
    starting,
    vault_checks,
    vaults,
)
from cloudpilot.domain import orphans as rules
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.people import Person
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Checkup, Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault as VaultRow
from cloudpilot.engine import folders
from cloudpilot.engine.doctor.line import Line
from cloudpilot.errors import CommandFailed, SshUnreachable, ToolMissing, VaultUnreachable
from cloudpilot.jobs import opening, orphans
from cloudpilot.jobs import runs as jobs
from cloudpilot.jobs.on_server import connected
from cloudpilot.reports import CheckLine, Grade
from cloudpilot.secrets import Secret
from cloudpilot.vaults import keys
from cloudpilot.vaults.base import StoredObject, Vault
from cloudpilot.vaults.memory import MemoryStore, MemoryVault
from cloudpilot.vaults.s3 import S3Vault
from tests.support.rgw import Rgw
from tests.support.rows import add_person, add_real_server, add_server, add_site
from tests.support.schedules import add_schedule
from tests.support.sshd import Sshd
from tests.support.until import until
from tests.support.uploading import add_vault, back_up, drive, found, runs_of, step
from tests.vaults.s3_store import S3Store
from tests.web.scenes import add_backup

pytestmark = pytest.mark.xdist_group("rgw")
LONG_AGO = time.time() - 3 * 3600
NEVER = float("inf")


@pytest.fixture
def site_id(core: Flask, server: Sshd, tmp_path: Path) -> UUID:
    """A site on the real server, of one file."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("hello " * 1000)
    with transaction() as session:
        add_person(session)
        row = add_real_server(core, session, server, tmp_path / "root")
        return add_site(session, row, paths=[str(tmp_path / "site")], excludes=[]).id


@pytest.fixture
def vault_id(core: Flask, rgw: Rgw) -> UUID:
    return add_vault(core, S3Store(rgw))


@pytest.fixture
def ageless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is too young to be an orphan: what is not called one is known."""
    monkeypatch.setattr(rules, "FOLDER_AGE", -3600)
    monkeypatch.setattr(rules, "OBJECT_AGE", timedelta(hours=-1))


def server_of(site_id: UUID) -> Server:
    with reading() as session:
        return session.get_one(Server, session.get_one(Site, site_id).server_id)


def put(folder: Path, size: int = 5000) -> Path:
    """A folder that was left three hours ago, with a file in it."""
    folder.mkdir(parents=True)
    folder.parent.chmod(0o700)
    (folder / "a.tar.gz").write_bytes(b"x" * size)
    os.utime(folder, (LONG_AGO, LONG_AGO))
    return folder


def tree(root: Path) -> list[Path]:
    return sorted(root.rglob("*"))


def checked(site_id: UUID) -> dict[str, Any]:
    """The line that a Check of the server has kept."""
    server_id = server_of(site_id).id
    with transaction() as session:
        run = requests.check(session, session.get_one(Server, server_id), by=None)
    jobs.start(str(run.id))
    with reading() as session:
        ended = runs.find(session, run.id)
        assert ended.status is Status.COMPLETED, ended.error_detail
        checkup = session.scalars(select(Checkup).order_by(Checkup.at.desc()).limit(1)).one()
    assert "Orphans: " in ended.log
    [line] = [line for line in checkup.lines if line["key"] == "orphans"]
    return line


def vault_checked(vault_id: UUID) -> dict[str, dict[str, Any]]:
    """The lines that a check of the vault has kept, by their keys."""
    with transaction() as session:
        run = vault_checks.ask(session, vaults.find(session, vault_id), None)
    jobs.start(str(run.id))
    with reading() as session:
        ended = runs.find(session, run.id)
        assert ended.status is Status.COMPLETED, ended.error_detail
        return {one["key"]: one for one in session.get_one(VaultRow, vault_id).lines or ()}


def looked(site_id: UUID) -> Line:
    server = server_of(site_id)
    with connected(server.id) as ssh:
        return orphans.on_server(ssh, server)


def looked_in(vault_id: UUID) -> CheckLine:
    return orphans.in_vault(opening.vault(vault_id), vault_id, NEVER)


def delete(backup_id: UUID) -> None:
    """As a person asks for it."""
    with transaction() as session:
        person = session.scalars(select(Person)).one()
        deletions.delete(session, session.get_one(Backup, backup_id), person)


def test_a_check_tells_of_what_belongs_to_nothing_and_leaves_it(
    site_id: UUID, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    backup_id = back_up(site_id, None)
    drive()
    assert checked(site_id)["level"] == "ok"
    kept = root / str(backup_id)
    os.utime(kept, (LONG_AGO, LONG_AGO))
    left, young = put(root / str(uuid4())), root / str(uuid4())
    young.mkdir()
    before = tree(root)
    line = checked(site_id)
    assert line["level"] == "warning"
    assert line["detail"].startswith("1 folder with ")
    assert f"{left}." in line["detail"]
    assert line["remedy"].endswith(f"`rm -rf {left}`")
    assert str(kept) not in line["detail"] + line["remedy"]
    assert tree(root) == before


def test_a_backup_is_an_orphan_only_when_its_copy_was_said_to_be_gone(
    site_id: UUID, tmp_path: Path
) -> None:
    backup_id = back_up(site_id, None)
    drive()
    kept = tmp_path / "root" / str(backup_id)
    os.utime(kept, (LONG_AGO, LONG_AGO))
    for status, level in ((CopyStatus.DELETING, "ok"), (CopyStatus.GONE, "warning")):
        with transaction() as session:
            session.get_one(Backup, backup_id).copies[0].move(session, status)
        line = looked(site_id)
        assert (line.level, str(kept) in line.detail) == (level, level == "warning")
    assert list(kept.iterdir())


def test_directories_that_were_used_before_are_looked_at_too(site_id: UUID, tmp_path: Path) -> None:
    back_up(site_id, None)
    drive()
    server_id = server_of(site_id).id
    with transaction() as session:
        session.get_one(Server, server_id).backup_root = str(tmp_path / "new")
    left = [put(tmp_path / name / str(uuid4())) for name in ("root", "new")]
    line = looked(site_id)
    assert all(str(one) in line.detail for one in left)


def test_for_what_was_kept_when_the_panel_left_no_command_is_offered(
    site_id: UUID, tmp_path: Path
) -> None:
    with transaction() as session:
        former = add_server(session, "web-0", removed_at=clock.now())
        kept = add_backup(session, former, None, Status.COMPLETED)
    folder = put(tmp_path / "root" / str(kept.id))
    line = looked(site_id)
    assert line.level == "warning"
    assert str(folder) in line.detail
    assert "before CloudPilot was removed from it" in line.detail
    assert "`" not in line.remedy


def test_what_a_schedule_has_left_is_an_orphan_when_it_is_removed(
    site_id: UUID, tmp_path: Path
) -> None:
    with transaction() as session:
        site = session.get_one(Site, site_id)
        server = session.get_one(Server, site.server_id)
        plan = add_schedule(session, server, site, "0 0 1 1 *", incremental=True)
        session.flush()
        slot = slots.by_hand(session, plan)
        starting.start_now(session, slot, plan, None)
    drive()
    state = tmp_path / "root/state" / str(plan.id)
    assert list(state.iterdir())
    os.utime(state, (LONG_AGO, LONG_AGO))
    assert looked(site_id).level == "ok"
    with transaction() as session:
        schedules.remove(session, session.get_one(Schedule, plan.id))
    line = looked(site_id)
    assert line.level == "warning"
    assert f"{state}." in line.detail
    assert list(state.iterdir())


def test_what_is_under_way_is_never_an_orphan(
    site_id: UUID, vault_id: UUID, tmp_path: Path, ageless: None
) -> None:
    """Looked for at each step of a backup's life, as if everything were old."""
    seen: set[tuple[str, ...]] = set()

    def at_each_step() -> bool:
        over = step()
        lines = looked(site_id), looked_in(vault_id)
        assert lines[0].level == "ok", lines[0].detail
        assert lines[1].grade is Grade.OK, lines[1].sentence
        root = tmp_path / "root"
        seen.add(tuple(sorted(str(one) for one in root.iterdir())) if root.exists() else ())
        return over

    backup_id = back_up(site_id, vault_id)
    until(at_each_step, bool, seconds=60)
    assert found(backup_id).in_vaults()[0].status is CopyStatus.STORED
    delete(backup_id)
    until(at_each_step, bool, seconds=60)
    assert found(backup_id).deleted_at
    assert len(seen) > 1
    put(tmp_path / "root" / str(uuid4()))
    assert looked(site_id).level == "warning"


def meanwhile(
    look: Callable[..., Any], before: Callable[[], None], after: Callable[[], None]
) -> Callable[..., Any]:
    """`look`, and what happens just before and just after it."""

    def done(*words: Any, **named: Any) -> Any:
        before()
        seen = look(*words, **named)
        seen = iter(list(seen)) if isinstance(seen, Iterator) else seen
        after()
        return seen

    return done


def nothing() -> None:
    pass


def test_what_begins_while_it_is_looked_for_is_no_orphan(
    site_id: UUID, vault_id: UUID, ageless: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[UUID] = []

    def begin() -> None:
        with monkeypatch.context() as undone:
            undone.setattr(folders, "lying", lying)
            undone.setattr(S3Vault, "list", listing)
            begun.append(back_up(site_id, vault_id))
            drive()

    lying, listing = folders.lying, S3Vault.list
    monkeypatch.setattr(folders, "lying", meanwhile(lying, begin, nothing))
    monkeypatch.setattr(S3Vault, "list", meanwhile(listing, begin, nothing))
    line, in_vault = looked(site_id), looked_in(vault_id)
    assert line.level == "ok", line.detail
    assert in_vault.grade is Grade.OK, in_vault.sentence
    assert len(begun) == 2


def test_what_goes_while_it_is_looked_for_is_no_orphan(
    site_id: UUID, vault_id: UUID, ageless: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = [back_up(site_id, vault_id)]
    drive()
    there.append(back_up(site_id, vault_id))
    drive()

    def end() -> None:
        with monkeypatch.context() as undone:
            undone.setattr(folders, "lying", lying)
            undone.setattr(S3Vault, "list", listing)
            delete(there.pop())
            drive()

    lying, listing = folders.lying, S3Vault.list
    monkeypatch.setattr(folders, "lying", meanwhile(lying, nothing, end))
    monkeypatch.setattr(S3Vault, "list", meanwhile(listing, nothing, end))
    line, in_vault = looked(site_id), looked_in(vault_id)
    assert line.level == "ok", line.detail
    assert in_vault.grade is Grade.OK, in_vault.sentence
    assert there == []


@pytest.mark.parametrize("error", [CommandFailed("nonsense"), ToolMissing("no find")])
def test_a_server_that_answers_nonsense_is_a_warning_and_no_failure(
    site_id: UUID, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def nonsense(*_words: object) -> None:
        raise error

    monkeypatch.setattr(folders, "lying", nonsense)
    assert checked(site_id)["level"] == "warning"


def test_a_server_that_does_not_answer_fails_the_check(
    site_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_words: object) -> None:
        raise SshUnreachable("It does not answer.")

    monkeypatch.setattr(folders, "weighed", silent)
    with pytest.raises(SshUnreachable):
        looked(site_id)


@dataclass
class Left:
    """A vault in which a backup is known, and other things are not.

    ours, strange, upload  keys: of a server of ours, of one that we never had, and an open upload's
    """

    vault_id: UUID
    vault: Vault
    ours: str
    strange: str
    upload: str


@pytest.fixture
def left(site_id: UUID, vault_id: UUID, rgw: Rgw) -> Left:
    backup_id = back_up(site_id, vault_id)
    drive()
    with reading() as session:
        row = session.get_one(VaultRow, vault_id)
    folder = keys.backup_key(server_of(site_id).id, site_id, uuid4(), str(uuid4()))
    strange = keys.backup_key(uuid4(), uuid4(), uuid4(), "it's <b>")
    found_there = Left(
        vault_id, opening.vault(vault_id), f"{folder}/a.gz", strange, f"{folder}/b.gz"
    )
    s3 = S3Store(rgw).s3
    for key in (found_there.ours, strange, "photos/cat.jpg"):
        s3.put_object(Bucket=row.bucket, Key=f"{row.prefix}/{key}", Body=b"x" * 1500)
    s3.put_object(Bucket=row.bucket, Key=f"another-panel/{folder}/c.gz", Body=b"x")
    found_there.vault.begin(found_there.upload, 7)
    assert [run.status for run in runs_of(backup_id)] == [Status.COMPLETED] * 3
    return found_there


def test_a_vaults_check_tells_of_what_belongs_to_nothing_and_leaves_it(
    left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = [one.key for one in left.vault.list()]
    line = vault_checked(left.vault_id)["orphans"]
    assert line["level"] == "ok"  # they are of today
    assert "1 more there has no name of CloudPilot's." in line["detail"]
    monkeypatch.setattr(rules, "OBJECT_AGE", timedelta(hours=-1))
    line = vault_checked(left.vault_id)["orphans"]
    assert (line["level"], line["title"]) == ("warning", "Orphans")
    detail = line["detail"]
    assert "2 objects with 3.0 kB belong to no backup" in detail
    assert left.ours in detail
    assert f"{left.strange.rpartition('/')[0]}/…" in detail
    assert "Of them 1 is of servers that this panel has never had" in detail
    assert f"1 upload that nobody knows has been open for more than a day: {left.upload}." in detail
    assert "CloudPilot deletes none of them" in line["remedy"]
    assert [one.key for one in left.vault.list()] == inside
    assert [one.key for one in left.vault.open_uploads()] == [left.upload]


def test_orphans_are_no_trouble_of_a_vault(left: Left, ageless: None) -> None:
    assert vault_checked(left.vault_id)["orphans"]["level"] == "warning"
    with reading() as session:
        assert session.get_one(VaultRow, left.vault_id).level == "warning"
        assert vault_checks.troubles(session) == []


def test_where_a_key_may_not_list_the_check_says_what_it_said_before(
    core: Flask, vault_id: UUID
) -> None:
    with transaction() as session:
        row = session.get_one(VaultRow, vault_id)
        row.secret = core.extensions["sealer"].seal(Secret("a wrong one"), row.secret_place)
    lines = vault_checked(vault_id)
    assert lines["write"]["level"] == "failed"
    assert "orphans" not in lines


class Breaking(MemoryVault):
    """It stops answering after its first object."""

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        yield next(super().list(prefix))
        raise VaultUnreachable("It does not answer any more.")


def memory(kind: type[MemoryVault] = MemoryVault, count: int = 0) -> MemoryVault:
    """A vault with so many objects that nobody knows."""
    store = MemoryStore()
    vault = kind(store, store.secret)
    for _ in range(count):
        key = keys.backup_key(uuid4(), uuid4(), uuid4(), "a")
        vault.complete(vault.begin(key, 0), [], 0)
    return vault


def test_of_a_store_that_stops_answering_what_it_told_counts(core: Flask, ageless: None) -> None:
    line = orphans.in_vault(memory(Breaking, 2), uuid4(), NEVER)
    assert "1 object with 0 B belongs to no backup" in line.sentence
    assert "Only the first 1 objects were looked at." in line.sentence


def test_who_may_write_and_not_list_all_is_told(core: Flask) -> None:
    line = orphans.in_vault(MemoryVault(MemoryStore(), Secret("wrong")), uuid4(), NEVER)
    assert (line.grade, line.about) == (Grade.WARNING, "orphans")
    assert "could not be listed" in line.sentence


def test_a_large_vault_is_looked_at_in_part(
    core: Flask, ageless: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = memory(count=5)
    monkeypatch.setattr(orphans, "OBJECTS_AT_MOST", 5)
    assert "Only the first" not in orphans.in_vault(vault, uuid4(), NEVER).sentence
    monkeypatch.setattr(orphans, "OBJECTS_AT_MOST", 4)
    assert "Only the first 4 objects" in orphans.in_vault(vault, uuid4(), NEVER).sentence
    late = orphans.in_vault(vault, uuid4(), time.monotonic() - 1)
    assert late.grade is Grade.OK
    assert "Only the first 0 objects" in late.sentence


def test_a_thousand_orphans_are_one_readable_line(core: Flask, ageless: None) -> None:
    vault = memory(count=1000)
    for number in range(1000):
        vault.begin(f"cloudpilot-check/{number}", 7)
    line = orphans.in_vault(vault, uuid4(), NEVER)
    assert "1,000 objects with 0 B belong" in line.sentence
    assert "1,000 uploads that nobody knows have been open" in line.sentence
    assert line.sentence.count(" and 997 more") == 2
    assert len(line.sentence) < 1000


def test_an_upload_that_was_left_open_is_a_warning_by_itself(core: Flask, ageless: None) -> None:
    vault = memory()
    vault.begin("cloudpilot-check/1", 7)
    line = orphans.in_vault(vault, uuid4(), NEVER)
    assert line.grade is Grade.WARNING
    assert line.sentence.startswith("1 upload that nobody knows has been open for more than a day:")
    assert "a lifecycle rule can end such uploads" in line.remedy
