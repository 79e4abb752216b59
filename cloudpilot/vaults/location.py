"""Where a vault is and how to get in: what a person has entered, judged."""

import re
from dataclasses import dataclass

from cloudpilot.connections import judge_endpoint
from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import VaultKind
from cloudpilot.secrets import Secret
from cloudpilot.vaults import keys

_BUCKETS = {
    VaultKind.S3: r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]",
    VaultKind.DO_SPACES: r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
    VaultKind.GCS: r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]",
    VaultKind.AZURE_BLOB: r"[a-z0-9](-?[a-z0-9]){2,62}",
}
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class Location:
    """What a vault is made of.

    bucket       bucket, Space or container
    region       S3 and Spaces only
    endpoint     `https://host[:port]`; "" for the provider's own
    prefix       what all keys begin with, without slashes at its ends; "" for nothing
    key_id       access key id; Azure's account; "" for Google, whose key says it
    secret       secret access key; Azure's account key; Google's key file, JSON
    path_style   the bucket stands in the path and not in the host's name: many stores of one's own
    equal_parts  the store wants all parts but the last to be of one size: Cloudflare R2
    private      whether addresses that are not the Internet's may be connected to
    """

    kind: VaultKind
    bucket: str
    region: str = ""
    endpoint: str = ""
    prefix: str = ""
    key_id: str = ""
    secret: Secret = Secret("")  # noqa: RUF009  (it is frozen)
    path_style: bool = False
    equal_parts: bool = False
    private: bool = True

    def judged(self) -> "Location":
        """Itself; raises InvalidConfig or AddressRefused for what can never work.

        Names that stand in a host's name are of harmless letters, so that nobody enters an address
        as a region. Whether a name is one of the provider's is the provider's to say.
        """
        if not re.fullmatch(_BUCKETS[self.kind], self.bucket):
            raise InvalidConfig(
                f"{self.bucket[:80]!r} is no name of a bucket there: names have small letters,"
                " digits and dashes, and begin and end with a letter or digit."
            )
        if self.region and not _REGION.fullmatch(self.region):
            raise InvalidConfig(f"{self.region[:80]!r} is no region.")
        if self.prefix:
            keys.whole(self.prefix, "x")
        if self.endpoint:
            judge_endpoint(self.endpoint)
        return self

    @property
    def in_clear(self) -> bool:
        """Whether backups travel unencrypted."""
        return self.endpoint.startswith("http://")
