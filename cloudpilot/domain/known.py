"""What the rows know of what lies on a server and in a vault; see orphans."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.orphans import KnownInVault, KnownOnServer
from cloudpilot.domain.restores import Restore, RestoreStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import ACTIVE
from cloudpilot.kinds import Place


def roots(session: Session, server: Server) -> list[str]:
    """The backup directories that backups and restores have used there, the present one first."""
    mine = (Copy.server_id == server.id, Copy.place == Place.SERVER)
    used = session.scalars(select(Copy.root).where(*mine).distinct().order_by(Copy.root))
    begun = (Restore.server_id == server.id, Restore.status != RestoreStatus.PLANNED)
    restored = session.scalars(select(Restore.root).where(*begun).distinct().order_by(Restore.root))
    return list(dict.fromkeys((server.backup_root, *(root for root in used if root), *restored)))


def on_server(session: Session, server_id: UUID) -> KnownOnServer:
    """What has its place there: copies that are not proven gone, restores, what is worked on."""
    active = (Run.server_id == server_id, Run.status.in_(ACTIVE))
    there = select(Copy.backup_id).where(
        Copy.server_id == server_id, Copy.status != CopyStatus.GONE
    )
    at_work = select(Run.backup_id).where(*active)
    restored = select(Restore.id).where(
        Restore.server_id == server_id, Restore.status != RestoreStatus.PLANNED
    )
    plans = select(Schedule.id).where(
        Schedule.server_id == server_id, Schedule.removed_at.is_(None)
    )
    # A backup of a schedule that was removed meanwhile leaves its state all the same.
    being_made = (
        select(Backup.schedule_id).join(Run, Run.backup_id == Backup.id).where(*active).distinct()
    )
    return KnownOnServer(
        backups=_ids(session, there) | _ids(session, at_work) | _ids(session, restored),
        schedules=_ids(session, plans) | _ids(session, being_made),
    )


def elsewhere(session: Session, server_id: UUID, backup_ids: Sequence[str]) -> frozenset[str]:
    """Which of these backups lie on another server, or on one that CloudPilot was removed from."""
    rows = select(Copy.backup_id).where(
        Copy.backup_id.in_([UUID(one) for one in backup_ids]),
        Copy.place == Place.SERVER,
        Copy.server_id != server_id,
        Copy.status != CopyStatus.GONE,
    )
    return _ids(session, rows)


def in_vault(session: Session, vault_id: UUID) -> KnownInVault:
    """What has its place there."""
    keys = select(VaultObject.key).where(
        VaultObject.vault_id == vault_id, VaultObject.gone_at.is_(None)
    )
    at_work = select(Run.backup_id).where(Run.vault_id == vault_id, Run.status.in_(ACTIVE))
    return KnownInVault(
        keys=frozenset(session.scalars(keys)),
        at_work=_ids(session, at_work),
        servers=_ids(session, select(Server.id)),
    )


def _ids(session: Session, rows: Any) -> frozenset[str]:
    return frozenset(str(one) for one in session.scalars(rows) if one)
