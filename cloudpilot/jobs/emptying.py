"""Taking away what is in a vault, and proving it: uploads that were given up, copies that go."""

from collections.abc import Sequence

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain.objects import VaultObject
from cloudpilot.errors import ObjectLocked, VaultRefused
from cloudpilot.jobs import signing
from cloudpilot.vaults.base import Deletion, Fate, Vault


def take_away(vault: Vault, rows: Sequence[VaultObject]) -> list[str]:
    """Have these objects gone, whatever stage they are at; what the vault says of each.

    An upload is aborted first, and what may have become of it is deleted after. Raises ObjectLocked
    if the provider forbids it for a while, and what else a vault raises: to be repeated then.
    """
    return [_take_away(vault, row) for row in rows if row.gone_at is None]


def sweep(vault: Vault, folder: str) -> int:
    """Abort and delete all below `folder`, known or not; how much there was.

    It finds what was begun by a job that was killed before it could write that down. Raises
    VaultRefused if the store lists anything else.
    """
    found = abort_open(vault, folder)
    for stored in list(vault.list(folder)):
        _refuse_outside(folder, stored.key)
        judge(vault.delete(stored.key))
        found += 1
    return found


def abort_open(vault: Vault, folder: str) -> int:
    """Abort every upload below `folder`; how many there were."""
    found = 0
    for one in list(vault.open_uploads(folder)):
        _refuse_outside(folder, one.key)
        if one.upload:
            vault.abort(one.upload)
            found += 1
    return found


def _refuse_outside(folder: str, key: str) -> None:
    """Only what we wrote is deleted, whatever a store may list."""
    if not key.startswith(folder):
        raise VaultRefused("The store lists what was not asked for: nothing of it is touched.")


def _take_away(vault: Vault, row: VaultObject) -> str:
    if row.upload_secret:
        vault.abort(signing.opened(row))
    deletion = vault.delete(row.key, row.version)
    judge(deletion)
    with transaction() as session:
        found = session.get_one(VaultObject, row.id)
        found.gone_at, found.kept_until = clock.now(), deletion.until
        found.upload_secret, found.parts = "", None
    kept = f"; the provider keeps it back{_until(deletion)}" if deletion.fate is Fate.KEPT else ""
    return f"{row.name}: gone from the vault{kept}."


def judge(deletion: Deletion) -> None:
    """Raises ObjectLocked if it stays for a while."""
    if deletion.fate is Fate.LOCKED:
        raise ObjectLocked(f"A lock forbids to delete it{_until(deletion)}.", deletion.until)


def _until(deletion: Deletion) -> str:
    return f" until {deletion.until:%Y-%m-%d}" if deletion.until else ""
