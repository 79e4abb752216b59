"""What vaults, keys and networks do on bad days, and what must not be lost because of it."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from flask import Flask
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty
from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import overdue, removals, requests, runs, uploads
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus, Offsite
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import ChecksumMismatch, VaultDenied, VaultRefused
from cloudpilot.jobs import emptying
from cloudpilot.jobs import runs as jobs
from cloudpilot.kinds import RunKind
from cloudpilot.scheduling.tick import ask_for_removals
from cloudpilot.secrets import Secret
from cloudpilot.vaults import connections, s3_deletion
from cloudpilot.vaults.base import StoredObject, VerifiedBy
from cloudpilot.vaults.memory import MemoryStore, MemoryVault
from cloudpilot.vaults.plans import plan
from cloudpilot.vaults.receipts import compare
from cloudpilot.vaults.s3 import S3Vault, _is_opaque
from cloudpilot.vaults.uploads import Receipt, ReceivedPart, Upload
from tests.support.ports import free_port
from tests.support.rclone import Rclone
from tests.support.rgw import Rgw
from tests.support.rows import add_person, add_real_server, add_site
from tests.support.sshd import Sshd
from tests.support.until import until
from tests.support.uploading import add_vault, back_up, drive, found, runs_of, step
from tests.vaults.s3_store import S3Store

MD5 = "0cc175b9c0f1b6a831c399e269772661"  # of what was sent
KMS = "b1946ac92492d2347c6235b4d2611184"  # of 32 digits as well, and no MD5


@pytest.fixture
def store(rgw: Rgw) -> S3Store:
    return S3Store(rgw)


@pytest.fixture
def site_id(core: Flask, server: Sshd, tmp_path: Path) -> UUID:
    """A site on the real server, of one file."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text("hello " * 1000)
    with transaction() as session:
        row = add_real_server(core, session, server, tmp_path / "root")
        return add_site(session, row, paths=[str(tmp_path / "site")], excludes=[]).id


@pytest.fixture
def vault_id(core: Flask, store: S3Store) -> UUID:
    return add_vault(core, store)


def objects(backup_id: UUID) -> list[VaultObject]:
    copies = [copy.id for copy in found(backup_id).copies]
    with reading() as session:
        return list(session.scalars(select(VaultObject).where(VaultObject.copy_id.in_(copies))))


def of_kind(backup_id: UUID, kind: RunKind) -> list[Run]:
    return [run for run in runs_of(backup_id) if run.kind is kind]


def push(backup_id: UUID, vault_id: UUID) -> None:
    """Have a completed backup sent there."""
    with transaction() as session:
        backup, vault = session.get_one(Backup, backup_id), session.get_one(Vault, vault_id)
        uploads.ask(session, backup, vault, None)


def make_due(*its_runs: Run) -> None:
    with transaction() as session:
        for run in its_runs:
            runs.find(session, run.id).next_look_at = clock.now()


class LosesAnAnswer(BaseHTTPRequestHandler):
    """Passes everything on; the answer to the first `complete` never arrives."""

    protocol_version = "HTTP/1.1"
    target: ClassVar[str] = ""
    lost: ClassVar[list[int]] = []

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with closing(http.client.HTTPConnection(self.target, timeout=30)) as connection:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() != "expect":
                    connection.putheader(name, value)
            connection.endheaders(body or None)
            got = connection.getresponse()
            said = got.read()
        if self.command == "POST" and "uploadId=" in self.path and not self.lost:
            self.lost.append(got.status)
            self.close_connection = True
            return
        self.send_response_only(got.status)
        for name, value in got.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", got.getheader("Content-Length") or str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815  (as http.server calls them)

    def log_message(self, *_words: Any) -> None: ...


