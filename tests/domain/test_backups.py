"""domain.backups, requests and archives: asked for, made, failed, removed."""

import json
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, deletions, outcomes, plans, ratios, requests, runs
from cloudpilot.domain.archives import Made
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.people import Person
from cloudpilot.domain.ratios import Ratio
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.errors import (
    BackupInProgress,
    CommandFailed,
    DiskFull,
    InvalidConfig,
    InvalidState,
    NotFound,
    SshNotConfigured,
)
from cloudpilot.kinds import Place, RunKind
from tests.support.rows import add_person, add_run, add_server

RESULT = {
    "size": "1000",
    "sha256": "ab" * 32,
    "tar_bytes": "4000",
    "entries": "3",
    "files": "1",
    "directories": "1",
    "symlinks": "1",
    "hardlinks": "0",
    "others": "0",
    "unreadable": "0",
    "warnings": "500",
    "compressor": "igzip",
}


def backup_of(session: object, run_id: UUID) -> Backup:
    run = runs.find(session, run_id)  # type: ignore[arg-type]
    assert run.backup_id
    return backups.find(session, run.backup_id)  # type: ignore[arg-type]


def test_a_request_is_a_backup_a_copy_and_a_run(core: Flask, make_run: UUID) -> None:
    with reading() as session:
        backup, run = backup_of(session, make_run), runs.find(session, make_run)
        assert (backup.status, run.status) == (Status.PENDING, Status.PENDING)
        assert backup.expires_at - backup.created_at == timedelta(days=30)
        copy = backup.server_copy
        assert copy is not None
        assert copy.path == f"/var/backups/cloudpilot/{backup.id}/{backup.archive}"
        assert (run.subject, backup.offsite_status) == ("shop on web-1", None)
        assert backup.seconds is None
        plan = json.loads(backup.plan())
        assert (plan["format"], plan["site"]["name"], plan["paths"]) == (1, "shop", ["/srv/shop"])


def test_a_server_whose_key_nobody_approved_is_not_asked(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session, host_keys=[])
        with pytest.raises(SshNotConfigured):
            add_run(session, server)


def test_paths_of_a_server_are_one_claim(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session)
        run = add_run(session, server)
        assert json.loads(backup_of(session, run.id).plan())["site"] is None
        with pytest.raises(BackupInProgress):
            add_run(session, server)


def test_a_check_is_one_at_a_time(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session)
        assert requests.check(session, server, by=add_person(session)).kind is RunKind.CHECK
        with pytest.raises(BackupInProgress):
            requests.check(session, server, by=None)


def test_what_was_made_is_kept_with_its_copy(core: Flask, make_run: UUID) -> None:
    warnings = [f"/srv/shop/{number}: file changed as we read it" for number in range(300)]
    with transaction() as session:
        backup = backup_of(session, make_run)
        outcomes.started(session, backup)
        outcomes.completed(session, backup, Made.parse(RESULT), warnings)
    with reading() as session:
        backup = backup_of(session, make_run)
        assert (backup.status, backup.size, backup.tar_size) == (Status.COMPLETED, 1000, 4000)
        assert (len(backup.warnings), backup.warning_count) == (200, 500)
        assert backup.counts["files"] == 1
        assert backup.seconds == 0
        assert backup.server_copy
        assert backup.server_copy.status is CopyStatus.STORED
        assert backup.server_copy.sha256 == backup.sha256 == "ab" * 32


def test_how_many_databases_were_dumped_is_kept_since_it_is_told() -> None:
    assert "databases" not in Made.parse(RESULT).counts
    assert Made.parse(RESULT | {"databases": "3"}).counts["databases"] == 3


@pytest.mark.parametrize(
    "change",
    [
        {"size": "0"},
        {"size": "many"},
        {"sha256": "AB" * 32},
        {"sha256": ""},
        {"state_sha256": "no hash"},
        {"level": "-1"},
        {"files": "-"},
        {"tar_bytes": "1e9"},
        {"tar_bytes": str(2**64)},
        {"size": "1" + "0" * 30},
        {"warnings": "²"},
    ],
)
def test_a_result_that_is_not_whole_is_no_backup(change: dict[str, str]) -> None:
    with pytest.raises(CommandFailed):
        Made.parse(RESULT | change)


@pytest.mark.parametrize("missing", ["size", "sha256", "tar_bytes", "files", "unreadable"])
def test_a_result_that_lacks_something_is_no_backup(missing: str) -> None:
    with pytest.raises(CommandFailed):
        Made.parse({key: value for key, value in RESULT.items() if key != missing})


def test_a_failure_before_anything_was_sent_leaves_nothing_to_remove(
    core: Flask, make_run: UUID
) -> None:
    with transaction() as session:
        backup = backup_of(session, make_run)
        assert outcomes.failed(session, backup, DiskFull("0 B left."), sent=False) == []
        assert (backup.error_code, backup.error_detail) == ("DISK_FULL", "0 B left.")
        assert backup.remedy.startswith("Free space")
        assert [copy.status for copy in backup.copies] == [CopyStatus.GONE]


