"""Backups: what exists, where it came from, and how one ends."""

import json
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Text, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from cloudpilot import clock
from cloudpilot.catalogue import by_code
from cloudpilot.db import Base
from cloudpilot.domain.copies import Copy, CopyStatus, Offsite, offsite
from cloudpilot.domain.people import Person
from cloudpilot.domain.plans import RETENTION_DAYS
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import NEXT, HasStatus, Next, Status, values_of
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import ChecksumMismatch, NotFound, UploadFailed, UploadIncomplete
from cloudpilot.kinds import BackupType, Compression, Method, Place, RunKind

FORMAT = 1  # of the archives that we write; docs/archive-format.md
WARNINGS_KEPT = 200
_OF_UPLOADS = {UploadFailed.code, UploadIncomplete.code, ChecksumMismatch.code}
_WARNED = text("warning_count > 0")
_FOUND = text("adopted_at IS NOT NULL")


class Backup(HasStatus, Base):
    """One restore point, or the attempt to make one."""

    __tablename__ = "backups"
    __table_args__ = (
        Index(None, "created_at", "id"),
        Index(None, "server_id", "created_at", "id"),
        Index(None, "site_id", "created_at", "id"),
        Index(None, "status", "created_at", "id"),
        Index(None, "type", "created_at", "id"),
        Index(None, "schedule_id", "created_at", "id"),
        Index(None, "judge_at"),
        # Of finds alone: else it would be walked for all that is none.
        Index(None, "adopted_at", sqlite_where=_FOUND, postgresql_where=_FOUND),
        Index(
            "ix_backups_warned",
            "created_at",
            "warning_count",  # so that counting looks at no row
            sqlite_where=_WARNED,
            postgresql_where=_WARNED,
        ),
    )

    NEXT: ClassVar[Next] = NEXT

    type: Mapped[BackupType] = mapped_column(values_of(BackupType))
    status: Mapped[Status] = mapped_column(values_of(Status), default=Status.PENDING)
    server_id: Mapped[UUID] = mapped_column(ForeignKey(Server.id))
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey(Site.id))  # None: paths of the server
    server_name: Mapped[str]  # as it was called then; the same for the site
    site_name: Mapped[str]
    paths: Mapped[list[str]]
    excludes: Mapped[list[str]]
    databases: Mapped[list[dict[str, Any]]] = mapped_column(default=list)  # see Database.plan
    compression: Mapped[Compression] = mapped_column(values_of(Compression))
    method: Mapped[Method] = mapped_column(values_of(Method), default=Method.ARCHIVE)
    retention_days: Mapped[int] = mapped_column(default=RETENTION_DAYS)
    vault_id: Mapped[UUID | None] = mapped_column(ForeignKey(Vault.id))  # where it is to go, too
    streamed: Mapped[bool] = mapped_column(default=False)  # without a local file
    local_days: Mapped[int | None]  # on its server, after its upload; None: as long as all
    rate: Mapped[int | None] = mapped_column(BigInteger)  # bytes a second of the upload, at most
    note: Mapped[str] = mapped_column(default="")
    # Increments: see chains. The full one that a chain begins with is its own chain.
    chain_id: Mapped[UUID | None] = mapped_column(index=True)
    base_id: Mapped[UUID | None]  # what this one continues; of a tree, the one that it links to
    level: Mapped[int] = mapped_column(default=0)
    state_sha256: Mapped[str | None]  # of what the server keeps for the next increment
    schedule_id: Mapped[UUID | None] = mapped_column(ForeignKey("schedules.id"))
    slot_id: Mapped[UUID | None] = mapped_column(ForeignKey("slots.id"), index=True)
    requested_by: Mapped[UUID | None] = mapped_column(ForeignKey(Person.id))
    # Found in a vault: what is said of it was not seen by this panel. See adoption.
    adopted_at: Mapped[datetime | None]
    signed_at: Mapped[datetime | None]  # a recovery key's signature was seen to be right
    unverified_why: Mapped[str] = mapped_column(default="")  # a sentence, while it was not
    signature: Mapped[str | None] = mapped_column(Text, deferred=True)  # as it lies there

    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    pinned_at: Mapped[datetime | None]  # somebody wants it kept, whatever is said of days
    judge_at: Mapped[datetime | None]  # when it is next asked whether it may go; see expiry
    kept_because: Mapped[str] = mapped_column(default="")  # a sentence, once its days are over
    delete_requested_at: Mapped[datetime | None]  # by a person: all copies are to go
    deleted_at: Mapped[datetime | None]  # a person had it deleted and it is proven gone

    archive: Mapped[str]  # the file's name; of a tree, that of the archive that is made of it
    size: Mapped[int | None] = mapped_column(BigInteger)  # bytes; of a tree, of all its files
    own_size: Mapped[int | None] = mapped_column(BigInteger)  # of a tree: bytes that no other had
    usual_size: Mapped[int | None] = mapped_column(BigInteger)  # see restorable.usual
    tar_size: Mapped[int | None] = mapped_column(BigInteger)  # bytes before compression
    sha256: Mapped[str | None]  # of the archive, or of a tree's index
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)  # entries of the archive by kind
    # What is in its dumps, see census.read; loaded when it is asked for: it may be a megabyte.
    census: Mapped[list[dict[str, Any]]] = mapped_column(default=list, deferred=True)
    tools: Mapped[dict[str, Any]] = mapped_column(default=dict)  # what made it
    warnings: Mapped[list[str]] = mapped_column(default=list)  # the first WARNINGS_KEPT
    warning_count: Mapped[int] = mapped_column(default=0)
    error_code: Mapped[str | None]
    error_detail: Mapped[str | None]

    copies: Mapped[list[Copy]] = relationship(lazy="selectin", order_by=Copy.place)

    @property
    def is_tree(self) -> bool:
        """Whether it is a snapshot tree on its server, and an archive in vaults alone."""
        return self.method is Method.TREE

    @property
    def is_unverified(self) -> bool:
        """Whether anybody who can write to its vault may have made it."""
        return self.adopted_at is not None and self.signed_at is None

    @property
    def is_snapshot(self) -> bool:
        """Whether its cloud makes and keeps it, as a whole machine."""
        return self.type is BackupType.SNAPSHOT

    @property
    def made_by(self) -> RunKind:
        """What makes it."""
        return RunKind.SNAPSHOT if self.is_snapshot else RunKind.MAKE

    @property
    def offsite_status(self) -> Offsite | None:
        """Derived from the copies in vaults."""
        return offsite(self.copies)

    @property
    def server_copy(self) -> Copy | None:
        """The copy on the server, whatever its state."""
        return next((copy for copy in self.copies if copy.place is Place.SERVER), None)

    def in_vaults(self) -> list[Copy]:
        """The copies in vaults that are not gone."""
        there = (copy for copy in self.copies if copy.place is Place.VAULT)
        return [copy for copy in there if copy.status is not CopyStatus.GONE]

    @property
    def is_being_deleted(self) -> bool:
        """Whether any copy is on its way out."""
        return any(copy.status is CopyStatus.DELETING for copy in self.copies)

    @property
    def lost(self) -> list[Copy]:
        """The copies that are not where they were, or not as they were."""
        return [copy for copy in self.copies if copy.status is CopyStatus.MISSING]

    @property
    def is_missing(self) -> bool:
        """Whether copies are lost and none is left."""
        return bool(self.lost) and all(copy.status is not CopyStatus.STORED for copy in self.copies)

    @property
    def is_shrunken(self) -> bool:
        """Whether it is less than half as large as a full one of the same usually is."""
        usual = self.usual_size if self.level == 0 and self.status is Status.COMPLETED else None
        return usual is not None and self.size is not None and self.size * 2 < usual

    @property
    def subject(self) -> str:
        """What it is a backup of, in words."""
        return f"{self.site_name} on {self.server_name}" if self.site_name else self.server_name

    @property
    def is_in_vault(self) -> bool:
        """Whether a vault has it, as far as we know."""
        return any(copy.is_stored_in_vault for copy in self.copies)

    @property
    def only_copy(self) -> Copy | None:
        """The copy that is stored, if no other one is; None also while nothing is."""
        stored = [copy for copy in self.copies if copy.status is CopyStatus.STORED]
        return stored[0] if len(stored) == 1 else None

    @property
    def remedy(self) -> str:
        """What to do about the error."""
        if self.streamed and self.error_code in _OF_UPLOADS:
            return (
                "Back up again: nothing of it was stored on its server. The log says what happened."
            )
        return by_code(self.error_code).remedy

    @property
    def seconds(self) -> int | None:
        """How long it took."""
        if not self.started_at or not self.finished_at:
            return None
        return round((self.finished_at - self.started_at).total_seconds())

    def plan(self) -> bytes:
        """`manifest.json` as the archive begins with it; docs/archive-format.md."""
        return json.dumps(
            {
                "format": FORMAT,
                "backup_id": str(self.id),
                "type": self.type,
                "created_at": self.created_at.isoformat(timespec="seconds"),
                "server": {"id": str(self.server_id), "name": self.server_name},
                "site": {"id": str(self.site_id), "name": self.site_name} if self.site_id else None,
                "paths": self.paths,
                "excludes": self.excludes,
                "databases": self.databases,
                "compression": self.compression,
                "method": self.method,
            },
            indent=2,
        ).encode()


def find(session: Session, backup_id: UUID) -> Backup:
    """Raises NotFound."""
    backup = session.get(Backup, backup_id)
    if backup is None:
        raise NotFound("There is no such backup.")
    return backup


def locked(session: Session, backup_id: UUID) -> Backup:
    """As find, and nobody judges it until this transaction is over."""
    rows = select(Backup).where(Backup.id == backup_id).with_for_update()
    if session.scalar(rows.execution_options(populate_existing=True)) is None:
        raise NotFound("There is no such backup.")
    return session.get_one(Backup, backup_id)


def latest_run(session: Session, backup: Backup, kind: RunKind) -> Run | None:
    """The newest run of that kind for this backup."""
    rows = select(Run).where(Run.backup_id == backup.id, Run.kind == kind)
    return session.scalar(rows.order_by(Run.created_at.desc(), Run.id).limit(1))
