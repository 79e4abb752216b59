"""Uploads of which it is not clear how far they are: nothing that is good is given up."""

import os
import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty
from sqlalchemy import select

from cloudpilot import clock, connections
from cloudpilot.db import transaction
from cloudpilot.domain import deletions, outcomes, overdue, removals, runs, uploads
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus, Offsite
from cloudpilot.domain.objects import ARCHIVE, VaultObject
from cloudpilot.domain.people import Person
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.engine import detached
from cloudpilot.errors import SshUnreachable, VaultDenied, VaultUnreachable
from cloudpilot.jobs import delete, lifecycle, on_server, queue
from cloudpilot.jobs import runs as jobs
from cloudpilot.kinds import RunKind
from cloudpilot.scheduling.tick import ask_for_removals
from cloudpilot.secrets import CannotOpenError
from cloudpilot.vaults.base import StoredObject
from cloudpilot.vaults.plans import MIB
from cloudpilot.vaults.s3 import S3Vault
from cloudpilot.vaults.uploads import Upload
from tests.support.faults import faulty
from tests.support.rclone import Rclone
from tests.support.rgw import Rgw
from tests.support.rows import add_person
from tests.support.until import until
from tests.support.uploading import (
    PREFIX,
    add_vault,
    back_up,
    change_secret,
    drive,
    due_now,
    found,
    kind,
    objects,
    push,
    runs_of,
    step,
)
from tests.vaults.s3_store import S3Store

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
STREAMED = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "kept"])


@pytest.mark.parametrize(("which", "streamed"), [("rclone", True), ("rgw", False)])
def test_an_answer_that_is_lost_deletes_no_good_object(
    core: Flask, site_id: UUID, request: pytest.FixtureRequest, which: str, streamed: bool
) -> None:
    """The store has made the object. Asked again, one says so, and one that there is no upload."""
    where: Rclone | Rgw = request.getfixturevalue(which)
    there = S3Store(where)
    vault_id = add_vault(core, there)
    with faulty(where.endpoint.removeprefix("http://")) as faults:
        with transaction() as session:
            session.get_one(Vault, vault_id).endpoint = f"http://{faults.address}"
        backup_id = back_up(site_id, vault_id, streamed=streamed)
        faults.lost_once = {"POST"}
        drive()
    assert faults.lost
    backup = found(backup_id)
    assert (backup.status, backup.offsite_status) == (Status.COMPLETED, Offsite.UPLOADED)
    assert len(there.keys(str(backup_id))) == 3
    assert there.open() == []


def refuses_once(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """The first proof that a vault is asked for."""
    right, asked = S3Vault.complete, []

    def complete(vault: S3Vault, *words: Any, **more: Any) -> StoredObject:
        asked.append(1)
        if len(asked) == 1:
            raise error
        return right(vault, *words, **more)

    monkeypatch.setattr(S3Vault, "complete", complete)


@STREAMED
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (VaultDenied("The store answered 403 InvalidAccessKeyId."), "VAULT_DENIED"),
        (CannotOpenError("vaults/1/secret"), "SECRET_KEY_WRONG"),
        (ZeroDivisionError(), "INTERNAL"),
    ],
    ids=["key exchanged", "secret key wrong", "unexpected"],
)
def test_what_was_sent_is_kept_until_the_vault_can_be_asked(
    site_id: UUID,
    vault_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
    streamed: bool,
    error: Exception,
    code: str,
) -> None:
    refuses_once(monkeypatch, error)
    backup_id = back_up(site_id, vault_id, streamed=streamed)
    until(step, lambda _: proof(backup_id) and proof(backup_id).error_code)
    waiting = proof(backup_id)
    assert (waiting.status, waiting.error_code) == (Status.RUNNING, code)
    due_now(waiting)
    drive()
    backup = found(backup_id)
    assert (backup.status, backup.offsite_status) == (Status.COMPLETED, Offsite.UPLOADED)


