"""The audit log: who did what to what, when, from where. Rows are added, never changed.

An entry is written in the same transaction as the act: there is neither an act without its entry
nor an entry of something that was not done. The database itself refuses to change or delete one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.text import decode

LENGTH = 300  # characters of a name


class Action(StrEnum):
    """What can be done, as `subject.verb`."""

    OWNER_CREATED = "person.owner-created"
    SIGNED_IN = "session.signed-in"
    SIGN_IN_REFUSED = "session.refused"
    SIGNED_OUT = "session.signed-out"
    SERVER_ADDED = "server.added"
    SERVER_CHANGED = "server.changed"
    SERVER_REMOVED = "server.removed"
    SERVER_CHECKED = "server.check-requested"
    HOST_KEYS_APPROVED = "server.host-keys-approved"
    BACKUP_ROOT_MOVED = "server.backup-root-moved"
    SITE_ADDED = "site.added"
    SITE_CHANGED = "site.changed"
    SITE_REMOVED = "site.removed"
    BACKUP_REQUESTED = "backup.requested"
    BACKUP_DELETED = "backup.delete-requested"
    UPLOAD_REQUESTED = "backup.upload-requested"
    DOWNLOAD_LINK_MADE = "backup.download-link-made"
    BACKUP_DOWNLOADED = "backup.download-begun"
    DOWNLOAD_FAILED = "backup.download-failed"
    FILES_LISTED = "backup.list-of-files-requested"
    RUN_STOPPED = "run.stop-requested"
    HOST_KEYS_EXPECTED = "server.host-keys-announced"
    HOST_KEYS_FOLLOWED = "server.host-keys-followed"
    KEY_CHANGE_REQUESTED = "server.key-change-requested"
    KEY_CHANGED = "server.key-changed"
    UNINSTALL_REQUESTED = "server.uninstall-requested"
    UNINSTALLED = "server.uninstalled"
    SETUP_CODE_MADE = "panel.set-up-code-made"
    AUDIT_EXPORTED = "panel.audit-log-exported"
    SESSION_ENDED = "session.ended"
    SESSIONS_ENDED = "session.all-ended"
    PERSON_INVITED = "person.invited"
    INVITATION_WITHDRAWN = "person.invitation-withdrawn"
    PERSON_JOINED = "person.joined"
    PERSON_RENAMED = "person.renamed"
    PASSWORD_CHANGED = "person.password-changed"  # noqa: S105  (it is no password)
    RESET_LINK_MADE = "person.reset-link-made"
    PASSWORD_RESET = "person.password-reset"  # noqa: S105
    ROLE_CHANGED = "person.role-changed"
    PERSON_DISABLED = "person.disabled"
    PERSON_ENABLED = "person.enabled"
    OWNER_RESTORED = "person.owner-restored"
    DATABASE_ADDED = "database.added"
    DATABASE_CHANGED = "database.changed"
    DATABASE_REMOVED = "database.removed"
    DATABASE_INSPECTED = "database.look-requested"
    VAULT_ADDED = "vault.added"
    VAULT_CHANGED = "vault.changed"
    VAULT_REMOVED = "vault.removed"
    VAULT_FORGOTTEN = "vault.forgotten"
    VAULT_CHECKED = "vault.check-requested"
    SIGNATURES_COMPARED = "vault.signatures-compared"
    VAULT_SEARCHED = "vault.search-requested"
    CLOUD_ADDED = "cloud.added"
    CLOUD_CHANGED = "cloud.changed"
    CLOUD_REMOVED = "cloud.removed"
    CLOUD_CHECKED = "cloud.check-requested"
    SERVER_LINKED = "server.cloud-linked"
    SERVER_UNLINKED = "server.cloud-unlinked"
    SCHEDULE_ADDED = "schedule.added"
    SCHEDULE_CHANGED = "schedule.changed"
    SCHEDULE_REMOVED = "schedule.removed"
    SCHEDULE_PAUSED = "schedule.paused"
    SCHEDULE_RESUMED = "schedule.resumed"
    SCHEDULE_RUN = "schedule.run-requested"
    BACKUP_PINNED = "backup.pinned"
    BACKUP_UNPINNED = "backup.unpinned"
    BACKUP_SIZE_ACCEPTED = "backup.size-accepted"
    BACKUP_EXPIRED = "backup.expired"
    STATUS_ADDRESS_MADE = "panel.status-address-made"
    STATUS_ADDRESS_ENDED = "panel.status-address-ended"
    SITE_PREVIEWED = "site.preview-requested"
    RESTORE_PLANNED = "restore.planned"
    RESTORE_LOOKED = "restore.look-requested"
    RESTORE_STARTED = "restore.started"
    RESTORE_UNDONE = "restore.undo-requested"
    RESTORE_FORGOTTEN = "restore.forget-requested"
    SNAPSHOT_USED = "backup.create-requested"
    SEALED_ANEW = "panel.sealed-anew"
    RECOVERY_KEY_MADE = "panel.recovery-key-made"
    RECOVERY_KEY_CONFIRMED = "panel.recovery-key-confirmed"
    PANEL_EXPORTED = "panel.exported"
    PANEL_IMPORTED = "panel.imported"
    PANEL_BEGUN = "panel.begun-after-import"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and from where."""

    name: str  # an e-mail address, or one of the two below
    person_id: UUID | None = None
    address: str = ""  # of the network; empty for who acts from within


PANEL = Actor("CloudPilot")  # by itself: the clock, a worker
COMMAND_LINE = Actor("command line")  # whoever may start `flask --app wsgi …`


class Subject(Protocol):
    """A row that something is done to."""

    __tablename__: str

    @property
    def id(self) -> Any: ...


class AuditEntry(Base):
    """One act."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index(None, "at", "id"),
        Index(None, "person_id", "at", "id"),
        Index(None, "subject_id", "at", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=clock.now)
    action: Mapped[str]  # an Action
    actor: Mapped[str]  # a name as it was then
    # No foreign keys: an entry outlives what it is about.
    person_id: Mapped[UUID | None]
    address: Mapped[str]
    subject: Mapped[str]  # a table: "servers"; empty if it is about nothing in particular
    subject_id: Mapped[UUID | None]
    subject_name: Mapped[str]  # as it was called then
    details: Mapped[dict[str, Any]]


def changes(row: object, values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What will be different once `values` are set, as name: [before, after]: for `details`."""
    before = {name: getattr(row, name) for name in values}
    return {name: [before[name], new] for name, new in values.items() if before[name] != new}


def record(
    session: Session,
    by: Actor,
    action: Action,
    about: Subject | None = None,
    *,
    name: str | None = None,
    **details: Any,
) -> None:
    """Write down that `by` did this, to be committed with the act itself.

    about    the row that it was done to, flushed: it must have its id
    name     what that row is called, where it has no `name`
    details  what JSON can hold and anybody with the right PEOPLE may read: never a secret
    """
    session.add(
        AuditEntry(
            action=action,
            actor=_cut(by.name),
            person_id=by.person_id,
            address=_cut(by.address),
            subject=about.__tablename__ if about else "",
            subject_id=about.id if about else None,
            subject_name=_cut(name if name is not None else getattr(about, "name", "")),
            details=details,
        )
    )


def _cut(text: str) -> str:
    """One line that shows what it is, however it was typed."""
    cut = text if len(text) <= LENGTH else f"{text[:LENGTH]}…"
    return decode(cut.encode("utf-8", "backslashreplace")).replace("\n", " ")
