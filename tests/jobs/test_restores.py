"""Restores from request to end: real server, real store, each job by itself."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain import restore_kept, restore_steps, restores
from cloudpilot.domain.people import Person
from cloudpilot.domain.restores import RestoreStatus
from cloudpilot.domain.status import Status
from cloudpilot.engine import restoring
from cloudpilot.errors import (
    ChecksumMismatch,
    InvalidConfig,
    InvalidState,
    RestoreInProgress,
)
from cloudpilot.kinds import Method, RunKind
from cloudpilot.scheduling import tick
from tests.engine.test_restore_kills import killed, waiting_at
from tests.jobs.test_increments import back_up as back_up_increment
from tests.jobs.test_increments import change as change_tree
from tests.jobs.test_increments import plan
from tests.support.restores import begin, planned, restored, runs_of, there, undone
from tests.support.tree import entries
from tests.support.until import until
from tests.support.uploading import Store, add_vault, back_up, drive, found, step

pytestmark = pytest.mark.xdist_group("rgw")


def made(site_id: UUID, vault_id: UUID | None = None, **columns: object) -> UUID:
    backup_id = back_up(site_id, vault_id, **columns)
    drive()
    assert found(backup_id).status is Status.COMPLETED
    return backup_id


def test_a_restore_its_safe_mode_backup_and_its_undoing(site_id: UUID, tmp_path: Path) -> None:
    top = tmp_path / "site"
    before = entries(top)
    backup_id = made(site_id)
    (top / "index.html").write_text("<h1>defaced</h1>")
    (top / "shell.php").write_text("<?php")
    changed = entries(top)

    restore = restored(backup_id)

    assert (restore.status, restore.error_detail) == (RestoreStatus.COMPLETED, None)
    assert entries(top) == before
    assert restore.safe_backup_id
    safe = found(restore.safe_backup_id)
    assert (safe.status, bool(safe.pinned_at), safe.counts["files"]) == (Status.COMPLETED, True, 2)
    assert restore.kept_until
    assert restore.kept_until > clock.now() + timedelta(days=6)

    restore = undone(restore.id)
    assert restore.status is RestoreStatus.UNDONE
    assert entries(top) == changed
    assert restore.kept_until is None
    nothing_left(tmp_path, restore.id)
    kinds = [run.kind for run in runs_of(restore.id)]
    assert kinds == [RunKind.SURVEY, RunKind.RESTORE, RunKind.UNDO, RunKind.CLEAR]
    with transaction() as session, pytest.raises(InvalidState):
        restore_kept.forget(session, restores.find(session, restore.id), None)


def nothing_left(tmp_path: Path, restore_id: UUID) -> None:
    """Neither beside the site nor in the backup directory."""
    assert not (tmp_path / "root" / str(restore_id)).exists()
    assert list(tmp_path.glob(".cloudpilot-*")) == []


def test_a_tree_is_restored_where_it_lies_and_from_a_vault(
    site_id: UUID, vault_id: UUID, tmp_path: Path
) -> None:
    top = tmp_path / "site"
    before = entries(top)
    backup_id = made(site_id, vault_id, method=Method.TREE)
    for place in (None, vault_id):
        (top / "index.html").write_text("<h1>defaced</h1>")
        restore = restored(backup_id, vault_id=place, safe=False)
        assert (restore.status, restore.error_detail) == (RestoreStatus.COMPLETED, None)
        assert entries(top) == before


def test_what_was_there_before_goes_after_a_week(
    site_id: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup_id = made(site_id)
    (tmp_path / "site/index.html").write_text("now")
    restore = restored(backup_id)
    assert restore.safe_backup_id
    tick.ask_to_forget()
    assert there(restore.id).kept_until

    later = clock.now() + timedelta(days=8)
    monkeypatch.setattr(clock, "now", lambda: later)
    tick.ask_to_forget()
    tick.ask_to_forget()
    drive()
    assert there(restore.id).kept_until is None
    nothing_left(tmp_path, restore.id)
    assert [run.kind for run in runs_of(restore.id)][-2:] == [RunKind.FORGET, RunKind.CLEAR]


def test_from_a_vault_when_the_server_has_nothing_any_more(
    site_id: UUID, vault_id: UUID, tmp_path: Path
) -> None:
    top = tmp_path / "site"
    before = entries(top)
    backup_id = made(site_id, vault_id, streamed=True)
    (top / "index.html").unlink()

    with pytest.raises(InvalidState):
        planned(backup_id)  # from the server
    restore = restored(backup_id, vault_id=vault_id, safe=False)

    assert (restore.status, restore.error_detail) == (RestoreStatus.COMPLETED, None)
    assert entries(top) == before
    assert restore.safe_backup_id is None


def test_a_chain_from_a_vault(core: Flask, site_id: UUID, store: Store, tmp_path: Path) -> None:
    """Through all its members, deletions included; to the state in the middle, too."""
    (tmp_path / "site/folder").mkdir()
    vault_id = add_vault(core, store)
    schedule_id = plan(site_id, vault_id=vault_id, streamed=True)
    seen = []
    for number in range(3):
        change_tree(tmp_path, number)
        seen.append((back_up_increment(schedule_id), entries(tmp_path / "site")))
    assert [backup.level for backup, _ in seen] == [0, 1, 2]
    change_tree(tmp_path, 3)

    for backup, tree in (seen[2], seen[1]):
        restore = restored(backup.id, vault_id=vault_id, safe=False)
        assert (restore.status, restore.error_detail) == (RestoreStatus.COMPLETED, None)
        assert entries(tmp_path / "site") == tree


def test_a_damaged_archive_changes_nothing(site_id: UUID, tmp_path: Path) -> None:
    top = tmp_path / "site"
    backup_id = made(site_id)
    archive = Path(str(found(backup_id).server_copy.path))  # type: ignore[union-attr]
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    (top / "index.html").write_text("now")
    changed = entries(top)

    restore = restored(backup_id)

    assert (restore.status, restore.error_code) == (RestoreStatus.FAILED, ChecksumMismatch.code)
    assert entries(top) == changed
    nothing_left(tmp_path, restore.id)


def test_without_its_safe_mode_backup_nothing_begins(site_id: UUID, tmp_path: Path) -> None:
    backup_id = made(site_id)
    restore_id = planned(backup_id)
    (tmp_path / "site").rename(tmp_path / "elsewhere")  # since the look
    begin(restore_id)
    drive()
    restore = there(restore_id)
    assert (restore.status, restore.error_code) == (RestoreStatus.FAILED, "PATH_MISSING")
    assert "safe-mode backup was not made" in (restore.error_detail or "")
    assert [run.kind for run in runs_of(restore_id)] == [RunKind.SURVEY]


def test_only_one_at_a_time_on_a_server(site_id: UUID, tmp_path: Path) -> None:
    """And no backup is made of what is just being restored."""
    backup_id = made(site_id)
    first, second = planned(backup_id, safe=False), planned(backup_id, safe=False)
    begin(first)
    with pytest.raises(RestoreInProgress):
        begin(second)
    with pytest.raises(RestoreInProgress):
        back_up(site_id, None)
    drive()
    assert there(first).status is RestoreStatus.COMPLETED
    assert there(second).status is RestoreStatus.PLANNED


def test_nothing_begins_without_the_name_or_with_an_old_look(
    site_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore_id = planned(made(site_id))
    with transaction() as session:
        restore = restores.find(session, restore_id)
        person = session.get_one(Person, restore.requested_by)
        with pytest.raises(InvalidConfig):
            restore_steps.start(session, restore, "shop!", person)
        later = clock.now() + timedelta(hours=2)
        monkeypatch.setattr(clock, "now", lambda: later)
        with pytest.raises(InvalidState):
            restore_steps.start(session, restore, "shop", person)


@pytest.mark.parametrize("stage", ["unpack", "swap"])
def test_a_restore_that_is_killed_is_put_back_by_itself(
    site_id: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """All its processes, by KILL, before and after the moment when anything was changed."""
    top = tmp_path / "site"
    backup_id = made(site_id)
    (top / "index.html").write_text("now")
    changed = entries(top)
    whole = restoring.restore
    monkeypatch.setattr(restoring, "restore", lambda what: waiting_at(stage, whole(what)))
    restore_id = planned(backup_id, safe=False)
    begin(restore_id)
    step()
    [run] = [one for one in runs_of(restore_id) if one.kind is RunKind.RESTORE]
    gate = tmp_path / "root" / str(restore_id) / f"run-{run.id}" / "at"
    until(gate.exists, bool)
    assert (entries(top) == changed) == (stage == "unpack")

    killed(str(restore_id))
    drive()

    assert there(restore_id).status is RestoreStatus.FAILED
    assert entries(top) == changed
    nothing_left(tmp_path, restore_id)