def test_a_vault_that_cannot_be_asked_for_half_a_day_is_given_up(
    site_id: UUID, vault_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuses_once(monkeypatch, VaultDenied("The store answered 403."))
    backup_id = back_up(site_id, vault_id)
    until(step, lambda _: proof(backup_id) and proof(backup_id).error_code)
    waiting = proof(backup_id)
    with transaction() as session:
        run = runs.find(session, waiting.id)
        run.created_at -= timedelta(hours=lifecycle.settings().lost_after_hours)
    refuses_once(monkeypatch, VaultDenied("The store answered 403."))
    due_now(waiting)
    drive()
    assert found(backup_id).offsite_status is Offsite.FAILED


def test_what_was_sent_must_be_the_archive(site_id: UUID, vault_id: UUID, store: S3Store) -> None:
    """All was sent before the archive's own end was seen, and that says another hash."""
    backup_id = back_up(site_id, vault_id)
    until(step, lambda _: proof(backup_id))
    assert proof(backup_id).status is Status.PENDING
    [archive] = [one for one in objects(backup_id) if one.name == ARCHIVE]
    with transaction() as session:
        session.get_one(VaultObject, archive.id).sha256 = "0" * 64
    drive()
    backup = found(backup_id)
    assert (backup.status, backup.offsite_status) == (Status.COMPLETED, Offsite.FAILED)
    assert proof(backup_id).error_code == "CHECKSUM_MISMATCH"
    assert (store.keys(str(backup_id)), store.open()) == ([], [])


def test_a_deletion_waits_until_nothing_comes_any_more(
    site_id: UUID, vault_id: UUID, store: S3Store, tmp_path: Path
) -> None:
    """An upload that goes on would bring back what is deleted; a server that does not hear that it
    is to end is waited for, but not for ever."""
    (tmp_path / "site/large").write_bytes(os.urandom(17 * MIB))
    backup_id = back_up(site_id, None)
    drive()
    push(backup_id, vault_id, rate=MIB)
    until(step, lambda _: store.open())
    with transaction() as session:
        person = session.scalars(select(Person)).one()
        both = deletions.delete(session, session.get_one(Backup, backup_id), person)
    [deletion] = [run.id for run in both if run.vault_id]
    jobs.start(str(deletion))
    waiting = lifecycle.current(deletion)
    assert (waiting.status, waiting.error_code) == (Status.RUNNING, "UPLOAD_STILL_OPEN")
    with transaction() as session:
        [copy] = session.get_one(Backup, backup_id).in_vaults()
        [coming] = uploads.under_way(session, copy)
        assert coming.stop_requested_at
        coming.stop_requested_at -= delete.PATIENCE
    delete._refuse_while_it_comes(copy)
    due_now(waiting)
    drive()
    assert found(backup_id).deleted_at
    assert (store.keys(str(backup_id)), store.open()) == ([], [])


def test_a_lock_of_years_in_a_vault_keeps_no_server(core: Flask, site_id: UUID, rgw: Rgw) -> None:
    """The provider says until when: it is asked again then, and the server is not needed."""
    where = S3Store(rgw)
    where.bucket = f"{where.bucket}-lock"
    where.s3.create_bucket(Bucket=where.bucket, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 3650}}
    where.s3.put_object_lock_configuration(
        Bucket=where.bucket,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},
    )
    where.location = replace(where.location, bucket=where.bucket)
    backup_id = back_up(site_id, add_vault(core, where))
    drive()
    with transaction() as session:
        deletions.delete(session, session.get_one(Backup, backup_id), add_person(session))
    for _ in range(2):
        step()
    [run] = [one for one in runs_of(backup_id) if one.kind is RunKind.DELETE and one.vault_id]
    assert run.error_code == "OBJECT_LOCKED"
    assert run.next_look_at - clock.now() > timedelta(days=3649)
    assert f"{run.next_look_at:%Y-%m-%d}" in removals.pending(run)
    server_id = found(backup_id).server_id
    with transaction() as session:
        server = session.get_one(Server, server_id)
        assert removals.keeps_server(session, server) is None
        runs.find(session, run.id).created_at -= timedelta(days=2)
        session.flush()
        assert overdue.deletions(session, 10) == []


@pytest.mark.parametrize("tries", [1, 2], ids=["not begun", "begun"])
def test_the_vault_is_asked_again_when_the_server_comes_back(
    site_id: UUID, vault_id: UUID, store: S3Store, monkeypatch: pytest.MonkeyPatch, tries: int
) -> None:
    """What it said before a server was away for days proves nothing: that copy may be the only one
    by now, whether the way to the server broke before its removal or in the middle."""
    backup_id = back_up(site_id, vault_id, local_days=0)
    drive()
    ask_for_removals()
    with monkeypatch.context() as patch:
        patch.setattr(*((on_server, "connect") if tries == 1 else (detached, "remove")), away)
        step()
    for one in objects(backup_id):  # a rule at the provider, or whoever has the key
        store.remove(f"{PREFIX}/{one.key}")
    due_now(kind(backup_id, RunKind.DELETE))
    step()
    assert kind(backup_id, RunKind.DELETE).error_code == "OBJECT_MISSING"
    assert Path(found(backup_id).server_copy.path).exists()


