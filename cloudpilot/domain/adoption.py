"""Adoption: backups that were found in a vault get rows, with all that is not known said so.

What was found is no word of this panel's. So it stands in for no other backup: it counts for no
site as a good one, and retention neither judges it nor counts it; only a person has it deleted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import plans, restore_sources
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.manifests import Folder, Manifest
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

    attempt    the upload that it is of, as its keys say
    is_signed  the recovery key of this panel has signed it
    objects    by what they are: see objects.NAMES
    beside     what else belongs to it: signatures, by whatever key
    signature  the texts of what may be one, see signatures.joined
    """

    manifest: Manifest
    attempt: UUID
    objects: Mapping[str, Laid]
    signature: str | None = None
    is_signed: bool = False
    beside: Sequence[Laid] = ()


class Standing(StrEnum):
    """What the panel knows of a folder before it has looked into it."""

    NEW = "new"
    KNOWN = "known"  # it has it, or has had it, or is just uploading it
    UNVERIFIED = "unverified"  # it has it, or has had it, from a vault, and nobody has signed it
    ELSEWHERE = "elsewhere"  # a backup of this id has its place in another folder


def standing(session: Session, folder: Folder) -> Standing:
    """Before anything of it is read. What nobody has signed is looked at again: it may be signed
    by now, or be what somebody else has laid in the place of one that is. So is what was deleted:
    it may have been the false one of two."""
    backup = session.get(Backup, folder.backup)
    if backup is None:
        return Standing.NEW
    is_going = backup.delete_requested_at and not backup.deleted_at
    if backup.is_unverified and not is_going and not restore_sources.uses(session, backup):
        return Standing.UNVERIFIED
    same = (backup.server_id, backup.site_id or folder.site) == (folder.server, folder.site)
    return Standing.KNOWN if same else Standing.ELSEWHERE


def adopt(session: Session, vault_id: UUID, found: Found) -> Backup | None:
    """The rows of a backup; None if it has been known."""
    if _is_there(session, found.manifest.folder.backup):
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


def replace(session: Session, vault_id: UUID, found: Found) -> Backup:
    """What was taken over unverified, told and laid anew by what is signed, or has lain behind it;
    it is there again, if the other was deleted."""
    backup = session.get_one(Backup, found.manifest.folder.backup)
    for copy in list(backup.copies):
        session.execute(delete(VaultObject).where(VaultObject.copy_id == copy.id))
        session.delete(copy)
    backup.copies.clear()
    _server(session, found.manifest)
    describe(session, backup, found.manifest)
    backup.signature = found.signature
    backup.delete_requested_at = backup.deleted_at = None
    _lay(session, backup, vault_id, found)
    return backup


def is_its_place(session: Session, found: Found) -> bool:
    """Whether the backup of this id was taken over from the same folder."""
    place = f"{found.manifest.folder.name}/"
    return all(key.startswith(place) for key in _keys(session, found))


def is_laid(session: Session, found: Found) -> bool:
    """Whether the backup of this id consists of the same upload, or did before it was deleted."""
    return found.objects[ARCHIVE].key in _keys(session, found)


def _keys(session: Session, found: Found) -> list[str]:
    backup = session.get_one(Backup, found.manifest.folder.backup)
    rows = VaultObject.copy_id.in_(one.id for one in backup.copies)
    return list(session.scalars(select(VaultObject.key).where(rows)))


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


def link_chains(session: Session) -> None:
    """Increments get their place in the chain of what they continue, as far as that is there."""
    waiting = _unchained(session)
    while True:
        linked = [one for one in waiting if _link(session, one)]
        if not linked:
            return
        waiting = [one for one in waiting if one not in linked]


def _is_there(session: Session, backup_id: UUID) -> bool:
    return session.get(Backup, backup_id) is not None


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
    row_id = uuid4()  # which upload it was is in its key: anybody may have written that
    beside = {one.key.rpartition("/")[2]: one for one in found.beside}
    for name, laid in (*found.objects.items(), *beside.items()):
        session.add(
            VaultObject(
                copy_id=copy.id,
                vault_id=vault_id,
                attempt=row_id,
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
