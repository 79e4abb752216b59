"""Which cloud is of which class. A provider's library is loaded when a cloud of it is used."""

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

from cloudpilot.clouds.account import Account
from cloudpilot.clouds.entered import judged
from cloudpilot.kinds import CloudKind

if TYPE_CHECKING:
    from cloudpilot.clouds.base import Cloud

_CLASSES = {
    CloudKind.AWS: "aws.AwsCloud",
    CloudKind.DIGITALOCEAN: "digitalocean.DigitalOceanCloud",
    CloudKind.GCP: "gcp.GoogleCloud",
    CloudKind.AZURE: "azure.AzureCloud",
}
_CLIENTS = {
    CloudKind.AWS: "aws_client",
    CloudKind.DIGITALOCEAN: "digitalocean",
    CloudKind.GCP: "gcp",
    CloudKind.AZURE: "azure",
}


@cache
def load(kind: CloudKind) -> None:
    """Load what asking that provider needs now: processes that are forked later share it."""
    import_module(f"cloudpilot.clouds.{_CLIENTS[kind]}").load()


def open_cloud(account: Account) -> "Cloud":
    """The cloud of this account; no connection is made yet.

    Raises InvalidConfig for what can never work, AddressRefused for an address that is never
    connected to.
    """
    module, name = _CLASSES[account.kind].split(".")
    made = getattr(import_module(f"cloudpilot.clouds.{module}"), name)(judged(account))
    return cast("Cloud", made)
