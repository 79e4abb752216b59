"""Which vault is of which class. A provider's library is loaded when a vault of it is made."""

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

from cloudpilot.kinds import VaultKind
from cloudpilot.vaults.location import Location

if TYPE_CHECKING:
    from cloudpilot.vaults.base import Vault

_CLASSES = {
    VaultKind.S3: "s3.S3Vault",
    VaultKind.DO_SPACES: "do_spaces.SpacesVault",
    VaultKind.GCS: "gcs.GcsVault",
    VaultKind.AZURE_BLOB: "azure_blob.AzureVault",
}
_CLIENTS = {
    VaultKind.S3: "s3_client",
    VaultKind.DO_SPACES: "s3_client",
    VaultKind.GCS: "gcs_client",
    VaultKind.AZURE_BLOB: "azure_client",
}


@cache
def load(kind: VaultKind) -> None:
    """Load the library of that provider now: processes that are forked later share it."""
    import_module(f"cloudpilot.vaults.{_CLIENTS[kind]}").load()


def open_vault(location: Location) -> "Vault":
    """The vault at `location`; no connection is made yet.

    Raises InvalidConfig for what can never work, AddressRefused for an address that is never
    connected to.
    """
    module, name = _CLASSES[location.kind].split(".")
    made = getattr(import_module(f"cloudpilot.vaults.{module}"), name)(location)
    return cast("Vault", made)
