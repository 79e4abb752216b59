"""The panel's exports that lie in vaults: which are there, and which are to go."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain.vaults import Vault


class PanelExport(Base):
    """One export in one vault. Its row is there before its object, so that nothing is forgotten."""

    __tablename__ = "panel_exports"
    __table_args__ = (Index(None, "vault_id", "created_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    vault_id: Mapped[UUID] = mapped_column(ForeignKey(Vault.id))
    key: Mapped[str]  # below the vault's prefix
    recipient: Mapped[str]  # for whom it is encrypted: the public half of a recovery key
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    size: Mapped[int | None] = mapped_column(BigInteger)  # bytes
    sha256: Mapped[str | None]
    version: Mapped[str] = mapped_column(default="")  # the store's, where it keeps several
    stored_at: Mapped[datetime | None]  # proven to be there
    gone_at: Mapped[datetime | None]
