"""Snapshot trees: what may be one, and what the next one links to.

A tree is whole in itself: what it links to makes it small, not complete. docs/trees.md
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain.archives import Made
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.destinations import Destination
from cloudpilot.domain.servers import Server, latest_checkup
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import Status
from cloudpilot.errors import CommandFailed, InvalidConfig
from cloudpilot.kinds import BackupType, Method, Privilege

TRIED = 5  # of the newest trees: one that is not there is passed over
COMPARED_EVERY = timedelta(days=30)  # all contents are compared with those of the tree before

WHY_WHOLE = {
    "base_missing": "the tree before was not there any more",
    "base_damaged": "the tree before was not what it had been",
    "base_elsewhere": "the tree before is on another disk",
}


def are_possible(session: Session, server: Server) -> bool:
    """Whether the server can make one, as far as its last Check says."""
    checkup = latest_checkup(session, server.id)
    has_rsync = bool(checkup and checkup.facts.get("rsync"))
    return has_rsync and server.privilege is not Privilege.READ_ALL


def usual(site: Site | None, types: Sequence[BackupType]) -> Method:
    """What a form begins with for a site of which these types can be made."""
    return site.method if site and types[:1] == (BackupType.FILES,) else Method.ARCHIVE


def refuse(
    method: Method, kind: BackupType, privilege: Privilege, destination: Destination | None
) -> None:
    """Raises InvalidConfig for a tree that cannot be."""
    if method is not Method.TREE:
        return
    if kind is not BackupType.FILES:
        raise InvalidConfig("A snapshot tree is of files only: databases are dumped to an archive.")
    if privilege is Privilege.READ_ALL:
        raise InvalidConfig(
            "A snapshot tree takes all rights on its server, since only root can keep owners: to"
            " read everything is not enough. Choose archives, or give the server all rights."
        )
    if destination and destination.streamed:
        raise InvalidConfig("A snapshot tree is kept on its server: choose archives to keep none.")
    if destination and destination.local_days == 0:
        raise InvalidConfig(
            "A snapshot tree that goes at once leaves the next one nothing to link to: keep it for"
            " some days, or choose archives."
        )


def base_of(session: Session, backup: Backup) -> Backup | None:
    """The newest tree of the same that is proven and still there, where this one is to be."""
    found: Sequence[Backup] = session.scalars(_earlier(backup).limit(TRIED)).all()
    for one in found:
        copy, there = one.server_copy, backup.server_copy
        if copy and there and copy.status is CopyStatus.STORED and copy.root == there.root:
            return one
    return None


def must_compare(session: Session, backup: Backup) -> bool:
    """Whether it is time to compare all contents: a disk that has lost a bit shows in no time and
    no size, and would be linked to for ever."""
    since = clock.now() - COMPARED_EVERY
    rows = _earlier(backup).where(Backup.created_at > since)
    recent: Sequence[Backup] = session.scalars(rows).all()
    return not any(one.base_id is None or one.tools.get("compared") == "contents" for one in recent)


def made(backup: Backup, result: Made) -> None:
    """What it links to, as its server says; raises CommandFailed if that was not asked for."""
    if not backup.is_tree:
        return
    if result.own is None:
        raise CommandFailed("The server has made an archive where a tree was asked for.")
    if result.base and result.base != str(backup.base_id):
        raise CommandFailed("The server's tree links to another than it was told.")
    if not result.base:
        backup.base_id = None


def _earlier(backup: Backup) -> Select[Any]:
    rows = select(Backup).where(
        Backup.server_id == backup.server_id,
        Backup.site_id == backup.site_id if backup.site_id else Backup.site_id.is_(None),
        Backup.method == Method.TREE,
        Backup.status == Status.COMPLETED,
        Backup.id != backup.id,
        Backup.deleted_at.is_(None),
        Backup.delete_requested_at.is_(None),
    )
    return rows.order_by(Backup.created_at.desc(), Backup.id)
