"""Restores against what people type instead: `make bench` runs it; `python -m bench.restores`
alone.

Files from S3, with the hash proven before anything is touched, and databases. Tools that are not
here are left out and named.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from uuid import uuid4

from bench.data import web_site
from bench.figures import say, timed
from bench.restored_databases import Databases, of_mariadb, of_postgresql
from bench.runs import done
from bench.stage import scratch
from cloudpilot.engine import requests, restoring, script
from cloudpilot.engine.detached import Place
from cloudpilot.engine.requests import Request
from cloudpilot.engine.restoring import Archive, Restoration
from cloudpilot.engine.script import Contents
from cloudpilot.engine.ssh import Session
from cloudpilot.kinds import Compression, Privilege
from cloudpilot.reports import Report
from tests.support import mariadb, postgresql, rgw
from tests.support.rgw import Rgw
from tests.support.sshd import private_sshd
from tests.vaults.s3_store import S3Store

ROUNDS = 3
SITES = 2  # of about 500 MB each
ROOM = 8 * 2**30  # bytes of the store, which is in memory
NAME = "a.tar.gz"


def main() -> None:
    """Files, then both engines."""
    data = scratch() / "two-sites"
    for number in range(SITES):
        web_site(data / str(number), seed=number)
    with TemporaryDirectory(prefix="cp-bench-", dir=scratch()) as folder:
        home = Path(folder)
        with (
            rgw.running(ROOM) as gateway,
            private_sshd(home) as sshd,
            sshd.session() as session,
        ):
            of_files(Files(session, gateway, home, data))
            with mariadb.running() as server:
                of_mariadb(Databases(session, home / "mariadb", server))
            with postgresql.running() as server:
                of_postgresql(Databases(session, home / "postgresql", server))


def of_files(files: "Files") -> None:
    """The fastest of each, in turn."""
    work: dict[str, Callable[[Path], object]] = {
        "CloudPilot": files.ours,
        "curl | tar xz": files.by_hand,
    }
    if shutil.which("restic"):
        work["restic restore"] = files.restic()
    else:
        say("  restic restore", "not here", "")
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(ROUNDS):
        for name, restore in work.items():
            target = files.home / "target"
            target.mkdir()
            seconds[name].append(timed(lambda restore=restore, at=target: restore(at)))  # type: ignore[misc]
            shutil.rmtree(target)
    mine = min(seconds["CloudPilot"])
    say("restore of 1 GB of files from S3, into a folder", f"{mine:.1f} s", "")
    for name, aim in (("curl | tar xz", "≤ 0.9 ×"), ("restic restore", "≤ 0.9 ×")):
        if name in seconds:
            say(f"  against `{name}`", f"{mine / min(seconds[name]):.2f} ×", aim)


class Files:
    """A backup whose archive is in the store, and ways to have it back."""

    def __init__(self, session: Session, gateway: Rgw, home: Path, data: Path) -> None:
        self.session, self.gateway, self.home, self.data = session, gateway, home, data
        self.store = S3Store(gateway)
        report, archive = self._backed_up()
        vault = self.store.vault()
        key = f"{vault._prefix}/{NAME}"  # type: ignore[attr-defined]  # noqa: SLF001
        self.store.s3.upload_file(str(archive), self.store.bucket, key)
        archive.unlink()
        self.size, self.sha256 = int(report.result["size"]), report.result["sha256"]
        self.needed = int(report.result["tar_bytes"])
        self.address = vault.sign_read(NAME, seconds=3600, filename="a")

    def _backed_up(self) -> tuple[Report, Path]:
        place = Place(str(self.home / "root"), str(uuid4()), "r1")
        paths, root = (str(self.data),), place.root
        what = Contents(paths, (), Compression.GZIP, NAME, root, b"{}")
        report = done(self.session, place, script.backup(what))
        return report, Path(place.backup_directory) / NAME

    def ours(self, target: Path) -> None:
        """The whole run: fetched, verified, unpacked beside, swapped, synced."""
        what = Restoration(
            restore_id=str(uuid4()),
            privilege=Privilege.PLAIN,
            archives=(Archive(NAME, self.size, self.sha256),),
            paths=(str(self.data),),
            tops=(str(self.data),),
            needed=self.needed,
            into=str(target),
            in_clear=True,
        )
        place = Place(str(self.home / "root"), what.restore_id, "restore")
        request = Request(1, self.address, (), method="GET")
        secrets = requests.secrets({"archive": [request]}, seconds=3600)
        done(self.session, place, restoring.restore(what), secrets)
        assert Path(f"{target}{self.data}/0/large-0.bin").exists()
        shutil.rmtree(place.backup_directory)

    def by_hand(self, target: Path) -> None:
        """Nothing is proven, and nothing is written to the disk for good."""
        command = f"curl -fsS {quote(self.address.reveal())} | tar -xzf - -C {target}"
        subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True)

    def restic(self) -> Callable[[Path], object]:
        """Backed up once."""
        environ = os.environ | {
            "AWS_ACCESS_KEY_ID": self.gateway.key_id,
            "AWS_SECRET_ACCESS_KEY": self.gateway.secret,
            "RESTIC_PASSWORD": "bench",
            "RESTIC_CACHE_DIR": str(self.home / "restic-cache"),
        }
        repository = f"s3:http://127.0.0.1:{self.gateway.port}/{self.store.bucket}/restic"

        def typed(*words: str) -> None:
            command = ["restic", "--quiet", "--repo", repository, *words]
            subprocess.run(command, check=True, env=environ, stdout=subprocess.DEVNULL)

        typed("init")
        typed("backup", str(self.data))
        return lambda target: typed("restore", "latest", "--target", str(target))


if __name__ == "__main__":
    main()
