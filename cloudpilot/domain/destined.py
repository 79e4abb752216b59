"""Which vaults the backups of a server go to."""

from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from cloudpilot.domain.backups import Backup
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.sites import Site
from cloudpilot.domain.vaults import Vault


def vaults_of(session: Session, server_id: UUID) -> list[Vault]:
    """Those of its sites and schedules, and that of its newest backup that went to one; by name."""
    of_sites = select(Site.vault_id).where(
        Site.server_id == server_id, Site.removed_at.is_(None), Site.vault_id.is_not(None)
    )
    of_schedules = select(Schedule.vault_id).where(
        Schedule.server_id == server_id,
        Schedule.next_run_at.is_not(None),
        Schedule.vault_id.is_not(None),
    )
    newest = select(func.max(Backup.created_at)).where(
        Backup.server_id == server_id, Backup.vault_id.is_not(None)
    )
    last = select(Backup.vault_id).where(
        Backup.server_id == server_id, Backup.created_at == newest.scalar_subquery()
    )
    theirs = or_(*(Vault.id.in_(ids) for ids in (of_sites, of_schedules, last)))
    rows = select(Vault).where(theirs, Vault.removed_at.is_(None))
    return list(session.scalars(rows.order_by(Vault.name, Vault.id)))
