"""What people ask for: a backup now, a look at a server, a site or a database."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import runs, trees
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy
from cloudpilot.domain.databases import Database
from cloudpilot.domain.destinations import Destination
from cloudpilot.domain.people import Person
from cloudpilot.domain.plans import RETENTION_DAYS
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import ACTIVE
from cloudpilot.errors import (
    BackupInProgress,
    InvalidConfig,
    RestoreInProgress,
    SnapshotNotDownloadable,
    SshNotConfigured,
)
from cloudpilot.kinds import BackupType, Compression, Method, Place, RunKind

RESTORING = (RunKind.RESTORE, RunKind.UNDO)  # what is under way would be half of each


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked for on the form, checked."""

    server: Server
    site: Site | None
    paths: list[str]
    excludes: list[str]
    compression: Compression
    type: BackupType = BackupType.FILES
    databases: list[Database] = field(default_factory=list)
    retention_days: int = RETENTION_DAYS
    note: str = ""
    method: Method = Method.ARCHIVE
    destination: Destination | None = None
    schedule_id: UUID | None = None
    slot_id: UUID | None = None  # the slot of that schedule

    def refuse_nothing(self) -> None:
        """Raises InvalidConfig if there is nothing of this type to back up, and SshNotConfigured
        if its server's host key was not approved."""
        if self.type is BackupType.SNAPSHOT:
            self._refuse_without_cloud()
            return
        if not self.server.is_ready:
            raise SshNotConfigured(
                f"{self.server.name} has not been set up yet: its host key is unknown."
            )
        name = self.site.name if self.site else self.server.name
        if not self.paths and not self.databases:
            raise InvalidConfig(f"{name} has nothing to back up yet: add paths or a database.")
        if self.type.has_files and not self.paths:
            raise InvalidConfig(f"{name} has no paths: only its databases can be backed up.")
        if self.type.has_databases and not self.databases:
            raise InvalidConfig(f"{name} has no database: only its files can be backed up.")
        trees.refuse(self.method, self.type, self.server.privilege, self.destination)

    def _refuse_without_cloud(self) -> None:
        name = self.server.name
        if self.site:
            raise InvalidConfig("A snapshot is of a whole server, not of a site.")
        if self.server.cloud_id is None:
            raise InvalidConfig(f"Choose first which machine of which cloud {name} is.")
        if self.destination and self.destination.vault:
            raise SnapshotNotDownloadable("A snapshot stays at its cloud: it goes to no vault.")


def backup_now(session: Session, wish: Wish, by: Person | None) -> Run:
    """A new backup with its copy on the server and the run that makes it.

    Raises SshNotConfigured if no host key was approved, BackupInProgress if the same site (or
    the same server's own paths) is being backed up already, InvalidConfig if it has nothing of
    the wished type.
    """
    wish.refuse_nothing()
    _refuse_while_changed(session, wish.server)
    backup = new_backup(wish, by)
    session.add(backup)
    session.flush()
    return runs.add(session, run_that_makes(backup))


def new_backup(wish: Wish, by: Person | None) -> Backup:
    """The row of a backup, with that of its copy on the server."""
    server, site, now = wish.server, wish.site, clock.now()
    name = f"{wish.type}-{now:%Y%m%d-%H%M%S}Z"
    is_snapshot = wish.type is BackupType.SNAPSHOT
    archive = name if is_snapshot else f"{name}{wish.compression.suffix}"
    backup = Backup(
        id=uuid4(),
        type=wish.type,
        server_id=server.id,
        site_id=site.id if site else None,
        server_name=server.name,
        site_name=site.name if site else "",
        paths=wish.paths if wish.type.has_files else [],
        excludes=wish.excludes if wish.type.has_files else [],
        databases=[one.plan() for one in wish.databases] if wish.type.has_databases else [],
        compression=wish.compression,
        method=wish.method,
        retention_days=wish.retention_days,
        note=wish.note,
        **(wish.destination.columns() if wish.destination else {}),
        schedule_id=wish.schedule_id,
        slot_id=wish.slot_id,
        requested_by=by.id if by else None,
        created_at=now,
        expires_at=now + timedelta(days=wish.retention_days),
        judge_at=now + timedelta(days=wish.retention_days),
        archive=archive,
    )
    backup.copies.append(_first_copy(wish, name, archive))
    return backup


