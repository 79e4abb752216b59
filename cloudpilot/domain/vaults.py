"""Vaults: object storage that keeps copies of backups. What is there is in vault_objects."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain.status import values_of
from cloudpilot.errors import NotFound
from cloudpilot.kinds import VaultKind


class Vault(Base):
    """Where it is and how to get in; see vaults.location.Location."""

    __tablename__ = "vaults"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]
    kind: Mapped[VaultKind] = mapped_column(values_of(VaultKind))
    bucket: Mapped[str]
    region: Mapped[str] = mapped_column(default="")
    endpoint: Mapped[str] = mapped_column(default="")
    prefix: Mapped[str] = mapped_column(default="")
    key_id: Mapped[str] = mapped_column(default="")
    secret: Mapped[str]  # sealed at `secret_place`; "" once it was removed
    path_style: Mapped[bool] = mapped_column(default=False)
    equal_parts: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    removed_at: Mapped[datetime | None]  # a tombstone: its copies keep their vault
    lines: Mapped[list[dict[str, Any]] | None]  # what the last check found
    checked_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None] = mapped_column(index=True)  # by the clock, daily

    @property
    def secret_place(self) -> str:
        """Where the sealed secret belongs."""
        return f"vaults/{self.id}/secret"

    @property
    def claim(self) -> str:
        """Of the run that checks it."""
        return f"check:vault:{self.id}"


def find(session: Session, vault_id: UUID) -> Vault:
    """Raises NotFound, also for one that was removed."""
    vault = session.get(Vault, vault_id)
    if vault is None or vault.removed_at:
        raise NotFound("There is no such vault.")
    return vault


def listed(session: Session) -> list[Vault]:
    """All of them, by name."""
    rows = select(Vault).where(Vault.removed_at.is_(None))
    return list(session.scalars(rows.order_by(Vault.name, Vault.id)))
