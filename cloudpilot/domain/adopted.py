"""What was found in vaults, by server."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy
from cloudpilot.domain.servers import Server


@dataclass(frozen=True, slots=True)
class OfServer:
    """What was found of one server, and is still there."""

    server: Server
    signed: int
    unverified: int
    newest: datetime

    @property
    def is_alone(self) -> bool:
        """Whether it is known from vaults alone."""
        return self.server.adopted_at is not None and self.server.removed_at is not None


def by_server(session: Session, vault_id: UUID | None = None) -> list[OfServer]:
    """By name: in that vault, or in any."""
    signed = func.count(Backup.signed_at)
    there = (Backup.adopted_at.is_not(None), Backup.deleted_at.is_(None))
    rows = (
        select(Server, signed, func.count() - signed, func.max(Backup.created_at))
        .join(Backup, Backup.server_id == Server.id)
        .where(*there)
        .group_by(Server.id)
        .order_by(Server.name, Server.id)
    )
    if vault_id:
        copies = select(Copy.backup_id).where(Copy.vault_id == vault_id)
        rows = rows.where(Backup.id.in_(copies))
    return [OfServer(*row) for row in session.execute(rows)]