def _first_copy(wish: Wish, name: str, archive: str) -> Copy:
    """Where it is made."""
    server = wish.server
    if wish.type is BackupType.SNAPSHOT:
        return Copy(place=Place.CLOUD, cloud_id=server.cloud_id, name="")
    its = f"{name}{wish.method.suffix}" if wish.method is Method.TREE else archive
    return Copy(place=Place.SERVER, server_id=server.id, root=server.backup_root, name=its)


def run_that_makes(backup: Backup) -> Run:
    """The row of the run that makes a backup, for its claim alone on what is backed up."""
    return Run(
        kind=backup.made_by,
        claim=claim_of(backup.server_id, backup.site_id, backup.type),
        server_id=backup.server_id,
        cloud_id=backup.copies[0].cloud_id,
        backup_id=backup.id,
        requested_by=backup.requested_by,
        subject=backup.subject,
    )


def claim_of(server_id: UUID, site_id: UUID | None, kind: BackupType = BackupType.FILES) -> str:
    """What no two backups may be made of at once: a site, a server's own paths, or a machine."""
    if kind is BackupType.SNAPSHOT:
        return f"make:machine:{server_id}"
    return f"make:site:{site_id}" if site_id else f"make:server:{server_id}"


def _refuse_while_changed(session: Session, server: Server) -> None:
    refuse_while_removed(session, server)
    if _is_at_work(session, server, RESTORING):
        raise RestoreInProgress(f"A restore to {server.name} is under way.")


def refuse_while_removed(session: Session, server: Server) -> None:
    """Raises BackupInProgress while CloudPilot is being removed from the server. Its row is locked:
    who asks for the removal looks under the same lock for backups and restores."""
    session.scalar(select(Server.id).where(Server.id == server.id).with_for_update())
    if _is_at_work(session, server, (RunKind.UNINSTALL,)):
        raise BackupInProgress(f"CloudPilot is being removed from {server.name}.")


def _is_at_work(session: Session, server: Server, kinds: Sequence[RunKind]) -> bool:
    active = (Run.server_id == server.id, Run.kind.in_(kinds), Run.status.in_(ACTIVE))
    return session.scalar(select(Run.id).where(*active).limit(1)) is not None


def check(session: Session, server: Server, by: Person | None) -> Run:
    """A run that asks the server what it has; raises BackupInProgress if one is under way."""
    return runs.add(
        session,
        Run(
            kind=RunKind.CHECK,
            claim=f"check:server:{server.id}",
            server_id=server.id,
            requested_by=by.id if by else None,
            subject=server.name,
        ),
    )


def preview(session: Session, site: Site, by: Person | None) -> Run:
    """A run that counts what the site's patterns leave out; raises BackupInProgress, and
    SshNotConfigured if no host key was approved."""
    if not site.paths:
        raise InvalidConfig(f"{site.name} has no paths: there is nothing to count.")
    claim, options = f"preview:site:{site.id}", {"site": str(site.id)}
    return _ask(session, site, Run(kind=RunKind.PREVIEW, claim=claim, options=options), by)


def inspect(session: Session, database: Database, by: Person | None) -> Run:
    """A run that looks at a database with its login; raises BackupInProgress, and
    SshNotConfigured if no host key was approved."""
    site = session.get_one(Site, database.site_id)
    run = Run(kind=RunKind.INSPECT, claim=database.claim, options={"database": str(database.id)})
    return _ask(session, site, run, by)


def _ask(session: Session, site: Site, run: Run, by: Person | None) -> Run:
    """Complete a run that asks the site's server something, and add it."""
    server = session.get_one(Server, site.server_id)
    if not server.is_ready:
        raise SshNotConfigured(f"{server.name} has not been set up yet: its host key is unknown.")
    run.server_id, run.requested_by = server.id, by.id if by else None
    run.subject = f"{site.name} on {server.name}"
    return runs.add(session, run)
