"""Stored copies, looked for in their vaults."""

from sqlalchemy import select

from cloudpilot import clock
from cloudpilot.db import reading
from cloudpilot.domain.copies import Copy
from cloudpilot.domain.objects import ARCHIVE, VaultObject
from cloudpilot.errors import ObjectMissing
from cloudpilot.vaults.base import StoredObject, Vault

ANOTHER = "Another object has its place in the vault."


def archive_of(copy: Copy) -> VaultObject:
    """The object that is the backup; raises ObjectMissing if no row says where it is."""
    return object_of(copy, ARCHIVE)


def object_of(copy: Copy, name: str) -> VaultObject:
    """The object of that name, of those that a copy consists of; raises ObjectMissing."""
    with reading() as session:
        rows = select(VaultObject).where(
            VaultObject.copy_id == copy.id,
            VaultObject.name == name,
            VaultObject.stored_at.is_not(None),
            VaultObject.gone_at.is_(None),
        )
        found = session.scalar(rows.order_by(VaultObject.stored_at.desc()).limit(1))
    if found is None:
        raise ObjectMissing("No object of this copy is known.")
    return found


def why_not(vault: Vault, copy: Copy) -> str | None:
    """Why that copy is not what was proven when it was uploaded; None if it is."""
    try:
        return None if is_still(vault, archive_of(copy)) else ANOTHER
    except ObjectMissing:
        return "It is not in the vault any more."


def is_still(vault: Vault, row: VaultObject) -> bool:
    """Whether what lies there is what was proven; raises ObjectMissing if nothing does."""
    proven = StoredObject(row.key, row.size or 0, clock.now(), row.etag, row.version)
    return proven.is_still(vault.stat(row.key))
