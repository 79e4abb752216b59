"""Adoption: backups that were found in a vault get rows, with all that is not known said so.

What was found is no word of this panel's. So it stands in for no other backup: it counts for no
site as a good one, and retention neither judges it nor counts it; only a person has it deleted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import plans
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.manifests import Manifest
from cloudpilot.domain.objects import ARCHIVE, VaultObject
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.kinds import Place

HOW = "adopted"  # Copy.verified_by: its SHA-256 is compared when it is used, not before
NO_SIGNATURE = "No signature lies beside it."


@dataclass(frozen=True, slots=True)
class Laid:
    """An object of it, as the store names it today."""

    key: str
    size: int
    etag: str = ""
    version: str = ""
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A backup that lies in a vault.

    objects    by what they are: see objects.NAMES
    signature  the text of what may be one
    """

    manifest: Manifest
    attempt: UUID
    objects: Mapping[str, Laid]
    signature: str | None = None


def is_known(session: Session, backup_id: UUID) -> bool:
    """Whether the panel has it, or has had it, or is just uploading it."""
    return session.get(Backup, backup_id) is not None


def adopt(session: Session, vault_id: UUID, found: Found) -> Backup | None:
    """The rows of a backup; None if it has been known, or an object of it is another one's."""
    if is_known(session, found.manifest.folder.backup):
        return None
    try:
        with session.begin_nested():
            _server(session, found.manifest)
            ids = {"id": found.manifest.folder.backup, "adopted_at": clock.now()}
            backup = Backup(status=Status.COMPLETED, **ids)
            describe(session, backup, found.manifest)
            backup.unverified_why, backup.signature = NO_SIGNATURE, found.signature
            _lay(session, backup, vault_id, found)
            return backup
    except IntegrityError:
        return None  # another run was first


def describe(session: Session, backup: Backup, told: Manifest) -> None:
    """What the backup is, by what is told of it; all but its status and its copies."""
    site = session.get(Site, told.folder.site) if told.site_name else None
    made = told.made
    values = {
        "type": told.type,
        "server_id": told.folder.server,
        "site_id": site.id if site and site.server_id == told.folder.server else None,
        "server_name": told.server_name,
        "site_name": told.site_name,
        "paths": list(told.paths),
        "excludes": list(told.excludes),
        "databases": [dict(one) for one in told.databases],
        "compression": told.compression,
        "created_at": told.created_at,
        "expires_at": told.created_at + timedelta(days=plans.RETENTION_DAYS),
        "archive": told.archive,
        "size": made.size,
        "tar_size": made.tar_size,
        "sha256": made.sha256,
        "counts": dict(made.counts),
        "tools": dict(made.tools),
        "census": [dict(one) for one in made.census],
        "warning_count": made.warnings,
        "base_id": told.base,
        "level": made.level,
    }
    if (backup.base_id, backup.level) != (told.base, made.level):
        backup.chain_id = None
    for name, value in values.items():
        setattr(backup, name, value)


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


def link_chains(session: Session) -> None:
    """Increments get their place in the chain of what they continue, as far as that is there."""
    waiting = _unchained(session)
    while True:
        linked = [one for one in waiting if _link(session, one)]
        if not linked:
            return
        waiting = [one for one in waiting if one not in linked]


def _link(session: Session, backup: Backup) -> bool:
    base = session.get(Backup, backup.base_id) if backup.base_id else None
    if base is None or base.server_id != backup.server_id or base.level != backup.level - 1:
        return False
    if base.status is not Status.COMPLETED or base.deleted_at or base.is_tree:
        return False
    if base.level == 0:
        base.chain_id = base.chain_id or base.id
    backup.chain_id = base.chain_id
    session.flush()
    return base.chain_id is not None


def _unchained(session: Session) -> list[Backup]:
    rows = select(Backup).where(
        Backup.adopted_at.is_not(None), Backup.level > 0, Backup.chain_id.is_(None)
    )
    return list(session.scalars(rows))


def _server(session: Session, told: Manifest) -> None:
    """Its server: one that is there stays as it is; a new one is a tombstone, which nobody reaches
    and nobody backs up."""
    if session.get(Server, told.folder.server) is None:
        now = clock.now()
        nothing = dict.fromkeys(("host", "public_key", "private_key"), "")
        server = Server(id=told.folder.server, name=told.server_name, **nothing)
        server.adopted_at = server.removed_at = now
        session.add(server)
        session.flush()


def _lay(session: Session, backup: Backup, vault_id: UUID, found: Found) -> None:
    """It is completed, and lies in the vault."""
    now = clock.now()
    copy = Copy(
        id=uuid4(),
        place=Place.VAULT,
        status=CopyStatus.STORED,
        vault_id=vault_id,
        name=backup.archive,
        size=found.objects[ARCHIVE].size,
        sha256=backup.sha256,
        verified_by=HOW,
        verified_at=now,
    )
    backup.copies.append(copy)
    session.add(backup)
    session.flush()
    for name, laid in found.objects.items():
        session.add(
            VaultObject(
                copy_id=copy.id,
                vault_id=vault_id,
                attempt=found.attempt,
                name=name,
                key=laid.key,
                upload_secret="",
                size=laid.size,
                sha256=backup.sha256 if name == ARCHIVE else laid.sha256,
                stored_at=now,
                etag=laid.etag,
                version=laid.version,
            )
        )
    session.flush()
