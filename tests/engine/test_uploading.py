"""Uploads by a server itself, to real stores: what is there afterwards is what was packed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudpilot.engine.ssh import Session
from cloudpilot.vaults.plans import MIB
from tests.support.rgw import Rgw
from tests.support.uploads import Transfer
from tests.vaults.s3_store import S3Store

Transfers = Callable[..., Transfer]
PART = 5 * MIB


@pytest.fixture(scope="module")
def s3(rgw: Rgw) -> S3Store:
    return S3Store(rgw)


@pytest.fixture
def transfer(session: Session, tmp_path: Path, s3: S3Store) -> Transfer:
    return Transfer(session, tmp_path / "ro\"ot $(id) 'x'", s3.vault())


@pytest.mark.parametrize("size", [1, PART, PART + 1, 3 * PART])
def test_what_was_packed_is_at_the_store(transfer: Transfer, size: int) -> None:
    transfer.write(os.urandom(size))
    transfer.begin()
    place = transfer.start()
    transfer.succeeds(place)
