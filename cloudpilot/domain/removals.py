"""Taking servers and sites out of the panel: their rows stay, so that old backups keep a name."""

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import ACTIVE
from cloudpilot.errors import BackupInProgress


def remove_server(session: Session, server: Server) -> None:
    """Forget a server and its sites; nothing on the server itself is touched.

    Raises BackupInProgress while anything is to be done there, a deletion that waits included.
    """
    _refuse_while(session, Run.server_id == server.id)
    now = clock.now()
    server.removed_at = now
    sites = update(Site).where(Site.server_id == server.id, Site.removed_at.is_(None))
    session.execute(sites.values(removed_at=now))


def remove_site(session: Session, site: Site) -> None:
    """Forget a site; its backups stay. Raises BackupInProgress while one is being made."""
    _refuse_while(session, Run.claim == f"make:site:{site.id}")
    site.removed_at = clock.now()


def _refuse_while(session: Session, condition: ColumnElement[bool]) -> None:
    active = select(Run.subject).where(condition, Run.status.in_(ACTIVE)).limit(1)
    if subject := session.scalar(active):
        raise BackupInProgress(f"Something is waiting or under way for {subject}.")
