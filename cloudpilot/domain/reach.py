"""Copies that the panel has a way to, and what becomes of those that it has left."""

from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.servers import Server
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import VaultForgotten
from cloudpilot.kinds import Place


def copies(session: Session, backup: Backup) -> list[Copy]:
    """Its copies, without those on a server and in vaults that the panel has left: there it has no
    way to."""
    has_left = session.get_one(Server, backup.server_id).removed_at
    forgotten = _in_forgotten_vaults(session, backup)
    on_server = [] if has_left else [one for one in backup.copies if one.place is Place.SERVER]
    in_clouds = [one for one in backup.copies if one.place is Place.CLOUD]
    return [*on_server, *in_clouds, *(one for one in backup.in_vaults() if one not in forgotten)]


def let_forgotten_go(session: Session, backup: Backup) -> None:
    """What may lie in vaults that the panel has left is not looked for any more."""
    for copy in _in_forgotten_vaults(session, backup):
        let_go(session, copy, VaultForgotten(copy.missing_why or "Its vault was forgotten."))


def let_go(session: Session, copy: Copy, because: VaultForgotten) -> None:
    """It counts as gone, though nobody has proven it; its row says so."""
    if copy.status is not CopyStatus.DELETING:
        copy.move(session, CopyStatus.DELETING, because=because)
    why, now = str(because), clock.now()
    copy.move(session, CopyStatus.GONE, because=because, gone_at=now, missing_why=why)


def _in_forgotten_vaults(session: Session, backup: Backup) -> list[Copy]:
    there = ((copy, session.get(Vault, copy.vault_id)) for copy in backup.in_vaults())
    return [copy for copy, vault in there if vault and vault.removed_at]
