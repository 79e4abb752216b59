"""Uploads as the queue does them: real server, real stores, each job by itself."""

import hashlib
import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain import deletions, outcomes, runs
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus, Offsite
from cloudpilot.domain.objects import ARCHIVE, MANIFEST, NAMES, VaultObject
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.errors import CommandFailed, InvalidState
from cloudpilot.jobs import runs as jobs
from cloudpilot.jobs import verify
from cloudpilot.kinds import RunKind, VaultKind
from cloudpilot.scheduling.tick import ask_for_removals
from cloudpilot.vaults.base import StoredObject
from cloudpilot.vaults.plans import MIB
from cloudpilot.vaults.uploads import Upload
from tests.support.ports import free_port
from tests.support.rows import add_person
from tests.support.until import until
from tests.support.uploading import (
    PREFIX,
    Store,
    back_up,
    change_secret,
    drive,
    found,
    kind,
    objects,
    push,
    runs_of,
    step,
)

S3, GOOGLE, AZURE = VaultKind.S3, VaultKind.GCS, VaultKind.AZURE_BLOB
PROVEN_BY = {S3: "md5-parts", GOOGLE: "md5-whole", AZURE: "md5-per-block"}
# Which database it is does not depend on the vault: not all of each with all of the other.
PAIRS = [("sqlite", S3), ("postgresql", S3), ("sqlite", GOOGLE), ("postgresql", AZURE)]
# Of an upload that nobody has written down: how much of it is open at the store, and stays open.
# Google has no list of its sessions, which end by themselves; at Azure the first part begins it.
FORGOTTEN = {S3: (1, 0), GOOGLE: (1, 1), AZURE: (0, 0)}
SMALL, LARGE = 6_000, 17 * MIB  # one part; two, of 16 MiB and one, that may be far apart

pytestmark = pytest.mark.parametrize(("database_url", "store"), PAIRS, indirect=True)


def names(store: Store, backup_id: UUID) -> list[str]:
    """What is in the bucket of this backup, by the last parts of the keys."""
    return sorted(key.rpartition("/")[2] for key in store.keys(str(backup_id)))


def body(store: Store, one: VaultObject) -> bytes:
    """What the store has, asked without our vault."""
    return store.body(f"{PREFIX}/{one.key}")


def test_a_backup_is_uploaded_while_it_is_made_and_proven(
    site_id: UUID, vault_id: UUID, store: Store
) -> None:
    backup_id = back_up(site_id, vault_id)
    drive()
    backup = found(backup_id)
    assert (backup.status, backup.offsite_status) == (Status.COMPLETED, Offsite.UPLOADED)
    [vault_copy] = backup.in_vaults()
    assert (vault_copy.size, vault_copy.sha256) == (backup.size, backup.sha256)
    assert vault_copy.verified_by == PROVEN_BY[store.location.kind]
    assert [run.kind for run in runs_of(backup_id)] == [
        RunKind.MAKE,
        RunKind.UPLOAD,
        RunKind.VERIFY,
    ]
    assert names(store, backup_id) == [
        backup.archive,
        f"{backup.archive}.index.gz",
        "manifest.json",
    ]
    assert store.open() == []
    assert all(one.stored_at and not one.upload_secret for one in objects(backup_id))


def test_what_is_in_the_vault_is_what_is_on_the_server(
    site_id: UUID, vault_id: UUID, store: Store
) -> None:
    backup_id = back_up(site_id, vault_id)
    drive()
    folder = Path(str(found(backup_id).server_copy.root), str(backup_id))
    for one in objects(backup_id):
        assert body(store, one) == (folder / one.key.rpartition("/")[2]).read_bytes()
    bodies = {one.name: body(store, one) for one in objects(backup_id)}
    assert set(bodies) == set(NAMES)
    told = json.loads(bodies[MANIFEST])
    assert told["fetch"].startswith("curl ")
    digest = hashlib.sha256(bodies[ARCHIVE]).hexdigest()
    assert digest == told["result"]["sha256"] == found(backup_id).sha256


def test_a_completed_backup_is_pushed_later(site_id: UUID, vault_id: UUID, store: Store) -> None:
    backup_id = back_up(site_id, None)
    drive()
    assert found(backup_id).offsite_status is None
    push(backup_id, vault_id)
    assert found(backup_id).offsite_status is Offsite.UPLOADING
    with pytest.raises(InvalidState, match="making"):
        push(backup_id, vault_id)
    drive()
    assert found(backup_id).offsite_status is Offsite.UPLOADED
    assert len(names(store, backup_id)) == 3
    with pytest.raises(InvalidState, match="stored"):
        push(backup_id, vault_id)


