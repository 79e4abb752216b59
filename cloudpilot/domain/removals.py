"""Taking servers, sites and databases out of the panel: their rows stay, so that old backups keep
a name."""

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import restores, schedules
from cloudpilot.domain.databases import Database
from cloudpilot.domain.runs import Run
from cloudpilot.domain.schedules import Schedule
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import ACTIVE, Status
from cloudpilot.errors import BackupInProgress, ObjectLocked
from cloudpilot.kinds import RunKind

_WORK = {
    RunKind.MAKE: "A backup",
    RunKind.CHECK: "A check",
    RunKind.DELETE: "A deletion",
    RunKind.UPLOAD: "An upload",
    RunKind.VERIFY: "The proof of an upload",
    RunKind.ABANDON: "The end of an upload",
    RunKind.CHECK_VAULT: "A check",
    RunKind.PREVIEW: "A preview",
    RunKind.LIST: "A list of files",
    RunKind.INSPECT: "A look at the databases",
    RunKind.ROTATE: "A key change",
    RunKind.UNINSTALL: "The removal",
    RunKind.SURVEY: "A look before a restore",
    RunKind.RESTORE: "A restore",
    RunKind.UNDO: "The undoing of a restore",
    RunKind.FORGET: "The end of a restore",
    RunKind.CLEAR: "The end of a restore",
    RunKind.SNAPSHOT: "A snapshot",
    RunKind.CHECK_CLOUD: "A check",
    RunKind.CREATE: "The making of something new",
    RunKind.EXPORT: "An export of the panel",
}


_AT_VAULT = (RunKind.DELETE, RunKind.ABANDON)
_AT_CLOUD = (RunKind.DELETE, RunKind.CREATE)


def remove_server(session: Session, server: Server) -> None:
    """Forget a server and its sites; nothing on the server itself is touched.

    Raises BackupInProgress while anything is to be done there, deletions that wait included.
    """
    _refuse_because_of(keeps_server(session, server))
    forget(session, server)


def forget(session: Session, server: Server) -> None:
    """It leaves the panel with its sites, whatever is still to be done there."""
    now = clock.now()
    server.removed_at = now
    sites = update(Site).where(Site.server_id == server.id, Site.removed_at.is_(None))
    session.execute(sites.values(removed_at=now))
    its_sites = select(Site.id).where(Site.server_id == server.id)
    _forget_databases(session, Database.site_id.in_(its_sites))
    schedules.remove_all(session, Schedule.server_id == server.id)
    restores.forget_server(session, server)


def remove_site(session: Session, site: Site) -> None:
    """Forget a site; its backups stay. Raises BackupInProgress while one is being made."""
    _refuse_because_of(keeps_site(session, site))
    site.removed_at = clock.now()
    _forget_databases(session, Database.site_id == site.id)
    schedules.remove_all(session, Schedule.site_id == site.id)


def remove_database(session: Session, database: Database) -> None:
    """Forget a database and its password; its backups stay, and so does what is on the server.

    Raises BackupInProgress while a backup of its site is being made.
    """
    _refuse_because_of(keeps_site(session, session.get_one(Site, database.site_id)))
    _forget_databases(session, Database.id == database.id)


def _forget_databases(session: Session, condition: ColumnElement[bool]) -> None:
    """A password that is of no use any more is no longer kept, not even sealed."""
    there = update(Database).where(condition, Database.removed_at.is_(None))
    session.execute(there.values(removed_at=clock.now(), password=""))


def keeps_server(session: Session, server: Server) -> Run | None:
    """The oldest run that has to end before the server can be removed; what is taken out of a vault
    or a cloud, or made of a snapshot, is done without it."""
    at_vault = and_(Run.kind.in_(_AT_VAULT), Run.vault_id.is_not(None))
    at_cloud = and_(Run.kind.in_(_AT_CLOUD), Run.cloud_id.is_not(None))
    return _oldest_active(session, and_(Run.server_id == server.id, ~at_vault, ~at_cloud))


def keeps_site(session: Session, site: Site) -> Run | None:
    """The run that has to end before the site can be removed."""
    return _oldest_active(session, Run.claim == f"make:site:{site.id}")


def pending(run: Run) -> str:
    """What is still to be done, in one sentence."""
    if run.error_code == ObjectLocked.code:
        return f"{_WORK[run.kind]} of {run.subject} waits: {run.error_detail}"
    if run.status is Status.RUNNING:
        state = "under way"
    elif run.error_code:
        state = f"waiting for the {_waited_for(run)}"
    else:
        state = "waiting to start"
    return f"{_WORK[run.kind]} of {run.subject} is {state}."


def _waited_for(run: Run) -> str:
    if run.cloud_id:
        return "cloud"
    return "vault" if run.vault_id and run.kind in _AT_VAULT else "server"


def _oldest_active(session: Session, condition: ColumnElement[bool]) -> Run | None:
    active = select(Run).where(condition, Run.status.in_(ACTIVE))
    return session.scalar(active.order_by(Run.created_at, Run.id).limit(1))


def _refuse_because_of(run: Run | None) -> None:
    if run:
        raise BackupInProgress(pending(run))
