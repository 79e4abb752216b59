"""Uploads that begin before the archive is finished."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloudpilot.engine import script
from cloudpilot.engine.detached import Place, launch
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import ChecksumMismatch, NotCompleted, TooLargeForVault
from tests.engine.conftest import Backups
from tests.support.making import RUN, Making
from tests.support.until import until
from tests.support.uploads import PART, Transfer
from tests.vaults.s3_store import S3Store

FOLLOWING = {"following": RUN, "size": None, "sha256": None}


@pytest.fixture
def making(session: Session, tmp_path: Path, s3: S3Store) -> Iterator[Making]:
    transfer = Transfer(session, tmp_path / "root", s3.vault())
    transfer.begin()
    found = Making(transfer, os.urandom(2 * PART + 7))
    yield found
    found.kill()


def test_parts_are_sent_while_the_archive_grows(making: Making) -> None:
    transfer = making.transfer
    place = transfer.start(**FOLLOWING)  # the run that makes it has not begun yet
    until(lambda: transfer.look(place).stage, lambda stage: stage == "upload")
    making.begin()
    making.grow(PART)  # it may be all: the last part has other headers at some stores
    making.grow(1)
    until(transfer.receipts, lambda lines: len(lines) == 1)
    report = transfer.look(place)
    assert (report.over, report.total) == (False, None)
    making.grow(PART)
    until(transfer.receipts, lambda lines: len(lines) == 2)
    making.finish()
    transfer.succeeds(place)
    assert transfer.look(place).total == len(making.archive) + len(b"index{}")


def test_a_part_that_may_be_the_last_waits(making: Making) -> None:
    making.archive = making.archive[:PART]
    making.transfer.contents["archive"] = making.archive
    making.begin()
    place = making.transfer.start(**FOLLOWING)
    making.grow(PART)
    until(lambda: making.transfer.look(place).stage, lambda stage: stage == "upload")
    assert making.transfer.receipts() == []
    making.finish()
    making.transfer.succeeds(place)


@pytest.mark.parametrize(
    "end",
    [
        lambda making: making.fail(71),
        Making.kill,
        lambda making: making.exit(0),
        lambda making: (making.run / "pid").write_text(f"{making.process.pid} 1 another-boot\n"),
    ],
    ids=["failed", "killed", "no result", "rebooted"],
)
def test_if_it_is_never_finished_the_upload_ends(
    making: Making, end: Callable[[Making], object]
) -> None:
    making.begin()
    making.grow(PART + 1)
    place = making.transfer.start(**FOLLOWING)
    until(making.transfer.receipts, lambda lines: len(lines) == 1)
    end(making)
    assert isinstance(making.transfer.over(place).error, NotCompleted)


def test_what_will_be_too_large_is_refused_before_a_part_is_sent(making: Making) -> None:
    room = sum(size * count for size, count in making.transfer.tiers)
    making.begin()
    making.grow(PART + 1)
    for more, receipts in ((1, 0), (0, 1)):  # a byte too much; it just fits
        (making.run / "expected").write_text(f"{room + more}\n")
        place = making.transfer.start(**FOLLOWING)
        until(
            lambda place=place: (making.transfer.look(place).over, making.transfer.receipts()),
            lambda seen, receipts=receipts: any(seen),
        )
        assert len(making.transfer.receipts()) == receipts
        if more:
            assert isinstance(making.transfer.look(place).error, TooLargeForVault)
    making.finish()
    making.transfer.succeeds(place)


def test_a_run_that_was_stopped_before_it_began_is_never_finished(making: Making) -> None:
    making.run.mkdir(parents=True)
    making.transfer.root.chmod(0o700)
    (making.run / "stop").touch()
    place = making.transfer.start(**FOLLOWING)
    assert isinstance(making.transfer.over(place).error, NotCompleted)


def test_another_hash_than_the_makers_is_never_completed(making: Making) -> None:
    making.begin()
    place = making.transfer.start(**FOLLOWING)
    making.finish("0" * 64)
    assert isinstance(making.transfer.over(place).error, ChecksumMismatch)
    assert len(making.transfer.receipts()) <= 2  # not the last part


def test_a_real_backup_is_followed(
    session: Session, tmp_path: Path, s3: S3Store, backups: Backups
) -> None:
    (tmp_path / "site").mkdir()
    for number in range(8):
        (tmp_path / f"site/{number}").write_bytes(os.urandom(6 * 2**20))
    transfer = Transfer(session, backups.root, s3.vault())
    transfer.begin()
    make = Place(str(backups.root), transfer.backup_id, RUN)
    upload = transfer.start(**FOLLOWING)
    launch(session, make, script.backup(backups.contents(tmp_path / "site")))
    assert backups.over(make).error is None
    for name, file in (("archive", "a.tar.gz"), ("index", "a.tar.gz.index.gz"),
                       ("manifest", "manifest.json")):  # fmt: skip
        transfer.contents[name] = (transfer.folder / file).read_bytes()
    transfer.succeeds(upload)
