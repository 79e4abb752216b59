"""A backup to S3 against what people use instead: `python -m bench.uploads`.

The same gateway, the same files, in turn; first as fast as it goes, then through a link of 40 MB/s.
Tools that are not here are left out and named.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

from bench.bucket import link
from bench.data import web_site
from bench.figures import say, timed
from bench.stage import scratch, stage
from cloudpilot.db import transaction
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Offsite
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.jobs import queue
from tests.support import rclone, rgw
from tests.support.rgw import Rgw
from tests.support.rows import add_run
from tests.support.until import until
from tests.support.uploading import add_vault, found, runs_of
from tests.support.world import World
from tests.vaults.s3_store import S3Store

ROUNDS = 2
SLOW = 40_000_000  # bytes a second
SITES = 2  # of about 500 MB each, which have nothing in common
ROOM = 12 * 2**30  # bytes of the store, which is in memory


def main() -> None:
    """Both links."""
    data = scratch() / "two-sites"
    for number in range(SITES):
        web_site(data / str(number), seed=number)
    with rgw.running(ROOM) as gateway, stage(data) as world:
        compare(world, gateway, None, "fast link")
        compare(world, gateway, SLOW, "link of 40 MB/s")


def compare(world: World, gateway: Rgw, rate: int | None, name: str) -> None:
    """The best of some rounds of each, and the bound that the link sets."""
    with link(gateway.port, rate) as way:
        store = S3Store(gateway, endpoint=f"http://127.0.0.1:{way.port}")
        vault_id = add_vault(world.core, store)
        size = 0

        def ours() -> None:
            nonlocal size
            size = uploaded(world, vault_id)

        tools: dict[str, Callable[[], object]] = {"CloudPilot": ours}
        tools.update(others(world, gateway, store, way.port))
        seconds = {tool: best(work, store, world) for tool, work in tools.items()}
    mine = seconds["CloudPilot"]
    say(f"{name}: 1 GB of files to S3, request to `uploaded`", f"{mine:.1f} s", "")
    for tool, other in seconds.items():
        if tool != "CloudPilot":
            say(f"  against `{tool}`", f"{mine / other:.2f} × of {other:.1f} s", "")
    if rate:
        say("  against bytes / rate", f"{mine / (size / rate):.2f} ×", "≤ 1.05 ×")


def best(work: Callable[[], object], store: S3Store, world: World) -> float:
    """The fastest of some rounds, each with an empty bucket."""
    seconds = []
    for _ in range(ROUNDS):
        seconds.append(timed(work))
        empty(store)
        shutil.rmtree(world.root, ignore_errors=True)
    return min(seconds)


def uploaded(world: World, vault_id: UUID) -> int:
    """A backup from the request to the vault's word; the bytes of its archive."""
    with transaction() as session:
        server = session.get_one(Server, world.server_id)
        run = add_run(session, server, session.get_one(Site, world.site_id))
        backup_id = session.get_one(Backup, run.backup_id).id
        session.get_one(Backup, backup_id).vault_id = vault_id
        queue.ring(session, run)
    ends = {Offsite.UPLOADED, Offsite.FAILED}
    backup = until(lambda: found(backup_id), lambda one: one.offsite_status in ends, seconds=300)
    assert backup.offsite_status is Offsite.UPLOADED, runs_of(backup_id)
    return int(backup.size or 0)


def others(
    world: World, gateway: Rgw, store: S3Store, port: int
) -> Mapping[str, Callable[[], object]]:
    """What people use instead, as far as it is here; by what they type."""
    keys = {"AWS_ACCESS_KEY_ID": gateway.key_id, "AWS_SECRET_ACCESS_KEY": gateway.secret}
    address, tar = f"http://127.0.0.1:{port}", f"tar -C {world.files} -c ."
    environ: dict[str, Any] = {
        **os.environ,
        **keys,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "RESTIC_PASSWORD": "bench",
    }
    remote = f":s3,provider=Ceph,env_auth=true,endpoint='{address}':{store.bucket}/rclone"
    wanted = {
        "tar | pigz | aws s3 cp -": (
            "aws",
            f"{tar} | pigz | aws --endpoint-url {address} s3 cp - s3://{store.bucket}/aws",
        ),
        "tar | pigz | rclone rcat": (
            rclone.program(),
            f'{tar} | pigz | {rclone.program()} rcat --config /dev/null "{remote}"',
        ),
        "tar | igzip | rclone rcat": (
            rclone.program(),
            f'{tar} | igzip -2 | {rclone.program()} rcat --config /dev/null "{remote}"',
        ),
        "restic backup": (
            "restic",
            " && ".join(
                f"restic -q -r s3:{address}/{store.bucket}/NEW {words}"
                for words in ("init", f"backup --no-cache {world.files}")
            ),
        ),
    }
    work: dict[str, Callable[[], object]] = {}
    for name, (program, command) in wanted.items():
        if not program or not shutil.which(program):
            say(f"  {name}", "not here", "")
            continue
        work[name] = lambda command=command: typed(command, environ)  # type: ignore[misc]
    return work


def typed(command: str, environ: Mapping[str, str]) -> None:
    """As a person types it."""
    line = f"set -o pipefail; {command.replace('NEW', uuid4().hex)}"
    subprocess.run(["bash", "-c", line], check=True, env=environ, stdout=subprocess.DEVNULL)


def empty(store: S3Store) -> None:
    """Room for the next one: the store is in memory."""
    while keys := store.s3.list_objects_v2(Bucket=store.bucket).get("Contents"):
        for one in keys:
            store.s3.delete_object(Bucket=store.bucket, Key=one["Key"])


if __name__ == "__main__":
    main()
