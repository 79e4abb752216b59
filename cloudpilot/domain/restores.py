"""Restores: what is to be put where, how far it has come, and the way back.

A restore is planned first: a run looks at the server, and the page says what would happen. Started,
it backs up what is there (safe mode), then does its work beside what is there, and renames it to
its place at the end. What was there before is kept for a time: Undo puts it back. docs/restore.md
"""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock
from cloudpilot.catalogue import by_code
from cloudpilot.db import Base
from cloudpilot.domain import restore_review, runs
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import HasStatus, Next, values_of
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import NotFound
from cloudpilot.kinds import RunKind


class RestoreStatus(StrEnum):
    """How a restore stands."""

    PLANNED = "planned"  # nothing has been done
    RUNNING = "running"  # the safe-mode backup, then the restore itself
    COMPLETED = "completed"
    UNDOING = "undoing"  # what was there before is being put back
    FAILED = "failed"  # and all is as it was
    UNDONE = "undone"  # by somebody's wish, and all is as it was


ACTIVE = (RestoreStatus.RUNNING, RestoreStatus.UNDOING)
_ACTIVE_ONLY = text(f"status IN ({', '.join(repr(status.value) for status in ACTIVE)})")


class Restore(HasStatus, Base):
    """One restore, planned or done."""

    __tablename__ = "restores"
    __table_args__ = (
        # One at a time on a server: the database itself refuses the second.
        Index(
            "uq_restores_active_server",
            "server_id",
            unique=True,
            sqlite_where=_ACTIVE_ONLY,
            postgresql_where=_ACTIVE_ONLY,
        ),
        Index(None, "created_at", "id"),
        Index(None, "backup_id", "created_at", "id"),
        Index(None, "status", "kept_until"),
    )

    NEXT: ClassVar[Next] = {
        RestoreStatus.PLANNED: frozenset({RestoreStatus.RUNNING}),
        RestoreStatus.RUNNING: frozenset(
            {RestoreStatus.COMPLETED, RestoreStatus.UNDOING, RestoreStatus.FAILED}
        ),
        RestoreStatus.COMPLETED: frozenset({RestoreStatus.UNDOING}),
        RestoreStatus.UNDOING: frozenset(
            {RestoreStatus.FAILED, RestoreStatus.UNDONE, RestoreStatus.COMPLETED}
        ),
        RestoreStatus.FAILED: frozenset(),
        RestoreStatus.UNDONE: frozenset(),
    }

    status: Mapped[RestoreStatus] = mapped_column(
        values_of(RestoreStatus), default=RestoreStatus.PLANNED
    )
    backup_id: Mapped[UUID] = mapped_column(ForeignKey(Backup.id))
    vault_id: Mapped[UUID | None] = mapped_column(ForeignKey(Vault.id))  # from it; None: its server
    server_id: Mapped[UUID] = mapped_column(ForeignKey(Server.id))  # to it
    root: Mapped[str]  # the backup directory in which it works there
    paths: Mapped[list[str]]
    # Of each: number (in the archive), backed_up (its name there), name, database (whose login).
    databases: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    logins: Mapped[str | None]  # passwords of those, sealed at `logins_place`; None once it is over
    into: Mapped[str] = mapped_column(default="")  # a folder; "": where they were
    exact: Mapped[bool] = mapped_column(default=True)  # what the backup does not hold goes
    safe: Mapped[bool] = mapped_column(default=True)  # what is there is backed up before
    safe_backup_id: Mapped[UUID | None] = mapped_column(ForeignKey(Backup.id), index=True)
    subject: Mapped[str]  # in words, as it was called then
    requested_by: Mapped[UUID | None] = mapped_column(ForeignKey(Person.id))
    survey: Mapped[dict[str, Any] | None]  # what the look has found, see engine.survey
    surveyed_at: Mapped[datetime | None]

    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    kept_until: Mapped[datetime | None]  # what was there before; None: there is nothing any more
    error_code: Mapped[str | None]
    error_detail: Mapped[str | None] = mapped_column(Text)

    @property
    def logins_place(self) -> str:
        """Where the sealed passwords belong."""
        return f"restores/{self.id}/logins"

    @property
    def is_active(self) -> bool:
        """Whether anything is being done."""
        return self.status in ACTIVE

    @property
    def in_place(self) -> list[str]:
        """Databases of which there is no undo, and so none of the whole restore."""
        return [one["name"] for one in restore_review.in_place(self.survey or {})]

    @property
    def is_kept(self) -> bool:
        """Whether something of it is still on its server."""
        return self.status is RestoreStatus.COMPLETED and self.kept_until is not None

    @property
    def keeps_what_was(self) -> bool:
        """Whether what was there before is still there, but for databases in place."""
        return self.is_kept and bool(self.paths or len(self.databases) > len(self.in_place))

    @property
    def can_be_undone(self) -> bool:
        """Whether what was there before is still there, all of it."""
        return self.is_kept and not self.in_place

    @property
    def remedy(self) -> str:
        """What to do about the error."""
        return by_code(self.error_code).remedy


