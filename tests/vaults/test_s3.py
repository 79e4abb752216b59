"""S3, against Ceph's gateway and against rclone."""

import pytest

from tests.support.rclone import Rclone
from tests.support.rgw import Rgw
from tests.vaults.network import NetworkContract
from tests.vaults.s3_store import S3Store


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


@pytest.mark.xdist_group("others")
class TestS3OfRclone(NetworkContract):
    """Another reading of the same language."""

    server = "rclone"

    @pytest.fixture
    def store(self, in_rclone: S3Store) -> S3Store:
        return in_rclone