def test_a_wrong_secret_fails_the_upload_and_not_the_backup(
    core: Flask, site_id: UUID, vault_id: UUID, store: Store
) -> None:
    right = change_secret(core, vault_id, store.wrong)
    backup_id = back_up(site_id, vault_id)
    drive()
    backup = found(backup_id)
    assert (backup.status, backup.offsite_status) == (Status.COMPLETED, Offsite.FAILED)
    assert RunKind.ABANDON not in [run.kind for run in runs_of(backup_id)]  # nothing was begun
    [copy] = backup.in_vaults()
    assert copy.error_code == "VAULT_DENIED"
    refused = kind(backup_id, RunKind.UPLOAD)
    assert (refused.error_code, refused.attempts) == ("VAULT_DENIED", 0)  # at once
    change_secret(core, vault_id, right)
    push(backup_id, vault_id)
    drive()
    assert found(backup_id).offsite_status is Offsite.UPLOADED
    assert store.open() == []


def test_a_deletion_empties_the_vault_though_the_server_is_away(
    site_id: UUID, vault_id: UUID, store: Store
) -> None:
    backup_id = back_up(site_id, vault_id)
    drive()
    with transaction() as session:
        backup = session.get_one(Backup, backup_id)
        server = session.get_one(Server, backup.server_id)
        port, server.port = server.port, free_port()
        deletions.delete(session, backup, add_person(session))
    until(step, lambda _: names(store, backup_id) == [])
    assert found(backup_id).deleted_at is None  # the server's is still there
    with transaction() as session:
        session.get_one(Server, server.id).port = port
        for run in outcomes.deletions(session, session.get_one(Backup, backup_id)):
            run.next_look_at = clock.now()
    drive()
    assert found(backup_id).deleted_at


def test_a_copy_on_the_server_goes_days_after_its_upload(
    site_id: UUID, vault_id: UUID, store: Store
) -> None:
    backup_id = back_up(site_id, vault_id, local_days=0)
    drive()
    ask_for_removals()
    drive()
    backup = found(backup_id)
    assert [copy.place for copy in backup.copies if copy.status is CopyStatus.STORED] == ["vault"]
    assert not Path(str(backup.server_copy.root), str(backup_id)).exists()
    assert backup.deleted_at is None


def test_a_planned_removal_that_a_person_takes_over_deletes_all(
    site_id: UUID, vault_id: UUID, store: Store
) -> None:
    backup_id = back_up(site_id, vault_id, local_days=0)
    drive()
    ask_for_removals()  # its run waits, and becomes the person's
    with transaction() as session:
        deletions.delete(session, session.get_one(Backup, backup_id), add_person(session))
    drive()
    backup = found(backup_id)
    assert backup.deleted_at
    assert not Path(str(backup.server_copy.root), str(backup_id)).exists()
    assert names(store, backup_id) == []


def test_the_copy_on_the_server_stays_if_the_vault_has_lost_its_own(
    site_id: UUID, vault_id: UUID, store: Store
) -> None:
    backup_id = back_up(site_id, vault_id, local_days=0)
    drive()
    [archive] = [one for one in objects(backup_id) if one.name == ARCHIVE]
    store.remove(f"{PREFIX}/{archive.key}")
    ask_for_removals()
    drive()
    backup = found(backup_id)
    assert backup.server_copy.status is CopyStatus.STORED
    assert Path(backup.server_copy.path).exists()
    [copy] = backup.in_vaults()
    assert (copy.status, copy.missing_why) == (
        CopyStatus.MISSING,
        "It is not in the vault any more.",
    )
    assert runs_of(backup_id)[-1].error_code == "OBJECT_MISSING"


def test_a_stopped_upload_leaves_nothing_in_the_vault(
    site_id: UUID, vault_id: UUID, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "site" / "large").write_bytes(os.urandom(LARGE))
    backup_id = back_up(site_id, None)
    drive()
    push(backup_id, vault_id, rate=MIB)
    until(step, lambda _: store.open())
    run = kind(backup_id, RunKind.UPLOAD)
    with transaction() as session:
        runs.request_stop(session, runs.find(session, run.id))
    jobs.stop(str(run.id))
    drive()
    assert found(backup_id).offsite_status is Offsite.FAILED
    assert kind(backup_id, RunKind.UPLOAD).error_code == "STOPPED"
    assert kind(backup_id, RunKind.ABANDON).status is Status.COMPLETED
    assert (names(store, backup_id), store.open()) == ([], [])