def test_what_a_person_takes_over_is_removed_without_asking_the_vault(
    core: Flask, site_id: UUID, vault_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup_id = back_up(site_id, vault_id, local_days=0)
    drive()
    ask_for_removals()
    with monkeypatch.context() as patch:
        patch.setattr(detached, "remove", away)
        step()
    with transaction() as session:
        outcomes.remove_local(session, session.get_one(Backup, backup_id), add_person(session))
    change_secret(core, vault_id, "wrong")
    due_now(kind(backup_id, RunKind.DELETE))
    drive()
    assert found(backup_id).server_copy.status is CopyStatus.GONE


def test_a_store_that_never_answers_is_said_to_be_silent(
    site_id: UUID, vault_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the connection. Here one of its answers is waited for longer than a job may take."""
    backup_id = back_up(site_id, None)
    drive()
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 10.0)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with transaction() as session:
            row = session.get_one(Vault, vault_id)
            row.endpoint = f"http://127.0.0.1:{listening.getsockname()[1]}"
        push(backup_id, vault_id)
        run = kind(backup_id, RunKind.UPLOAD)
        for _ in range(2):
            due_now(run)
            with UnixSignalDeathPenalty(1, JobTimeoutException):
                jobs.start(str(run.id))
    run = kind(backup_id, RunKind.UPLOAD)
    assert (run.status, run.error_code, run.attempts) == (Status.PENDING, "VAULT_UNREACHABLE", 2)


@STREAMED
def test_a_store_that_is_away_when_an_upload_begins_is_waited_for(
    site_id: UUID, vault_id: UUID, monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    backup_id = back_up(site_id, vault_id, streamed=streamed)
    with monkeypatch.context() as patch:
        patch.setattr(S3Vault, "begin", silent)
        until(step, lambda _: any(run.kind is RunKind.UPLOAD for run in runs_of(backup_id)))
        for _ in range(lifecycle.settings().start_attempts + 1):
            due_now(kind(backup_id, RunKind.UPLOAD))
            step()
    waiting = kind(backup_id, RunKind.UPLOAD)
    assert (waiting.status, waiting.error_code) == (Status.PENDING, "VAULT_UNREACHABLE")
    due_now(waiting)
    drive()
    assert found(backup_id).offsite_status is Offsite.UPLOADED


def silent(*_words: Any, **_more: Any) -> None:
    raise VaultUnreachable("There was no answer.")


def test_an_upload_that_was_stopped_while_it_began_leaves_nothing_behind_the_next(
    site_id: UUID, vault_id: UUID, store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup_id = back_up(site_id, None)
    drive()
    right = S3Vault.begin

    def late(*words: Any, **more: Any) -> Upload:
        """It is stopped, taken back and asked for again before the store has answered."""
        monkeypatch.setattr(S3Vault, "begin", right)
        jobs.stop(str(kind(backup_id, RunKind.UPLOAD).id))
        jobs.start(str(kind(backup_id, RunKind.ABANDON).id))
        push(backup_id, vault_id)
        return right(*words, **more)

    monkeypatch.setattr(S3Vault, "begin", late)
    push(backup_id, vault_id)
    drive()
    assert found(backup_id).offsite_status is Offsite.UPLOADED
    assert store.open() == []
    assert len(objects(backup_id)) == 3


class Killed(BaseException):
    """No handler sees a kill -9."""


def killed(*_words: Any) -> None:
    raise Killed


def test_a_job_that_is_killed_leaves_nothing_open_behind_a_good_upload(
    site_id: UUID, vault_id: UUID, store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup_id = back_up(site_id, None)
    drive()
    with monkeypatch.context() as patch:
        patch.setattr(Upload, "as_secret", killed)  # begun at the vault, not yet written down
        push(backup_id, vault_id)
        with pytest.raises(Killed):
            step()
    assert len(store.open()) == 1
    due_now(kind(backup_id, RunKind.UPLOAD))
    drive()
    assert found(backup_id).offsite_status is Offsite.UPLOADED
    assert store.open() == []


def test_what_is_proven_does_not_fail_by_what_else_is_open(
    site_id: UUID, vault_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(S3Vault, "open_uploads", silent)
    backup_id = back_up(site_id, vault_id)
    drive()
    assert found(backup_id).offsite_status is Offsite.UPLOADED
    assert "is not known: There was no answer." in kind(backup_id, RunKind.VERIFY).log


def test_a_call_that_is_never_answered_ends_before_its_job(core: Flask) -> None:
    calls = connections.ATTEMPTS * (connections.ANSWER_SECONDS + connections.CONNECT_SECONDS)
    for one in (RunKind.UPLOAD, RunKind.VERIFY, RunKind.ABANDON, RunKind.DELETE):
        assert calls < queue.SECONDS_BY_KIND[one]


def away(*_words: Any, **_more: Any) -> None:
    raise SshUnreachable("No route.")


def proof(backup_id: UUID) -> Any:
    return next((run for run in runs_of(backup_id) if run.kind is RunKind.VERIFY), None)
