"""Opening vaults and clouds: from a row and its sealed secret to what speaks to the provider."""

from uuid import UUID

from flask import current_app

from cloudpilot.clouds import registry as cloud_registry
from cloudpilot.clouds.account import Account
from cloudpilot.clouds.base import Cloud
from cloudpilot.db import reading
from cloudpilot.domain import clouds, vaults
from cloudpilot.secrets import Sealer
from cloudpilot.settings import Settings
from cloudpilot.vaults import registry
from cloudpilot.vaults.base import Vault
from cloudpilot.vaults.location import Location


def load() -> None:
    """Load the providers' libraries that the vaults and clouds of this panel need; those that are
    there are left."""
    with reading() as session:
        kinds = {row.kind for row in vaults.listed(session)}
        asked = {row.kind for row in clouds.listed(session)}
    for kind in kinds:
        registry.load(kind)
    for cloud_kind in asked:
        cloud_registry.load(cloud_kind)


def vault(vault_id: UUID) -> Vault:
    """The vault of that row; no connection is made yet.

    Raises NotFound for one that was removed, InvalidConfig, AddressRefused.
    """
    with reading() as session:
        row = vaults.find(session, vault_id)
    sealer: Sealer = current_app.extensions["sealer"]
    settings: Settings = current_app.extensions["settings"]
    return registry.open_vault(
        Location(
            kind=row.kind,
            bucket=row.bucket,
            region=row.region,
            endpoint=row.endpoint,
            prefix=row.prefix,
            key_id=row.key_id,
            secret=sealer.open(row.secret, row.secret_place),
            path_style=row.path_style,
            equal_parts=row.equal_parts,
            private=settings.private_networks,
        )
    )


def cloud(cloud_id: UUID) -> Cloud:
    """The cloud of that row; no connection is made yet.

    Raises NotFound for one that was removed, InvalidConfig, AddressRefused.
    """
    with reading() as session:
        row = clouds.find(session, cloud_id)
    sealer: Sealer = current_app.extensions["sealer"]
    settings: Settings = current_app.extensions["settings"]
    return cloud_registry.open_cloud(
        Account(
            kind=row.kind,
            region=row.region,
            project=row.project,
            tenant=row.tenant,
            key_id=row.key_id,
            secret=sealer.open(row.secret, row.secret_place),
            endpoint=row.endpoint,
            private=settings.private_networks,
        )
    )
