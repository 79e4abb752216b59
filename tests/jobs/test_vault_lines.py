"""A vault that panel and server reach over the same bad line: a backup is in it once, or nothing of
it is."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from cloudpilot import connections
from cloudpilot.db import transaction
from cloudpilot.domain.copies import Offsite
from cloudpilot.domain.restores import RestoreStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.engine import uploading
from cloudpilot.engine.uploading import Sending
from cloudpilot.kinds import RunKind
from tests.support.proxy import Proxy, half_open, proxied, reset
from tests.support.restores import restored
from tests.support.tree import entries
from tests.support.until import until
from tests.support.uploading import (
    PREFIX,
    back_up,
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

pytestmark = [
    pytest.mark.xdist_group("rgw"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture
def line(vault_id: UUID, store: S3Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The vault's address is that of a proxy. The panel waits half a second for an answer, the
    server one in which no byte comes."""
    real = uploading.files

    def impatient(what: Sending) -> dict[str, bytes]:
        files = real(what)
        assert b"--speed-time 60" in files["script"]
        return files | {"script": files["script"].replace(b"--speed-time 60", b"--speed-time 1")}

    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(uploading, "files", impatient)
    with proxied("127.0.0.1", int(store.location.endpoint.rpartition(":")[2])) as proxy:
        with transaction() as session:
            session.get_one(Vault, vault_id).endpoint = f"http://{proxy.address}"
        yield proxy


def assert_there_once(backup_id: UUID, store: S3Store) -> None:
    backup = found(backup_id)
    assert (backup.status, backup.offsite_status) == (Status.COMPLETED, Offsite.UPLOADED)
    keys = [f"{PREFIX}/{one.key}" for one in objects(backup_id) if one.stored_at]
    assert sorted(store.keys(str(backup_id))) == sorted(keys)
    assert len(keys) == 3
    assert store.open() == []


def test_all_that_breaks_is_done_again_and_a_backup_is_there_once(
    site_id: UUID, vault_id: UUID, store: S3Store, line: Proxy, tmp_path: Path
) -> None:
    """What the panel begins, what the server sends, what the panel has proven; then a restore."""
    before = entries(tmp_path / "site")
    for after, harm in ((4, half_open), (11, reset), (26, reset), (33, half_open), (40, reset)):
        line.harm(harm, after=after)
    backup_id = back_up(site_id, vault_id)
    drive()
    assert line.harmed == 5
    assert_there_once(backup_id, store)
    kinds = [run.kind for run in runs_of(backup_id)]
    assert kinds == [RunKind.MAKE, RunKind.UPLOAD, RunKind.VERIFY]
    (tmp_path / "site" / "index.html").unlink()
    line.harm(reset, after=1)
    restore = restored(backup_id, vault_id=vault_id, safe=False)
    assert (restore.status, restore.error_detail) == (RestoreStatus.COMPLETED, None)
    assert entries(tmp_path / "site") == before


def test_a_line_that_stays_half_open_fails_the_upload_and_leaves_nothing(
    site_id: UUID,
    vault_id: UUID,
    store: S3Store,
    line: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is begun when the line falls silent. What was begun is taken back when there is one."""
    backup_id = back_up(site_id, None)
    drive()
    real = uploading.files

    def silent(what: Sending) -> dict[str, bytes]:
        line.freeze()
        return real(replace(what, patience=0))

    with monkeypatch.context() as patch:
        patch.setattr(uploading, "files", silent)
        push(backup_id, vault_id)
        until(step, lambda _: any(run.error_code for run in ends_of(backup_id)))
    failed = kind(backup_id, RunKind.UPLOAD)
    assert (failed.status, failed.error_code) == (Status.FAILED, "VAULT_UNREACHABLE")
    [end] = ends_of(backup_id)
    assert (end.status, end.error_code) == (Status.RUNNING, "VAULT_UNREACHABLE")
    assert found(backup_id).offsite_status is Offsite.FAILED
    assert len(store.open()) == 3

    line.thaw()  # what had been sent arrives late
    due_now(end)
    drive()
    assert kind(backup_id, RunKind.ABANDON).status is Status.COMPLETED
    assert (store.keys(str(backup_id)), store.open()) == ([], [])
    push(backup_id, vault_id)
    drive()
    assert_there_once(backup_id, store)


def ends_of(backup_id: UUID) -> list[Run]:
    """What takes back what was begun."""
    return [run for run in runs_of(backup_id) if run.kind is RunKind.ABANDON]