def find(session: Session, restore_id: UUID) -> Restore:
    """Raises NotFound."""
    restore = session.get(Restore, restore_id)
    if restore is None:
        raise NotFound("There is no such restore.")
    return restore


def of_run(session: Session, run: Run) -> Restore:
    """What a run works on; raises NotFound."""
    restore = session.get(Restore, run.restore_id) if run.restore_id else None
    if restore is None:
        raise NotFound("There is no such restore.")
    return restore


def roots(session: Session, restore_ids: Collection[UUID]) -> dict[UUID, str]:
    """By restore: the directory on its server in which it has its own."""
    rows = select(Restore.id, Restore.root).where(Restore.id.in_(restore_ids))
    return {row.id: row.root for row in session.execute(rows)}


def of_backup(session: Session, backup: Backup) -> list[Restore]:
    """Those from this backup that were begun, the newest first."""
    rows = select(Restore).where(
        Restore.backup_id == backup.id, Restore.status != RestoreStatus.PLANNED
    )
    return list(session.scalars(rows.order_by(Restore.created_at.desc(), Restore.id)))


def active_on(session: Session, server: Server) -> Restore | None:
    """The one that is at work there."""
    rows = select(Restore).where(Restore.server_id == server.id, Restore.status.in_(ACTIVE))
    return session.scalar(rows)


def kept_on(session: Session, server: Server) -> list[Restore]:
    """Those that can be undone: what was there before is kept on that server."""
    rows = select(Restore).where(
        Restore.server_id == server.id,
        Restore.status == RestoreStatus.COMPLETED,
        Restore.kept_until.is_not(None),
    )
    return list(session.scalars(rows.order_by(Restore.kept_until, Restore.id)))


def forget_server(session: Session, server: Server) -> None:
    """What is kept there is out of reach, and logins of plans are of no use any more."""
    rows = update(Restore).where(Restore.server_id == server.id)
    session.execute(rows.values(kept_until=None, logins=None))


def latest_run(session: Session, restore: Restore) -> Run | None:
    """The newest run of it."""
    rows = select(Run).where(Run.restore_id == restore.id)
    return session.scalar(rows.order_by(Run.created_at.desc(), Run.id).limit(1))


def waits_for(restore: Restore, run: Run | None) -> bool:
    """Whether nothing but its safe-mode backup has been begun; `run` is its newest."""
    return restore.safe_backup_id is not None and (run is None or run.kind is RunKind.SURVEY)


def add_run(session: Session, restore: Restore, kind: RunKind, by: UUID | None) -> Run:
    """A run of it; raises BackupInProgress if the same is under way already."""
    return runs.add(
        session,
        Run(
            kind=kind,
            claim=f"{'survey' if kind is RunKind.SURVEY else 'restore'}:{restore.id}:{kind}",
            server_id=restore.server_id,
            vault_id=restore.vault_id if kind is RunKind.RESTORE else None,
            backup_id=restore.backup_id if kind is RunKind.RESTORE else None,
            restore_id=restore.id,
            requested_by=by,
            subject=restore.subject,
        ),
    )