@contextmanager
def losing(endpoint: str) -> Iterator[tuple[str, list[int]]]:
    """An address in front of that store, and the answers that it has lost."""
    lost: list[int] = []
    of_store = {"target": endpoint.removeprefix("http://"), "lost": lost}
    handler = type("Handler", (LosesAnAnswer,), of_store)
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    proxy.daemon_threads = True
    Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{proxy.server_address[1]}", lost
    finally:
        proxy.shutdown()
        proxy.server_close()


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "kept"])
@pytest.mark.parametrize("which", ["rclone", "rgw"])
def test_an_answer_that_is_lost_costs_no_object(
    site_id: UUID, core: Flask, request: pytest.FixtureRequest, streamed: bool, which: str
) -> None:
    """The store has made the object. Asked again, one says so, and one that there is no upload."""
    store: Rclone | Rgw = request.getfixturevalue(which)
    where = S3Store(store)
    with losing(store.endpoint) as (address, lost):
        vault_id = add_vault(core, where)
        with transaction() as session:
            session.get_one(Vault, vault_id).endpoint = address
        backup_id = back_up(site_id, vault_id, streamed=streamed)
        drive(120)
    backup = found(backup_id)
    there = where.s3.list_objects_v2(Bucket=where.bucket).get("Contents", [])
    assert lost == [200]
    assert (backup.status, backup.offsite_status) == (Status.COMPLETED, Offsite.UPLOADED)
    assert len(there) == 3


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "kept"])
def test_a_key_that_is_being_exchanged_costs_no_backup(
    site_id: UUID, vault_id: UUID, monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    """All is sent. That the vault cannot be asked for its word says nothing about what was sent."""
    right, asked = S3Vault.complete, []

    def complete(self: S3Vault, *words: Any, **more: Any) -> StoredObject:
        asked.append(1)
        if len(asked) == 1:
            raise VaultDenied("The store answered 403 InvalidAccessKeyId.")
        return right(self, *words, **more)

    monkeypatch.setattr(S3Vault, "complete", complete)
    backup_id = back_up(site_id, vault_id, streamed=streamed)
    drive(120)
    backup = found(backup_id)
    assert (backup.status, backup.offsite_status) == (Status.COMPLETED, Offsite.UPLOADED)


def test_the_vault_is_asked_again_when_the_server_comes_back(
    site_id: UUID, vault_id: UUID, store: S3Store
) -> None:
    """What it said when the server was away is days old by then."""
    backup_id = back_up(site_id, vault_id, local_days=0)
    drive()
    server_id = found(backup_id).server_id
    with transaction() as session:
        server = session.get_one(Server, server_id)
        port, server.port = server.port, free_port()
    ask_for_removals()
    step()
    for one in objects(backup_id):
        store.s3.delete_object(Bucket=store.bucket, Key=f"backups/{one.key}")
    with transaction() as session:
        session.get_one(Server, server_id).port = port
    make_due(*of_kind(backup_id, RunKind.DELETE))
    step()
    step()
    local = found(backup_id).server_copy
    assert local
    assert local.status is CopyStatus.STORED
    assert Path(local.path).exists()


def test_a_planned_removal_waits_for_an_upload_that_reads_the_archive(
    site_id: UUID, vault_id: UUID, core: Flask, store: S3Store, rgw: Rgw
) -> None:
    second = add_vault(core, S3Store(rgw))
    backup_id = back_up(site_id, None)
    drive()
    with transaction() as session:
        row = session.get_one(Backup, backup_id)
        row.local_days, row.rate = 0, 1
    push(backup_id, second)
    until(step, lambda _: of_kind(backup_id, RunKind.UPLOAD)[0].status is Status.RUNNING)
    with transaction() as session:
        session.get_one(Backup, backup_id).rate = None
    push(backup_id, vault_id)

    def is_in_the_first() -> bool:
        step()
        states = {copy.vault_id: copy.status for copy in found(backup_id).copies}
        return states[vault_id] is CopyStatus.STORED

    until(is_in_the_first, bool, seconds=60)
    ask_for_removals()
    assert of_kind(backup_id, RunKind.DELETE) == []


def test_an_upload_that_nobody_has_written_down_does_not_stay_open(
    site_id: UUID, vault_id: UUID, store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is killed between the store's answer and the row; the next one begins anew."""
    backup_id = back_up(site_id, None)
    drive()

    class Killed(BaseException): ...

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Upload, "as_secret", killed)
        push(backup_id, vault_id)
        with pytest.raises(Killed):
            step()
    make_due(*of_kind(backup_id, RunKind.UPLOAD))
    drive()
    assert found(backup_id).offsite_status is Offsite.UPLOADED
    assert "Uploads" not in store.s3.list_multipart_uploads(Bucket=store.bucket)


def test_a_store_that_never_answers_is_said(
    site_id: UUID, vault_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes connections and is silent, for longer than a job may take."""
    backup_id = back_up(site_id, None)
    drive()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with transaction() as session:
            address = f"http://127.0.0.1:{silent.getsockname()[1]}"
            session.get_one(Vault, vault_id).endpoint = address
        monkeypatch.setattr(connections, "ANSWER_SECONDS", 3.0)
        push(backup_id, vault_id)
        [run] = of_kind(backup_id, RunKind.UPLOAD)
        make_due(run)
        with suppress(JobTimeoutException), UnixSignalDeathPenalty(2, JobTimeoutException):
            jobs.start(str(run.id))
    [run] = of_kind(backup_id, RunKind.UPLOAD)
    assert (run.attempts, run.error_code) == (1, "VAULT_UNREACHABLE")


def test_a_bucket_that_encrypts_takes_uploads() -> None:
    """By a key of KMS: its ETags look like MD5s and are none."""
    sent, stored = [Receipt(1, 1, MD5, f'"{KMS}"')], [ReceivedPart(1, 1, KMS)]
    assert compare(sent, stored, opaque=True) is VerifiedBy.MD5_PER_BLOCK
    with pytest.raises(ChecksumMismatch):
        compare(sent, stored)
    kms = Upload("key", Secret("id"), plan(None), opaque=True)
    assert Upload.from_secret(kms.as_secret()) == kms
    assert _is_opaque({"ServerSideEncryption": "aws:kms:dsse"})
    assert _is_opaque({"SSECustomerAlgorithm": "AES256"})
    assert not _is_opaque({"ServerSideEncryption": "AES256"})


def test_a_lock_of_years_in_a_vault_keeps_no_server(site_id: UUID, core: Flask, rgw: Rgw) -> None:
    """The provider says until when: it is asked again then, and the server is not needed."""
    where = S3Store(rgw)
    where.bucket = f"{where.bucket}-lock"
    where.s3.create_bucket(Bucket=where.bucket, ObjectLockEnabledForBucket=True)
    where.s3.put_object_lock_configuration(
        Bucket=where.bucket,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 3650}},
        },
    )
    where.location = replace(where.location, bucket=where.bucket)
    backup_id = back_up(site_id, add_vault(core, where))
    drive()
    with transaction() as session:
        requests.delete(session, session.get_one(Backup, backup_id), add_person(session))
    for _ in range(2):
        step()
    [run] = [run for run in of_kind(backup_id, RunKind.DELETE) if run.vault_id]
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


class KnowsNoVersions:
    """A store that answers the question for versions with a plain list, without any."""

    def __init__(self, *, deletes: bool) -> None:
        self.there, self.deletes = True, deletes

    def get_paginator(self, _name: str) -> "KnowsNoVersions":
        return self

    def paginate(self, **_more: Any) -> list[dict[str, Any]]:
        return [{"ResponseMetadata": {}}]

    def delete_object(self, **_more: Any) -> None:
        self.there = not self.deletes

    def head_object(self, **_more: Any) -> dict[str, Any]:
        if self.there:
            return {}
        from botocore.exceptions import ClientError  # noqa: PLC0415

        said = {"Error": {"Code": "404"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
        raise ClientError(said, "HeadObject")


def test_an_empty_list_of_versions_proves_nothing() -> None:
    store = KnowsNoVersions(deletes=True)
    s3_deletion.delete(store, "bucket", "key", "")
    assert not store.there
    with pytest.raises(VaultRefused, match="still has it"):
        s3_deletion.delete(KnowsNoVersions(deletes=False), "bucket", "key", "")


class KnowsNoPrefixes(MemoryVault):
    """A store that lists everything, whatever is asked for."""

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        return super().list("")


def test_only_what_we_wrote_is_swept() -> None:
    store = MemoryStore()
    other = f"{uuid4()}/{uuid4()}/{uuid4()}/archive.tar.gz"
    store.objects[other] = (b"x", StoredObject(other, 1, clock.now()))
    with pytest.raises(VaultRefused, match="not asked for"):
        emptying.sweep(KnowsNoPrefixes(store, store.secret), f"{uuid4()}/{uuid4()}/{uuid4()}/")
    assert other in store.objects
