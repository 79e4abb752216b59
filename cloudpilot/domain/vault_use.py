"""What lies in a vault, who uses it, and so whether it can be moved or removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import removals, scheduled
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.presence import STORED
from cloudpilot.domain.runs import Run
from cloudpilot.domain.scheduled import Row
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import ACTIVE
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import BackupInProgress, InvalidState


@dataclass(frozen=True, slots=True)
class Use:
    """What keeps a vault from being removed.

    copies   that are there, on their way or being deleted; one that has failed only if it left
             an object
    objects  what an upload may have left and nobody has proven gone
    sites    that use it by default, with their servers
    schedules  whose backups go there
    waiting  backups that are to go there and have not begun to
    run      the oldest piece of work with it that has not ended
    """

    copies: int
    objects: int
    sites: Sequence[tuple[Site, Server]]
    schedules: Sequence[Row]
    waiting: int
    run: Run | None

    @property
    def holds(self) -> bool:
        """Whether anything lies there or is about to: then it must stay where it is."""
        return bool(self.copies or self.objects or self.waiting)

    @property
    def is_free(self) -> bool:
        """Whether it can be removed."""
        return not (self.holds or self.sites or self.schedules or self.run)


def of(session: Session, vault: Vault) -> Use:
    """Who uses it, and for what."""
    left = exists().where(VaultObject.copy_id == Copy.id, VaultObject.gone_at.is_(None))
    nothing = Copy.status.in_((CopyStatus.GONE, CopyStatus.FAILED))
    copies = (Copy.vault_id == vault.id, or_(~nothing, left))
    objects = (VaultObject.vault_id == vault.id, VaultObject.gone_at.is_(None))
    waiting = (Backup.vault_id == vault.id, Backup.status.in_(ACTIVE))
    runs = select(Run).where(Run.vault_id == vault.id, Run.status.in_(ACTIVE))
    return Use(
        copies=_count(session, Copy, *copies),
        objects=_count(session, VaultObject, *objects),
        sites=sites(session, vault),
        schedules=scheduled.of_vault(session, vault.id),
        waiting=_count(session, Backup, *waiting),
        run=session.scalar(runs.order_by(Run.created_at, Run.id).limit(1)),
    )


def sites(session: Session, vault: Vault) -> list[tuple[Site, Server]]:
    """The sites whose backups go there unless somebody says otherwise, with their servers."""
    rows = (
        select(Site, Server)
        .join(Server, Server.id == Site.server_id)
        .where(Site.vault_id == vault.id, Site.removed_at.is_(None))
        .order_by(Site.name, Server.name, Site.id)
    )
    return [(site, server) for site, server in session.execute(rows)]


def looked_for(session: Session, vault_id: UUID, limit: int) -> list[Copy]:
    """Copies that are stored there, as far as we know or knew: the newest of each site, some of
    those that are missing, then those that have not been seen for the longest, so that each has
    its turn."""
    rows = select(Copy).join(Backup, Backup.id == Copy.backup_id)
    rows = rows.where(Copy.vault_id == vault_id, Copy.status.in_(STORED))
    of_site = func.row_number().over(
        partition_by=(Backup.site_id, Backup.server_id),
        order_by=(Backup.created_at.desc(), Backup.id.desc()),
    )
    ranked = rows.with_only_columns(Copy.id, of_site.label("rank")).subquery()
    newest = rows.where(Copy.id.in_(select(ranked.c.id).where(ranked.c.rank == 1)))
    missing = rows.where(Copy.status == CopyStatus.MISSING)
    there = rows.where(Copy.status == CopyStatus.STORED)
    seen_at = func.coalesce(Copy.seen_at, Copy.verified_at)
    found: dict[UUID, Copy] = {}
    for each in (
        newest.order_by(Backup.created_at.desc(), Copy.id).limit(limit // 2),
        missing.order_by(Copy.missing_at.desc(), Copy.id).limit(limit // 4),
        there.order_by(seen_at.nulls_first(), Copy.id).limit(limit),
    ):
        found |= {copy.id: copy for copy in session.scalars(each)}
    return list(found.values())[:limit]


def remove(session: Session, vault: Vault) -> None:
    """Forget a vault and its secret; the caller has it locked.

    Raises InvalidState or BackupInProgress, with what keeps it.
    """
    use = of(session, vault)
    if use.run:
        raise BackupInProgress(removals.pending(use.run))
    refuse_while_chosen(use)
    if use.copies:
        raise InvalidState("Backups lie there: delete them first.")
    if use.objects:
        raise InvalidState("What an upload has left there is not proven gone yet.")
    _close_failed(session, vault)
    vault.removed_at, vault.secret, vault.next_check_at = clock.now(), "", None


def refuse_while_chosen(use: Use) -> None:
    """Raises InvalidState or BackupInProgress while backups are to go there."""
    if use.waiting:
        raise BackupInProgress("A backup that is to go there has not ended.")
    if use.sites:
        names = ", ".join(f"{site.name} on {server.name}" for site, server in use.sites[:3])
        more = f" and {len(use.sites) - 3} more" if len(use.sites) > 3 else ""
        raise InvalidState(
            f"Backups of {names}{more} go there: choose another vault, or none, for them first."
        )
    if use.schedules:
        names = ", ".join(row.title for row in use.schedules[:3])
        raise InvalidState(f"Schedules send backups there ({names}): change them first.")


def _close_failed(session: Session, vault: Vault) -> None:
    """Uploads that have failed and left nothing: nobody is to look for them any more."""
    rows = select(Copy).where(Copy.vault_id == vault.id, Copy.status == CopyStatus.FAILED)
    for copy in session.scalars(rows).all():
        copy.move(session, CopyStatus.DELETING)
        copy.move(session, CopyStatus.GONE, gone_at=clock.now())


def _count(session: Session, kind: type[object], *conditions: object) -> int:
    rows = select(func.count()).select_from(kind).where(*conditions)  # type: ignore[arg-type]
    return session.scalar(rows) or 0
