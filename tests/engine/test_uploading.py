"""Uploads by a server itself, to real stores: what is there afterwards is what was packed."""

import os
from pathlib import Path

import pytest

from cloudpilot.engine.ssh import Session
from tests.support.uploads import PART, Transfer
from tests.vaults.s3_store import S3Store


@pytest.fixture
def transfer(session: Session, tmp_path: Path, s3: S3Store) -> Transfer:
    return Transfer(session, tmp_path / "ro\"ot $(id) 'x'", s3.vault())


@pytest.mark.parametrize("size", [1, PART, PART + 1, 3 * PART])
def test_what_was_packed_is_at_the_store(transfer: Transfer, size: int) -> None:
    transfer.write(os.urandom(size))
    transfer.begin()
    place = transfer.start()
    transfer.succeeds(place)
