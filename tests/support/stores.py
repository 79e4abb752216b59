"""Real servers of all providers, one of each for a session of tests."""

from collections.abc import Iterator

import pytest

from tests.support import azurite as azurite_server
from tests.support import gcs as gcs_server
from tests.support import rclone as rclone_server
from tests.support import rgw as rgw_server
from tests.support.azurite import Azurite
from tests.support.gcs import Gcs
from tests.support.must_run import must_run
from tests.support.names import below_localhost
from tests.support.rclone import Rclone
from tests.support.rgw import Rgw


@pytest.fixture(scope="session")
def rgw() -> Iterator[Rgw]:
    """S3 by Ceph's gateway."""
    if not rgw_server.is_here():
        must_run("rgw", "Ceph's gateway is not installed")
    with below_localhost(), rgw_server.running() as found:
        yield found


@pytest.fixture(scope="session")
def rclone() -> Iterator[Rclone]:
    """S3 by rclone."""
    if rclone_server.program() is None:
        must_run("rclone", "it is not installed")
    with rclone_server.running() as found:
        yield found


@pytest.fixture(scope="session")
def gcs() -> Iterator[Gcs]:
    """Google Cloud Storage by its emulator, behind a gate that verifies signatures."""
    if not gcs_server.PROGRAM.exists():
        must_run("gcs", "the emulator is not installed")
    with gcs_server.running() as found:
        yield found


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Azure's blobs by Azurite."""
    if not azurite_server.is_here():
        must_run("azurite", "it is not installed")
    with below_localhost(), azurite_server.running() as found:
        yield found
