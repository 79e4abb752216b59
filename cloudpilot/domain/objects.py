"""Objects: what a copy consists of in its vault, from the moment that its upload begins."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, false
from sqlalchemy.orm import Mapped, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain.copies import Copy
from cloudpilot.domain.vaults import Vault

# What is uploaded of a backup, in this order; the first is the backup, the others describe it.
ARCHIVE, INDEX, MANIFEST = "archive", "index", "manifest"
NAMES = (ARCHIVE, INDEX, MANIFEST)


class VaultObject(Base):
    """One object of a copy. A key is used once: each attempt to upload has rows of its own."""

    __tablename__ = "vault_objects"
    __table_args__ = (
        Index(None, "copy_id"),
        Index(None, "vault_id"),
        Index("uq_vault_objects_attempt_name", "attempt", "name", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    copy_id: Mapped[UUID] = mapped_column(ForeignKey(Copy.id))
    vault_id: Mapped[UUID] = mapped_column(ForeignKey(Vault.id))
    attempt: Mapped[UUID]  # the same for the objects that are uploaded together
    name: Mapped[str]  # of NAMES
    key: Mapped[str]  # below the vault's prefix
    upload_secret: Mapped[
        str
    ]  # vaults.uploads.Upload, sealed at `upload_place`; "" once it has ended
    begun_at: Mapped[datetime] = mapped_column(default=clock.now)
    of_old_panel: Mapped[bool] = mapped_column(default=False, server_default=false())  # see rest

    # What the server says it has sent, kept until the object is proven.
    size: Mapped[int | None] = mapped_column(BigInteger)  # bytes
    sha256: Mapped[str | None]
    md5: Mapped[str] = mapped_column(default="")  # of all of it, where the vault needs it
    parts: Mapped[list[list[object]] | None] = mapped_column(
        JSON(none_as_null=True), deferred=True
    )  # number, size, MD5, the store's answer

    stored_at: Mapped[datetime | None]  # proven to be there
    etag: Mapped[str] = mapped_column(default="")
    version: Mapped[str] = mapped_column(default="")
    verified_by: Mapped[str | None]  # vaults.base.VerifiedBy
    gone_at: Mapped[datetime | None]  # proven to be gone, or never there
    kept_until: Mapped[datetime | None]  # deleted or not, the provider has it until then

    @property
    def upload_place(self) -> str:
        """Where the sealed upload belongs."""
        return f"vault_objects/{self.id}/upload"
