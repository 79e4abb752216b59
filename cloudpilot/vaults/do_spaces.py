"""A vault in DigitalOcean's Spaces: S3's language at an address of its own."""

from typing import ClassVar

from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import VaultKind
from cloudpilot.vaults import policies
from cloudpilot.vaults.location import Location
from cloudpilot.vaults.s3 import S3Vault


class SpacesVault(S3Vault):
    """The bucket is always a part of the host's name."""

    kind: ClassVar[VaultKind] = VaultKind.DO_SPACES

    def _endpoint(self, location: Location) -> str:
        if location.endpoint:
            return location.endpoint
        if not location.region:
            raise InvalidConfig("A Space has a region, such as fra1.")
        return f"https://{location.region}.digitaloceanspaces.com"

    def policy(self) -> str:
        return policies.spaces(self._bucket)
