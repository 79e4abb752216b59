"""Backups that go to a vault, through worker, clock, sshd and a real store."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from cloudpilot.db import transaction
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, Offsite
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.jobs import queue
from cloudpilot.kinds import RunKind
from tests.support.canaries import Sightings, files, processes, watching
from tests.support.panel import below
from tests.support.proxy import proxied
from tests.support.rgw import Rgw
from tests.support.rows import add_run
from tests.support.until import until
from tests.support.uploading import add_vault, found, runs_of
from tests.support.world import World
from tests.vaults.s3_store import S3Store

pytestmark = pytest.mark.xdist_group("rgw")

MOST_SHARE = 0.01  # of the bytes that are sent: what our processes may read and write meanwhile
LARGE = 256 * 2**20


@pytest.fixture(scope="module")
def store(rgw: Rgw) -> S3Store:
    return S3Store(rgw)


@pytest.fixture
def vault_id(world: World, store: S3Store) -> UUID:
    return add_vault(world.core, store)


@pytest.fixture
def unseen(tmp_path: Path, store: S3Store) -> Iterator[None]:
    """While the test goes on, neither the vault's secret nor any signed address is in a file, a
    command line or an environment."""
    sightings = Sightings()
    sightings.plant("the secret", store.location.secret.reveal())
    # (One of this store: tests of other stores may run beside this one.)
    sightings.plant("a signed address", f"X-Amz-Credential={store.location.key_id}")
    with watching(sightings, files(tmp_path), processes(set)):
        yield
    assert sightings.rounds > 5
    assert sightings.seen == set()


def back_up(world: World, vault_id: UUID, **columns: object) -> UUID:
    """The id of a backup that is asked for."""
    with transaction() as session:
        server = session.get_one(Server, world.server_id)
        run = add_run(session, server, session.get_one(Site, world.site_id))
        backup = session.get_one(Backup, run.backup_id)
        backup.vault_id = vault_id
        for name, value in columns.items():
            setattr(backup, name, value)
        queue.ring(session, run)
        return backup.id


def uploaded(backup_id: UUID, seconds: float = 90) -> Copy:
    """Its copy in the vault, once that is proven."""
    ends = {Offsite.UPLOADED, Offsite.FAILED}
    backup = until(
        lambda: found(backup_id), lambda one: one.offsite_status in ends, seconds=seconds
    )
    assert backup.offsite_status is Offsite.UPLOADED, runs_of(backup_id)
    [copy] = backup.in_vaults()
    return copy


def body(store: S3Store, copy: Copy) -> bytes:
    """The archive as the vault has it."""
    listed = store.s3.list_objects_v2(Bucket=store.bucket)["Contents"]
    [key] = [
        one["Key"]
        for one in listed
        if str(copy.backup_id) in one["Key"] and one["Key"].endswith(copy.name)
    ]
    return bytes(store.s3.get_object(Bucket=store.bucket, Key=key)["Body"].read())


@pytest.mark.usefixtures("unseen")
def test_worker_and_clock_are_killed_and_the_upload_arrives(
    world: World, vault_id: UUID, store: S3Store
) -> None:
    world.hold()
    backup_id = back_up(world, vault_id)
    until(
        lambda: runs_of(backup_id),
        lambda all_: any(
            run.kind is RunKind.UPLOAD and run.status is Status.RUNNING for run in all_
        ),
    )
    for process in ("worker", "clock"):
        world.processes.kill(process)
        world.processes.start(process)
    world.release()
    copy = uploaded(backup_id)
    backup = until(lambda: found(backup_id), lambda one: one.status.is_final)
    assert backup.status is Status.COMPLETED
    assert (copy.size, copy.sha256) == (backup.size, backup.sha256)
    assert backup.server_copy is not None
    assert body(store, copy) == Path(backup.server_copy.path).read_bytes()


def test_no_byte_of_a_backup_passes_through_the_panel(
    world: World, vault_id: UUID, store: S3Store
) -> None:
    """Neither over SSH, nor in what our processes read and write: beyond what a small backup makes
    them read, their own programs first of all."""
    address = world.server()
    (world.files / "large.bin").write_bytes(b"small")
    uploaded(back_up(world, vault_id))  # every program is loaded once
    before = moved(world)
    uploaded(back_up(world, vault_id))
    small = moved(world) - before
    (world.files / "large.bin").write_bytes(os.urandom(LARGE))
    with proxied(address.host, address.port) as proxy:
        world.change_server(port=proxy.port)
        before = moved(world)
        copy = uploaded(back_up(world, vault_id), seconds=180)
        assert copy.size
        assert copy.size > LARGE
        assert proxy.passed < LARGE * MOST_SHARE
    assert moved(world) - before - small < LARGE * MOST_SHARE


def moved(world: World) -> int:
    """Characters that all processes of the panel have read and written until now, those that have
    ended included: a process has those of its children that it has waited for."""
    total = 0
    for pid in world.processes.pids():
        for one in (pid, *below(pid)):
            words = dict(
                line.split(": ") for line in Path(f"/proc/{one}/io").read_text().splitlines()
            )
            total += int(words["rchar"]) + int(words["wchar"])
    return total
