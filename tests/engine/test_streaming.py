"""Backups that leave no archive at the server: packed, sent and freed at once."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from cloudpilot.engine import detached, script
from cloudpilot.engine.detached import Place
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import (
    DiskFull,
    InvalidConfig,
    NotCompleted,
    RunLost,
    RunStopped,
    TooLargeForVault,
    UploadFailed,
    VaultDenied,
)
from cloudpilot.reports import Report
from tests.engine.conftest import Backups, left_of, mounted
from tests.support.faults import Faults, faulty
from tests.support.making import RUN
from tests.support.sshd import Sshd
from tests.support.tools import Tools
from tests.support.until import until
from tests.support.uploads import Transfer
from tests.vaults.s3_store import S3Store

MIB = 2**20
AHEAD = 64 * MIB  # that packing may be ahead of what was received
SMALL = 20 * MIB
LARGE = 110 * MIB


@dataclass
class Stream:
    """A backup and the upload that takes it, both of one server."""

    backups: Backups
    transfer: Transfer
    site: Path

    @property
    def make(self) -> Place:
        return Place(str(self.backups.root), self.transfer.backup_id, RUN)

    @property
    def growing(self) -> Path:
        return Path(self.make.run_directory, "work/archive")

    def fill(self, size: int) -> None:
        self.site.mkdir(exist_ok=True)
        with (self.site / "file").open("wb") as file:
            for _ in range(size // MIB):
                file.write(os.urandom(MIB))

    def pack(self) -> None:
        what = self.backups.contents(
            self.site, streamed=True, upload_id="u1", tiers=self.transfer.tiers
        )
        detached.launch(self.backups.session, self.make, script.backup(what))

    def send(self, **changes: object) -> Place:
        return self.transfer.start(
            self.transfer.all_signed(count=40),
            following=RUN, size=None, sha256=None, streamed=True, **changes,
        )  # fmt: skip

    def made(self) -> Report:
        return self.backups.over(self.make)

    def received(self) -> int:
        file = self.transfer.folder / "upload-u1/received"
        return int(file.read_text().split()[0]) if file.exists() else -1

    def waits(self) -> None:
        """Come back when packing waits for the upload."""
        until(lambda: self.growing.exists() and self.growing.stat().st_size >= AHEAD, bool)


@pytest.fixture
def faults(s3: S3Store) -> Iterator[Faults]:
    with faulty(s3.location.endpoint.removeprefix("http://")) as found:
        yield found


@pytest.fixture
def stream(session: Session, tmp_path: Path, s3: S3Store, faults: Faults) -> Stream:
    transfer = Transfer(session, tmp_path / "root", s3.vault())
    transfer.through = (faults.target, faults.address)
    transfer.begin()
    found = Stream(Backups(session, tmp_path / "root"), transfer, tmp_path / "site")
    found.fill(SMALL)
    return found


def completed(stream: Stream, upload: Place) -> bytes:
    """The archive, as the store gives it."""
    transfer = stream.transfer
    report = transfer.over(upload)
    assert report.error is None, (report.error, report.log)
    sent = transfer.sent(upload)
    for name in ("index", "manifest"):
        file = {"index": "a.tar.gz.index.gz", "manifest": "manifest.json"}[name]
        transfer.contents[name] = (transfer.folder / file).read_bytes()
    said = sent["archive"]
    parts = transfer.receipts_of(said)
    stored = transfer.vault.complete(transfer.uploads["archive"], parts, said.size, md5=said.md5)
    return transfer.read(stored.key)


def test_what_has_no_parts_is_refused_before_anything_is_packed(stream: Stream) -> None:
    stream.transfer.tiers = ((5 * MIB, 3),)
    stream.pack()
    made = stream.made()
    assert isinstance(made.error, TooLargeForVault)
    assert "is expected; the parts of this upload hold 15.7 MB" in str(made.error)
    assert left_of(stream.make) == []


def test_what_was_packed_is_at_the_store_and_never_was_whole_here(stream: Stream) -> None:
    stream.fill(LARGE)
    upload = stream.send()
    stream.pack()
    most = 0

    def over() -> bool:
        nonlocal most
        if stream.growing.exists():
            most = max(most, stream.growing.stat().st_blocks * 512)
        return stream.backups.look(stream.make).over

    until(over, bool, seconds=120)
    made = stream.made()
    assert made.error is None, (made.error, made.log)
    archive = completed(stream, upload)
    assert len(archive) > LARGE
    assert most <= AHEAD + 2 * MIB
    assert made.result["size"] == str(len(archive))
    assert made.result["sha256"] == sha256(archive).hexdigest()
    beside = sorted(path.name for path in stream.transfer.folder.iterdir())
    assert beside == ["a.tar.gz.index.gz", "manifest.json", "run-make", "run-u1", "upload-u1"]
    listed = subprocess.run(["tar", "-tzf", "-"], input=archive, capture_output=True, check=True)
    assert listed.stdout.decode().split("\n")[2] == f"files{stream.site}/file"


def test_the_archive_stays_until_all_of_it_was_received(stream: Stream, faults: Faults) -> None:
    faults.plan = ["pass", "hold"]
    stream.pack()  # the upload comes later
    until(lambda: "Waiting until the upload" in stream.backups.look(stream.make).log, bool)
    upload = stream.send()
    until(faults.held.is_set, bool)
    assert not stream.backups.look(stream.make).over
    assert stream.growing.exists()
    faults.let_go()
    assert stream.made().error is None
    assert len(completed(stream, upload)) > SMALL


def test_it_needs_no_root(plain_backups: Backups, s3: S3Store, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    transfer = Transfer(plain_backups.session, plain_backups.root, s3.vault())
    transfer.begin()
    stream = Stream(plain_backups, transfer, tmp_path / "site")
    stream.fill(SMALL)
    stream.site.chmod(0o755)
    upload = stream.send()
    stream.pack()
    assert len(completed(stream, upload)) > SMALL
    assert stream.made().error is None
    detached.remove(plain_backups.session, str(plain_backups.root), transfer.backup_id)
    assert not transfer.folder.exists()


@pytest.mark.parametrize("provider", ["google", "azure"])
def test_it_is_the_same_at_other_providers(
    backups: Backups, request: pytest.FixtureRequest, tmp_path: Path, provider: str
) -> None:
    store = request.getfixturevalue(provider)
    tiers = ((2 * MIB, 10_000),)
    transfer = Transfer(backups.session, backups.root, store.vault(), tiers=tiers)
    transfer.begin()
    stream = Stream(backups, transfer, tmp_path / "site")
    stream.fill(SMALL)
    stream.pack()
    upload = stream.send()
    archive = completed(stream, upload)
    assert stream.made().result["sha256"] == sha256(archive).hexdigest()


def test_an_upload_that_is_refused_ends_the_packing(stream: Stream, faults: Faults) -> None:
    stream.fill(LARGE)
    faults.always = (403, b"<Code>AccessDenied</Code>")
    stream.transfer.seconds = 3_600
    stream.pack()
    stream.waits()
    upload = stream.send()
    assert isinstance(stream.transfer.over(upload).error, VaultDenied)
    made = stream.made()
    assert isinstance(made.error, UploadFailed)
    assert "has ended" in str(made.error)
    assert [name for name in left_of(stream.make) if "tar" in name or "manifest" in name] == []


@pytest.mark.parametrize("when", ["while it waits for room", "when it is packed"])
def test_a_killed_upload_ends_the_packing(stream: Stream, faults: Faults, when: str) -> None:
    faults.plan = ["hold"] * 50
    if "room" in when:
        stream.fill(LARGE)
    upload = stream.send()
    stream.pack()
    if "room" in when:
        stream.waits()
    else:
        until(lambda: "Waiting until the upload" in stream.backups.look(stream.make).log, bool)
    os.kill(int(Path(upload.run_directory, "pid").read_text().split()[0]), signal.SIGKILL)
    assert isinstance(stream.made().error, UploadFailed)
    assert not (stream.transfer.folder / "manifest.json").exists()
    assert not Path(stream.make.run_directory, "result").exists()
    detached.stop(stream.backups.session, upload)


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_a_packing_that_ends_ends_the_upload(stream: Stream, faults: Faults, how: str) -> None:
    """Even when it has only the answer to wait for."""
    faults.plan = ["pass", "hold"]
    upload = stream.send()
    stream.pack()
    until(faults.held.is_set, bool)
    until(lambda: "Waiting until the upload" in stream.backups.look(stream.make).log, bool)
    if how == "killed":
        pid = int(Path(stream.make.run_directory, "pid").read_text().split()[0])
        os.killpg(pid, signal.SIGKILL)
        assert isinstance(stream.made().error, RunLost)
    else:
        detached.stop(stream.backups.session, stream.make)
        assert isinstance(stream.made().error, RunStopped)
    assert isinstance(stream.transfer.over(upload).error, NotCompleted)


def test_what_was_interrupted_is_not_gone_on_with(stream: Stream, faults: Faults) -> None:
    faults.plan = ["pass", "hold"]
    upload = stream.send(parallel=1)
    stream.pack()
    until(faults.held.is_set, bool)
    detached.stop(stream.backups.session, upload)
    assert isinstance(stream.made().error, UploadFailed)
    again = stream.send()
    report = stream.transfer.over(again)
    assert isinstance(report.error, NotCompleted)
    assert "cannot go on" in str(report.error)


def test_when_the_archive_was_sent_the_rest_can_still_be_sent(
    stream: Stream, faults: Faults
) -> None:
    parts = SMALL // stream.transfer.tiers[0][0] + 1
    faults.plan = ["pass"] * parts + ["hold"]
    upload = stream.send(parallel=1)
    stream.pack()
    until(faults.held.is_set, bool)
    assert stream.made().error is None
    detached.stop(stream.backups.session, upload)
    again = stream.send()
    assert len(completed(stream, again)) > SMALL
    assert set(stream.transfer.sent(again)) == {"archive", "index", "manifest"}


def test_less_room_is_enough(session: Session, tmp_path: Path, s3: S3Store) -> None:
    """400 MB would be too much for this disk; only what is on its way lies on it."""
    root = tmp_path / "small"
    root.mkdir(mode=0o700)
    with mounted(root, "340m"):
        transfer = Transfer(session, root / "root", s3.vault())
        transfer.begin()
        stream = Stream(Backups(session, root / "root"), transfer, tmp_path / "site")
        stream.site.mkdir()
        with (stream.site / "file").open("wb") as file:
            for _ in range(400):
                file.write(bytes(MIB))
        assert isinstance(stream.backups.fails(stream.site).error, DiskFull)
        upload = stream.send()
        stream.pack()
        assert stream.made().error is None
        assert completed(stream, upload)


@pytest.mark.parametrize(
    ("fallocate", "error"), [("exit 1", InvalidConfig), ("exit 0", InvalidConfig)]
)
def test_a_disk_that_cannot_free_parts_is_refused(
    stubbed: tuple[Sshd, Path], tools: Tools, tmp_path: Path, fallocate: str,
    error: type[InvalidConfig],
) -> None:  # fmt: skip
    tools.put("fallocate", fallocate)
    (tmp_path / "site").mkdir()
    with stubbed[0].session() as session:
        backups = Backups(session, tmp_path / "root")
        tiers = ((5 * MIB, 10_000),)
        report = backups.fails(tmp_path / "site", streamed=True, upload_id="u1", tiers=tiers)
    assert type(report.error) is error
    assert "cannot free parts of a file" in str(report.error)
