"""Copies: every place where a backup lies is a row, and what may be said follows from the rows."""

from collections.abc import Collection, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import HasStatus, Next, values_of
from cloudpilot.domain.vaults import Vault
from cloudpilot.kinds import Place


class CopyStatus(StrEnum):
    """How a copy stands."""

    MAKING = "making"  # being written on the server, or being uploaded to a vault
    STORED = "stored"  # whole, under its final name, with the archive's size and SHA-256
    MISSING = "missing"  # was stored; its server says that it is not there, or of another size
    FAILED = "failed"  # an upload that did not succeed
    DELETING = "deleting"  # to be deleted; asked again until it is proven gone
    GONE = "gone"  # proven


class Offsite(StrEnum):
    """What is said of a backup's copies in vaults; None: it has none."""

    UPLOADING = "uploading"
    UPLOADED = "uploaded"
    FAILED = "failed"


class Copy(HasStatus, Base):
    """One place where a backup lies."""

    __tablename__ = "copies"
    __table_args__ = (
        Index(None, "backup_id"),
        Index(None, "status"),
        Index(None, "server_id", "status", "size"),
        Index(None, "vault_id", "status", "size"),
        Index(None, "remove_at"),
    )

    NEXT: ClassVar[Next] = {
        CopyStatus.MAKING: frozenset(
            {CopyStatus.STORED, CopyStatus.FAILED, CopyStatus.DELETING, CopyStatus.GONE}
        ),
        CopyStatus.STORED: frozenset({CopyStatus.MISSING, CopyStatus.DELETING}),
        CopyStatus.MISSING: frozenset({CopyStatus.STORED, CopyStatus.MAKING, CopyStatus.DELETING}),
        CopyStatus.FAILED: frozenset({CopyStatus.MAKING, CopyStatus.DELETING}),
        # Stored again: a planned removal, of which the vault has said that it is not to be.
        CopyStatus.DELETING: frozenset({CopyStatus.GONE, CopyStatus.STORED}),
        CopyStatus.GONE: frozenset(),
    }

    backup_id: Mapped[UUID] = mapped_column(ForeignKey("backups.id"))
    status: Mapped[CopyStatus] = mapped_column(values_of(CopyStatus), default=CopyStatus.MAKING)
    place: Mapped[Place] = mapped_column(values_of(Place))
    server_id: Mapped[UUID | None] = mapped_column(ForeignKey(Server.id))  # place "server"
    root: Mapped[str | None]  # the backup directory of that server when the copy was made
    vault_id: Mapped[UUID | None] = mapped_column(ForeignKey(Vault.id))  # place "vault"
    cloud_id: Mapped[UUID | None] = mapped_column(ForeignKey(Cloud.id), index=True)  # "cloud"
    name: Mapped[str]  # the archive's file name; of a snapshot its ref, "" until that is known
    parts: Mapped[list[dict[str, Any]] | None]  # of a snapshot, one for each disk: id, disk, size
    size: Mapped[int | None] = mapped_column(BigInteger)  # bytes
    sha256: Mapped[str | None]
    verified_by: Mapped[str | None]  # how we know that it is whole
    verified_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]  # when a Check last saw it there, of its size
    missing_at: Mapped[datetime | None]  # when a Check first did not; None while it is there
    missing_why: Mapped[str | None]  # a sentence
    remove_at: Mapped[datetime | None]  # when this copy goes, though the backup stays
    gone_at: Mapped[datetime | None]
    error_code: Mapped[str | None]  # why the last upload failed
    error_detail: Mapped[str | None]

    @property
    def is_stored_in_vault(self) -> bool:
        """Whether a vault has it, as far as we know."""
        return self.place is Place.VAULT and self.status is CopyStatus.STORED

    @property
    def path(self) -> str:
        """Where the archive lies on its server."""
        return f"{self.root}/{self.backup_id}/{self.name}"


def offsite(copies: Iterable[Copy]) -> Offsite | None:
    """What is said of the vault copies, the worst of them first; those that are to go count not.

    The truth table is in docs/statuses.md.
    """
    states = {copy.status for copy in copies if copy.place is Place.VAULT}
    if CopyStatus.FAILED in states:
        return Offsite.FAILED
    if CopyStatus.MAKING in states:
        return Offsite.UPLOADING
    return Offsite.UPLOADED if CopyStatus.STORED in states else None


def due_to_go(session: Session, limit: int) -> list[UUID]:
    """Backups whose copy on the server has stayed for as long as it was to."""
    other = aliased(Copy)
    coming = select(other.id).where(  # an upload reads it
        other.backup_id == Copy.backup_id, other.status == CopyStatus.MAKING
    )
    rows = select(Copy.backup_id).where(Copy.remove_at <= clock.now(), ~coming.exists())
    return list(session.scalars(rows.order_by(Copy.remove_at).limit(limit)))


def roots_on_servers(session: Session, backup_ids: Collection[UUID]) -> dict[UUID, str]:
    """By backup: the directory of its copy on the server, whatever the state of that; of all
    columns this one alone, since it is asked for at each look."""
    rows = select(Copy.backup_id, Copy.root)
    there = rows.where(Copy.backup_id.in_(backup_ids), Copy.place == Place.SERVER)
    return {backup_id: root for backup_id, root in session.execute(there) if root}
