"""Vouching: what the panel signs of its own backups in vaults, and what of those that it found is
signed by a recovery key."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from cloudpilot import clock
from cloudpilot.domain import adoption, runs, signatures
from cloudpilot.domain.adoption import HOW, Laid
from cloudpilot.domain.backups import FORMAT, Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.manifests import Folder
from cloudpilot.domain.objects import ARCHIVE, NAMES, VaultObject
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import ManifestRefused
from cloudpilot.kinds import Method, RunKind

NO_KEY = "A signature lies beside it; nobody has compared it with a recovery key yet."
COUNTED = ("entries", "files", "directories", "symlinks", "hardlinks", "others", "unreadable")


def judge(session: Session, backup: Backup, key: bytes | None) -> bool:
    """Whether it is signed by that key; what is told of it is then what was signed. Else its row
    says why not."""
    text = session.scalar(select(Backup.signature).where(Backup.id == backup.id))
    texts = signatures.apart(text)
    whys = [] if key and texts else [NO_KEY if texts else adoption.NO_SIGNATURE]
    for one in texts if key else ():
        try:
            _believe(session, backup, key or b"", one)
        except ManifestRefused as refused:
            whys.append(str(refused))
        else:
            return True
    backup.unverified_why = whys[-1]
    return False


def judge_all(session: Session, vault_id: UUID, key: bytes) -> tuple[int, int]:
    """All in that vault that are unverified: how many of them this key has signed, and not."""
    rows = (
        select(Backup)
        .join(Copy, Copy.backup_id == Backup.id)
        .where(
            Copy.vault_id == vault_id,
            Copy.status != CopyStatus.GONE,
            Backup.adopted_at.is_not(None),
            Backup.signed_at.is_(None),
        )
    )
    results = [judge(session, backup, key) for backup in session.scalars(rows).all()]
    adoption.link_chains(session)
    return sum(results), len(results) - sum(results)


def ask(session: Session, vault: Vault) -> Run:
    """A run that signs what is not signed there; raises BackupInProgress if one is under way."""
    run = Run(kind=RunKind.SIGN, claim=f"sign:vault:{vault.id}", vault_id=vault.id)
    run.subject = vault.name
    return runs.add(session, run)


def latest(session: Session, vault_id: UUID) -> Run | None:
    """The newest run that signs there."""
    rows = select(Run).where(Run.vault_id == vault_id, Run.kind == RunKind.SIGN)
    return session.scalar(rows.order_by(Run.created_at.desc(), Run.id).limit(1))


def unsigned(session: Session, vault_id: UUID, file: str, limit: int) -> list[Copy]:
    """Copies there that this panel has had proven, and beside which no such signature lies; the
    newest first. See `signatures.file_name`."""
    signed = select(VaultObject.copy_id).where(
        VaultObject.name == file,
        VaultObject.vault_id == vault_id,
        VaultObject.stored_at.is_not(None),
        VaultObject.gone_at.is_(None),
    )
    rows = (
        select(Copy)
        .join(Backup, Backup.id == Copy.backup_id)
        .where(
            Copy.vault_id == vault_id,
            Copy.status == CopyStatus.STORED,
            Copy.verified_by.is_distinct_from(HOW),
            Backup.status == Status.COMPLETED,
            Backup.delete_requested_at.is_(None),
            Copy.id.not_in(signed),
        )
        .order_by(Backup.created_at.desc(), Copy.id)
    )
    return list(session.scalars(rows.limit(limit)))


def laid(session: Session, copy: Copy) -> tuple[UUID, dict[str, Laid]] | None:
    """The attempt that a stored copy consists of, and its objects as they were proven."""
    rows = select(VaultObject).where(
        VaultObject.copy_id == copy.id,
        VaultObject.name.in_(NAMES),
        VaultObject.stored_at.is_not(None),
        VaultObject.gone_at.is_(None),
    )
    found = list(session.scalars(rows.order_by(VaultObject.stored_at)))
    if not found:
        return None
    attempt = found[-1].attempt
    objects = {
        one.name: Laid(one.key, one.size or 0, one.etag, one.version, one.sha256 or "")
        for one in found
        if one.attempt == attempt
    }
    return (attempt, objects) if set(objects) == set(NAMES) else None


def said(
    session: Session, copy: Copy, attempt: UUID, objects: Mapping[str, Laid]
) -> dict[str, Any]:
    """What the panel knows of a backup, of the form of a manifest, so that it is read as one."""
    rows = select(Backup).where(Backup.id == copy.backup_id).options(undefer(Backup.census))
    backup = session.scalars(rows).one()
    archive = objects[ARCHIVE]
    counts = dict.fromkeys(COUNTED, 0) | backup.counts
    result = {
        "archive": backup.archive,
        "size": archive.size,
        "sha256": copy.sha256,
        "tar_bytes": backup.tar_size or 0,
        "warnings": backup.warning_count,
        "level": backup.level if not backup.is_tree else 0,
        "base": str(backup.base_id or ""),
        "complete": True,
    }
    return {
        "format": FORMAT,
        "plan": json.loads(backup.plan()) | {"method": Method.ARCHIVE},
        "result": counts | backup.tools | result,
        "databases": [_counted(one) for one in backup.census],
        "attempt": str(attempt),
        "objects": signatures.objects(objects),
        "retention_days": backup.retention_days,
        "signed_at": clock.now().isoformat(timespec="seconds"),
    }


def _counted(database: Mapping[str, Any]) -> dict[str, Any]:
    """As it stands in a manifest; what the row has only in part is said to be more."""
    known = {key: value for key, value in database.items() if key != "complete"}
    for one, many in (("definer", "definers"), ("extension", "extensions")):
        if many in known:
            known[one] = known.pop(many)
    return known | ({} if database.get("complete") else {"partly": True})


def _believe(session: Session, backup: Backup, key: bytes, text: str) -> None:
    """Raises ManifestRefused."""
    [copy] = backup.copies
    there = laid(session, copy)
    if there is None:
        raise ManifestRefused("What it consists of is not there any more.")
    one = there[1][ARCHIVE]
    server, site, backup_id, attempt = (UUID(part) for part in one.key.split("/")[:4])
    folder, now = Folder(server, site, backup_id), clock.now()
    signed = signatures.opened(key, text.encode(), folder, now)
    if why := signatures.difference(signed, attempt, there[1]):
        raise ManifestRefused(why)
    adoption.describe(session, backup, signed.manifest)
    copy.sha256, copy.name = backup.sha256, backup.archive
    backup.signed_at, backup.unverified_why = now, ""
    row = session.get_one(Server, backup.server_id)
    if row.adopted_at:
        row.name = backup.server_name
