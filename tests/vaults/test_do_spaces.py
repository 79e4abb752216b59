"""Spaces, whose buckets stand in the host's name, against Ceph's gateway."""

import pytest

from cloudpilot.kinds import VaultKind
from tests.support.rgw import Rgw
from tests.vaults.network import NetworkContract
from tests.vaults.s3_store import S3Store


@pytest.fixture(scope="session")
def spaces(rgw: Rgw) -> S3Store:
    return S3Store(rgw, VaultKind.DO_SPACES, endpoint=f"http://localhost:{rgw.port}")


@pytest.mark.xdist_group("rgw")
class TestSpacesOfCeph(NetworkContract):
    server = "spaces"

    @pytest.fixture
    def store(self, spaces: S3Store) -> S3Store:
        return spaces
