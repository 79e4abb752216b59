"""Spaces, whose buckets stand in the host's name, against Ceph's gateway."""

from typing import Any

import pytest

from cloudpilot.kinds import VaultKind
from tests.support.rgw import Rgw
from tests.vaults.network import NetworkContract
from tests.vaults.s3_store import S3Store, all_of_it


@pytest.fixture(scope="session")
def spaces(rgw: Rgw) -> S3Store:
    return S3Store(rgw, VaultKind.DO_SPACES, endpoint=f"http://localhost:{rgw.port}")


@pytest.mark.xdist_group("rgw")
class TestSpacesOfCeph(NetworkContract):
    server = "spaces"

    @pytest.fixture
    def store(self, spaces: S3Store) -> S3Store:
        return spaces

    def forget_what_is_asked_for(self, vault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        all_of_it(vault)