def test_a_failure_after_that_has_its_leftovers_removed(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        backup = backup_of(session, make_run)
        [removal] = outcomes.failed(session, backup, DiskFull("0 B left."), sent=True)
        assert (removal.kind, removal.requested_by) == (RunKind.DELETE, None)
        assert backup.is_being_deleted
        removal.move(session, Status.RUNNING)
        outcomes.removed(session, removal)
        assert not backup.is_being_deleted
        assert backup.deleted_at is None  # a failure stays in the list


def test_a_delete_ends_with_every_copy_gone(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        person, backup = add_person(session), backup_of(session, make_run)
        with pytest.raises(InvalidState, match="Stop it first"):
            deletions.delete(session, backup, person)
        outcomes.started(session, backup)
        outcomes.completed(session, backup, Made.parse(RESULT), [])
        [removal] = deletions.delete(session, backup, person)
        with pytest.raises(InvalidState, match="being deleted already"):
            deletions.delete(session, backup, person)
        outcomes.removed(session, removal)
        removal.move(session, Status.RUNNING)
        removal.move(session, Status.COMPLETED)
        assert [copy.status for copy in backup.copies] == [CopyStatus.GONE]
        with pytest.raises(InvalidState, match="has been deleted"):
            deletions.delete(session, backup, person)


def test_a_person_takes_over_the_removal_of_what_a_failure_left(
    core: Flask, make_run: UUID
) -> None:
    with transaction() as session:
        person, backup = add_person(session), backup_of(session, make_run)
        [removal] = outcomes.failed(session, backup, DiskFull("0 B left."), sent=True)
        assert deletions.delete(session, backup, person) == [removal]
        outcomes.removed(session, removal)
        assert backup.deleted_at is not None


def test_a_removal_that_has_just_ended_is_asked_for_anew(
    core: Flask, make_run: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_over = runs.take_over

    def too_late(session: Session, run: Run, by: Person) -> bool:
        run.move(session, Status.FAILED)  # by another process, between the look and the wish
        return take_over(session, run, by)

    monkeypatch.setattr(runs, "take_over", too_late)
    with transaction() as session:
        backup = backup_of(session, make_run)
        [removal] = outcomes.failed(session, backup, DiskFull("0 B left."), sent=True)
        [anew] = deletions.delete(session, backup, add_person(session))
    assert anew is not removal
    assert anew.requested_by is not None


def test_the_last_archive_tells_how_large_the_next_will_be(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        backup = backup_of(session, make_run)
        assert ratios.expected(session, backup) == Ratio(100, known=False)
        outcomes.started(session, backup)
        outcomes.completed(session, backup, Made.parse(RESULT), [])
        assert ratios.expected(session, backup) == Ratio(28, known=True)  # a quarter, and a tenth
        made = session.get_one(Backup, backup.id)
        made.counts = made.counts | {"measured": 2 * (made.tar_size or 0)}
        session.flush()
        assert ratios.expected(session, backup) == Ratio(14, known=True)
        made.size = 10_000
        session.flush()
        assert ratios.expected(session, backup) == Ratio(100, known=True)


def test_an_increment_tells_nothing_of_how_small_a_full_one_becomes(
    core: Flask, make_run: UUID
) -> None:
    with transaction() as session:
        backup = backup_of(session, make_run)
        outcomes.started(session, backup)
        outcomes.completed(session, backup, Made.parse(RESULT), [])
        session.get_one(Backup, backup.id).level = 1
        session.flush()
        assert ratios.expected(session, backup).known is False
        assert ratios.expected(session, backup, full=False) == Ratio(28, known=True)


@pytest.mark.parametrize(
    ("typed", "days"), [("", 30), (None, 30), (" ", 30), ("1", 1), ("365", 365)]
)
def test_retention_is_thirty_days_unless_said(typed: str | None, days: int) -> None:
    assert plans.valid_retention(typed) == days


@pytest.mark.parametrize("typed", ["0", "366", "-1", "x", "1.5", "9" * 100, "٣", "1_0", "+5"])
def test_no_other_retention_is_taken(typed: str) -> None:
    with pytest.raises(InvalidConfig, match="1 to 365"):
        plans.valid_retention(typed)


def test_a_note_is_one_line() -> None:
    assert plans.valid_note(" before the <update> ") == "before the <update>"
    for note in ("a\nb", "x" * 501):
        with pytest.raises(InvalidConfig):
            plans.valid_note(note)


def test_each_copy_has_a_life_of_its_own(core: Flask, make_run: UUID) -> None:
    """What is said of the server's copy is not said of one in a vault, and the other way round."""
    with transaction() as session:
        backup, person = backup_of(session, make_run), add_person(session)
        vault = Copy(place=Place.VAULT, status=CopyStatus.MAKING, name=backup.archive)
        backup.copies.append(vault)
        session.flush()
        outcomes.started(session, backup)
        outcomes.completed(session, backup, Made.parse(RESULT), [])
        assert {copy.place: copy.status for copy in backup.copies} == {
            Place.SERVER: CopyStatus.STORED,
            Place.VAULT: CopyStatus.MAKING,
        }
        vault.move(session, CopyStatus.GONE)
        [removal] = deletions.delete(session, backup, person)
        outcomes.removed(session, removal)
        assert {copy.status for copy in backup.copies} == {CopyStatus.GONE}


def test_unknown_ids_are_not_found(core: Flask, make_run: UUID) -> None:
    with transaction() as session:
        with pytest.raises(NotFound):
            backups.find(session, uuid4())
        server = session.scalars(select(Server)).one()
        check = requests.check(session, server, by=None)
        outcomes.removed(session, check)  # a run without a backup has nothing to remove
        assert session.get_one(Run, check.id).status is Status.PENDING
