"""The archive of a snapshot tree, made while it is sent: in a vault it is one as any other."""

import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cloudpilot.engine import detached, uploading
from cloudpilot.engine.detached import Place
from cloudpilot.engine.packed import Packed
from cloudpilot.engine.script import Tree
from cloudpilot.engine.ssh import Session
from cloudpilot.engine.uploading import Item
from cloudpilot.errors import ChecksumMismatch, NotCompleted, ReadFailed, RunKilled, RunLost
from cloudpilot.kinds import Compression, Privilege
from tests.engine.conftest import PLAN, Backups, Made
from tests.engine.test_increments import first_changes, second_changes, site
from tests.support.tree import assert_same
from tests.support.until import until
from tests.support.uploads import NAMES, Transfer, marked
from tests.vaults.s3_store import S3Store

__all__ = ["site"]
pytestmark = pytest.mark.xdist_group("rgw")
MIB = 2**20
NAME = "a.tree"
FILES = {
    "archive": "a.tar.gz",
    "index": "upload-u1/index.gz",
    "manifest": "upload-u1/manifest.json",
}
RESTORE = (
    "mkdir -p {0} && tar --extract --file={1} --directory={0} --strip-components=1"
    " --numeric-owner --same-permissions --acls --xattrs --xattrs-include='*' files"
)


@dataclass
class Sender:
    """A tree, and the upload of its archive."""

    transfer: Transfer
    made: Made
    paths: tuple[str, ...]

    def start(self, **changes: Any) -> Place:
        """A new run of it."""
        self.transfer.run += 1
        run = f"u{self.transfer.run}"
        result = self.made.report.result
        tree = Packed(
            NAME, int(result["size"]), result["sha256"], self.paths,
            self.made.place.root, Compression.GZIP, Privilege.PLAIN, PLAN,
        )  # fmt: skip
        items = tuple(Item(name, FILES[name], self.transfer.tiers) for name in NAMES)
        known = {"following": run, "size": None, "sha256": None, "streamed": True}
        sending = replace(
            self.transfer.sending(**known), items=items, tree=replace(tree, **changes)
        )
        place = Place(str(self.transfer.root), self.transfer.backup_id, run)
        signed = uploading.secrets(self.transfer.all_signed(count=60), seconds=600)
        detached.launch(self.transfer.session, place, uploading.files(sending), signed)
        return place

    def archive(self, place: Place, target: Path) -> Path:
        """As the store gives it, once all of it is proven."""
        report = self.transfer.over(place)
        assert report.error is None, (report.error, report.log)
        for name in ("index", "manifest"):
            self.transfer.contents[name] = (self.transfer.folder / FILES[name]).read_bytes()
        said = self.transfer.sent(place)
        for name, item in said.items():
            parts = self.transfer.receipts_of(item)
            upload = self.transfer.uploads[name]
            stored = self.transfer.vault.complete(upload, parts, item.size, md5=item.md5)
            if name == "archive":
                target.write_bytes(self.transfer.read(stored.key))
        return target


@pytest.fixture
def store(s3: S3Store) -> S3Store:
    return s3


def sender(session: Session, backups: Backups, store: S3Store, *paths: Path) -> Sender:
    made = backups.make(*paths, tree=Tree(NAME))
    transfer = Transfer(session, backups.root, store.vault(), backup_id=made.place.backup_id)
    transfer.begin()
    return Sender(transfer, made, tuple(str(path) for path in paths))


def test_what_comes_from_the_vault_is_the_tree(
    session: Session, backups: Backups, store: S3Store, site: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second"
    second.mkdir()
    second_changes(site)
    (second / "linked").hardlink_to(site / "old")
    (site / "large").write_bytes(os.urandom(90 * MIB))
    found = sender(session, backups, store, second, site)
    place = found.start()
    growing = Path(place.run_directory, "work/packing/work/archive")
    largest = 0
    report = found.transfer.look(place)
    while not report.over:
        largest = max(largest, growing.stat().st_blocks * 512 if growing.exists() else 0)
        report = found.transfer.look(place)
    archive = found.archive(place, tmp_path / "from the store.tar.gz")
    assert 0 < largest < archive.stat().st_size  # it never was whole on the server
    command = RESTORE.format("target", f"'{archive}'")
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    for path in (site, second):
        assert_same(path, tmp_path / "target" / path.relative_to("/"))
    assert_same(site, found.made.archive / "files" / site.relative_to("/"))  # which stays
    assert not Path(place.run_directory, "work").exists()
    assert b"--strip-components" in (found.transfer.folder / FILES["manifest"]).read_bytes()


@pytest.mark.parametrize("change", ["more", "less", "longer", "index", "gone"])
def test_a_tree_that_was_changed_since_is_not_sent_as_what_was_made(
    session: Session, backups: Backups, store: S3Store, site: Path, change: str
) -> None:
    found = sender(session, backups, store, site)
    inside = found.made.archive / "files" / site.relative_to("/")
    if change == "more":
        (inside / "more").write_text("")
    elif change == "less":
        (inside / "old").unlink()
    elif change == "longer":
        (inside / "old").write_text("something else, and it is a bit longer")
    elif change == "index":
        Path(f"{found.made.archive}.index.gz").unlink()
    else:
        shutil.rmtree(found.made.archive)
    report = found.transfer.over(found.start())
    assert isinstance(report.error, ReadFailed if change == "gone" else ChecksumMismatch)
    assert not any(line.startswith("= ") for line in found.transfer.receipts())


def test_packing_that_is_killed_fails_the_upload_and_another_one_succeeds(
    session: Session, backups: Backups, store: S3Store, site: Path, tmp_path: Path
) -> None:
    (site / "large").write_bytes(os.urandom(150 * MIB))
    found = sender(session, backups, store, site)
    place = found.start()
    until(lambda: of(place, "tar") or found.transfer.look(place).over, bool)
    for pid in of(place, "tar"):
        end(pid)
    assert isinstance(found.transfer.over(place).error, RunKilled)
    place = found.start()
    until(lambda: len(found.transfer.receipts()) > 1 or found.transfer.look(place).over, bool)
    for pid in marked(place):
        end(pid)
    assert isinstance(found.transfer.over(place).error, RunLost)
    left = Path(place.run_directory, "work/packing")
    assert left.exists()
    # What was sent is no longer here: this upload cannot go on, another one begins anew.
    assert isinstance(found.transfer.over(found.start()).error, NotCompleted)
    assert not left.exists()
    first_changes(site)  # of the site nothing is read any more
    shutil.rmtree(found.transfer.folder / "upload-u1")
    found.transfer.begin()
    archive = found.archive(found.start(), tmp_path / "from the store.tar.gz")
    subprocess.run(RESTORE.format("target", f"'{archive}'"), shell=True, check=True, cwd=tmp_path)
    top = site.relative_to("/")
    assert_same(found.made.archive / "files" / top, tmp_path / "target" / top)


def end(pid: int) -> None:
    """By KILL; it may just have ended by itself."""
    with suppress(ProcessLookupError):
        os.kill(pid, 9)


def of(place: Place, name: str) -> list[int]:
    return [pid for pid, called in marked(place).items() if called == name]
