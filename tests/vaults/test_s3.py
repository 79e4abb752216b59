"""S3, against Ceph's gateway and against rclone."""

from typing import Any

import pytest

from tests.support.rclone import Rclone
from tests.support.rgw import Rgw
from tests.vaults.network import NetworkContract
from tests.vaults.s3_store import S3Store, all_of_it


@pytest.fixture(scope="session")
def in_ceph(rgw: Rgw) -> S3Store:
    return S3Store(rgw)


@pytest.fixture(scope="session")
def in_rclone(rclone: Rclone) -> S3Store:
    return S3Store(rclone)


@pytest.mark.xdist_group("rgw")
class TestS3OfCeph(NetworkContract):
    """Path style."""

    server = "rgw"

    @pytest.fixture
    def store(self, in_ceph: S3Store) -> S3Store:
        return in_ceph

    def forget_what_is_asked_for(self, vault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        all_of_it(vault)


@pytest.mark.xdist_group("others")
class TestS3OfRclone(NetworkContract):
    """Another reading of the same language."""

    server = "rclone"

    @pytest.fixture
    def store(self, in_rclone: S3Store) -> S3Store:
        return in_rclone

    def forget_what_is_asked_for(self, vault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        all_of_it(vault)
