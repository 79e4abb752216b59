"""Backups on the real sshd, from the first word to the last."""

import gzip
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cloudpilot.engine import detached, script
from cloudpilot.engine.detached import Place
from cloudpilot.engine.program import source
from cloudpilot.engine.script import LOCK_SECONDS, Contents, Dump
from cloudpilot.engine.ssh import Session
from cloudpilot.kinds import Compression
from cloudpilot.reports import Report
from tests.support.azurite import Azurite
from tests.support.gcs import Gcs
from tests.support.must_run import must_run
from tests.support.rgw import Rgw
from tests.support.sshd import IS_ROOT, Sshd
from tests.support.until import until
from tests.vaults.azure_store import AzureStore
from tests.vaults.gcs_store import GcsStore
from tests.vaults.s3_store import S3Store

PLAN = b'{"format": 1, "backup_id": "b"}'


@dataclass(frozen=True)
class Made:
    """A run that is over, and the files of its archive."""

    report: Report
    place: Place
    name: str

    @property
    def archive(self) -> Path:
        return Path(self.place.backup_directory, self.name)

    @property
    def index(self) -> list[list[str]]:
        text = gzip.decompress(Path(f"{self.archive}.index.gz").read_bytes()).decode()
        return [line.split(" ") for line in text.splitlines()]

    def names(self) -> list[str]:
        """The archive's members as the index has them, without our own two."""
        names = [row[5] for row in self.index if row[0] == "F"]
        assert (names[0], names[-1]) == ("manifest.json", "result.json")
        return names[1:-1]

    def extract(self, target: Path) -> Path:
        """By the command that the manifest beside the archive gives."""
        target.mkdir()
        command = (
            f"tar --extract --file={self.name} --directory={target} --strip-components=1"
            " --numeric-owner --same-permissions --acls --xattrs --xattrs-include='*' files"
        )
        assert command.replace(str(target), "/TARGET") in (
            self.archive.with_name("manifest.json").read_text()
        )
        subprocess.run(command, shell=True, check=True, cwd=self.archive.parent)
        return target


@dataclass(frozen=True)
class Backups:
    """Makes backups below `root`, as the user of a session."""

    session: Session
    root: Path
    patience: float = 30  # seconds for a run

    def contents(
        self,
        *paths: Path | str,
        excludes: tuple[str, ...] = (),
        compression: Compression = Compression.GZIP,
        expected_ratio: int = 100,
        dumps: tuple[Dump, ...] = (),
        lock_seconds: int = LOCK_SECONDS,
        **streaming: Any,
    ) -> Contents:
        """What is sent for it."""
        return Contents(
            paths=tuple(str(path) for path in paths),
            excludes=excludes,
            compression=compression,
            archive=f"a{compression.suffix}",
            backup_root=str(self.root),
            plan=PLAN,
            expected_ratio=expected_ratio,
            dumps=dumps,
            lock_seconds=lock_seconds,
            **streaming,
        )

    def start(self, *paths: Path | str, **what: object) -> Place:
        place = Place(str(self.root), str(uuid4()), "r1")
        contents = self.contents(*paths, **what)  # type: ignore[arg-type]
        detached.launch(self.session, place, script.backup(contents), contents.secrets())
        return place

    def look(self, place: Place) -> Report:
        return detached.look(self.session, place)

    def over(self, place: Place) -> Report:
        return until(lambda: self.look(place), lambda report: report.over, seconds=self.patience)

    def fails(self, *paths: Path | str, **what: object) -> Report:
        """A backup that does not succeed, and leaves nothing but its words."""
        place = self.start(*paths, **what)
        report = self.over(place)
        assert report.error
        assert left_of(place) == []
        return report

    def make(self, *paths: Path | str, **what: object) -> Made:
        place = self.start(*paths, **what)
        report = self.over(place)
        assert report.error is None, (report.error, report.log)
        return Made(report, place, report.result.get("archive") or report.result["tree"])


def left_of(place: Place) -> list[str]:
    """What there is of an archive, whole or in part."""
    words = {"exit", "error", "warnings", "log", "pid", "progress", "stop", "made", "expected"}
    inputs = {"script", "manifest.json", *script.PROGRAMS, *script.DUMP_PROGRAMS}
    inputs |= {*script.CHAIN_PROGRAMS, *script.TREE_PROGRAMS}
    run = {path.name for path in Path(place.run_directory).iterdir()} - words - inputs
    beside = {path.name for path in Path(place.backup_directory).iterdir()}
    return sorted(run | (beside - {Path(place.run_directory).name}))


@contextmanager
def mounted(where: Path, size: str, options: str = "mode=755") -> Iterator[None]:
    """A small file system in memory at `where`, for the length of a block."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},{options}", "tmpfs", where]
    if not IS_ROOT or subprocess.run(mount, check=False, capture_output=True).returncode:
        must_run("mount", "only root may mount, and not everywhere")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", where], check=True)


def script_of(body: str) -> Mapping[str, bytes]:
    """The files of a run that does `body` after the prelude, and is complete if that succeeds."""
    lines = (
        b"main() {",
        source("words.sh"),
        source("ending.sh"),
        source("prelude.sh"),
        b"begin",
        body.encode(),
        b"echo complete=1 >result",
    )
    return {"script": b"\n".join((*lines, b'}\nmain "$@"; exit\n'))}


@pytest.fixture
def backups(session: Session, tmp_path: Path) -> Backups:
    return Backups(session, tmp_path / "root")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(str(tmp_path / "root"), f"b-{uuid4().hex[:8]}", "r1")  # ids find processes


@pytest.fixture
def plain_backups(plain_server: Sshd) -> Iterator[Backups]:
    """As an account that is not root's, below its home."""
    with plain_server.session() as session:
        yield Backups(session, plain_server.user_home / f"root-{uuid4().hex[:8]}")


@pytest.fixture
def launched(session: Session, place: Place) -> Callable[[str], Place]:
    """Launches a body of script at `place`; it is ended with the test."""

    def launch(body: str) -> Place:
        detached.launch(session, place, script_of(body))
        return place

    return launch


@pytest.fixture(scope="session")
def s3(rgw: Rgw) -> S3Store:
    return S3Store(rgw)


@pytest.fixture(scope="session")
def google(gcs: Gcs) -> GcsStore:
    return GcsStore(gcs, "uploads")


@pytest.fixture(scope="session")
def azure(azurite: Azurite) -> AzureStore:
    return AzureStore(azurite, "uploads")
