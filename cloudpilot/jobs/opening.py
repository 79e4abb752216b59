"""Opening a vault: from its row and its sealed secret to what speaks to the store."""

from uuid import UUID

from flask import current_app

from cloudpilot.db import reading
from cloudpilot.domain import vaults
from cloudpilot.secrets import Sealer
from cloudpilot.settings import Settings
from cloudpilot.vaults import registry
from cloudpilot.vaults.base import Vault
from cloudpilot.vaults.location import Location


def load() -> None:
    """Load the providers' libraries that the vaults of this panel need; those that are there are
    left."""
    with reading() as session:
        kinds = {row.kind for row in vaults.listed(session)}
    for kind in kinds:
        registry.load(kind)


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
