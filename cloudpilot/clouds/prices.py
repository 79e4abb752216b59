"""What a snapshot costs, about, by the providers' lists."""

from typing import NamedTuple

from cloudpilot.clouds.base import Snapshot
from cloudpilot.kinds import CloudKind

GIB = 2**30


class Listed(NamedTuple):
    """A price of the list.

    cents  of US dollars for one GiB and month
    bills  what of it is billed
    """

    cents: int
    where: str
    bills: str


# As the lists stood in 2025; docs/clouds.md says more.
LIST = {
    CloudKind.AWS: Listed(
        5, "aws.amazon.com/ebs/pricing, us-east-1", "at most, since only what has changed is billed"
    ),
    CloudKind.DIGITALOCEAN: Listed(6, "digitalocean.com/pricing", "of what is stored"),
    CloudKind.GCP: Listed(
        5, "cloud.google.com/compute/disks-image-pricing, us-central1", "of what is stored"
    ),
    CloudKind.AZURE: Listed(
        5,
        "azure.microsoft.com/pricing/details/managed-disks, East US",
        "at most, since only what has changed is billed",
    ),
}  # fmt: skip


def month(kind: CloudKind, snapshot: Snapshot) -> str:
    """As `base.Cloud.price`; "" if nobody knows the size."""
    if snapshot.size is None:
        return ""
    listed = LIST[kind]
    cost = snapshot.size / GIB * listed.cents / 100
    return (
        f"About ${cost:,.2f} a month, {listed.bills}: ${listed.cents / 100:.2f} for a GiB by the"
        f" list of 2025 ({listed.where})."
    )