def test_an_upload_whose_process_is_killed_goes_on(
    site_id: UUID, vault_id: UUID, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "site" / "large").write_bytes(os.urandom(LARGE))
    backup_id = back_up(site_id, None)
    drive()
    push(backup_id, vault_id, rate=MIB)
    until(step, lambda _: store.open())
    first = kind(backup_id, RunKind.UPLOAD)
    folder = Path(str(found(backup_id).server_copy.root), str(backup_id), f"run-{first.id}")
    with transaction() as session:
        session.get_one(Backup, backup_id).rate = None
    for pid in pids_of(f"{backup_id}/{first.id}"):
        os.kill(pid, signal.SIGKILL)
    drive()
    assert folder.exists()
    assert found(backup_id).offsite_status is Offsite.UPLOADED
    kinds = [run.kind for run in runs_of(backup_id)]
    assert kinds.count(RunKind.UPLOAD) == 2
    assert store.open() == []
    [archive] = [one for one in objects(backup_id) if one.name == ARCHIVE]
    assert hashlib.sha256(body(store, archive)).hexdigest() == found(backup_id).sha256


def test_a_backup_that_fails_leaves_nothing_in_the_vault(
    site_id: UUID, vault_id: UUID, store: Store, tmp_path: Path
) -> None:
    backup_id = back_up(site_id, vault_id)
    (tmp_path / "site" / "index.html").unlink()
    (tmp_path / "site").rmdir()
    drive()
    backup = found(backup_id)
    assert (backup.status, backup.error_code) == (Status.FAILED, "PATH_MISSING")
    assert {copy.status for copy in backup.copies} == {CopyStatus.GONE}
    assert (names(store, backup_id), store.open()) == ([], [])


def test_what_a_killed_job_had_begun_is_found_and_taken_back(
    site_id: UUID, vault_id: UUID, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise CommandFailed("The job dies here.")

    backup_id = back_up(site_id, None)
    drive()
    with monkeypatch.context() as patch:
        patch.setattr(Upload, "as_secret", killed)  # begun at the vault, not yet written down
        push(backup_id, vault_id)
        step()
    begun, stays = FORGOTTEN[store.location.kind]
    assert len(store.open()) == begun
    drive()
    assert found(backup_id).offsite_status is Offsite.FAILED
    assert len(store.open()) == stays


def test_what_is_replaced_before_all_is_proven_is_no_upload(
    site_id: UUID, vault_id: UUID, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = verify._keep

    def replaced(row: VaultObject, made: StoredObject) -> None:
        keep(row, made)
        if row.name == ARCHIVE:
            store.replace(f"{PREFIX}/{made.key}", os.urandom(made.size))

    backup_id = back_up(site_id, vault_id)
    monkeypatch.setattr(verify, "_keep", replaced)
    drive()
    backup = found(backup_id)
    assert (backup.status, backup.offsite_status) == (Status.COMPLETED, Offsite.FAILED)
    assert kind(backup_id, RunKind.VERIFY).error_code == "CHECKSUM_MISMATCH"
    assert names(store, backup_id) == []


def test_what_is_streamed_is_completed_only_with_the_vaults_word(
    site_id: UUID, vault_id: UUID, store: Store
) -> None:
    backup_id = back_up(site_id, vault_id, streamed=True)
    until(step, lambda _: kind(backup_id, RunKind.MAKE).status is Status.COMPLETED)
    assert found(backup_id).status is Status.RUNNING
    drive()
    backup = found(backup_id)
    assert (backup.status, backup.offsite_status) == (Status.COMPLETED, Offsite.UPLOADED)
    assert backup.server_copy.status is CopyStatus.GONE
    assert not Path(str(backup.server_copy.root), str(backup_id)).exists()
    [archive] = [one for one in objects(backup_id) if one.name == ARCHIVE]
    streamed = body(store, archive)
    assert hashlib.sha256(streamed).hexdigest() == backup.sha256
    assert len(streamed) == backup.size


def test_what_is_streamed_and_cannot_be_sent_is_no_backup(
    core: Flask, site_id: UUID, vault_id: UUID, store: Store
) -> None:
    change_secret(core, vault_id, store.wrong)
    backup_id = back_up(site_id, vault_id, streamed=True)
    until(step, lambda _: found(backup_id).status.is_final)
    backup = found(backup_id)
    assert (backup.status, backup.error_code) == (Status.FAILED, "VAULT_DENIED")
    until(step, lambda _: found(backup_id).server_copy.status is CopyStatus.GONE)
    until(step, lambda _: kind(backup_id, RunKind.MAKE).status is Status.FAILED)
    assert pids_of(str(backup_id)) == []


def pids_of(mark: str) -> list[int]:
    """The processes of a run, by the mark in their environment."""
    found_ = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"CLOUDPILOT_RUN={mark}".encode() in path.read_bytes():
                found_.append(int(path.parent.name))
    return found_
