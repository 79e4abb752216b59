"""Looking into a backup: whether one may, where its index is read, and where one begins to look."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot.domain import index, readable, runs
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.errors import NoBackupDir, NotCompleted, NotFound
from cloudpilot.kinds import Place, RunKind


def refuse_unfinished(backup: Backup) -> None:
    """Raises NotCompleted for a backup that is none, NotFound for one that was deleted, and
    SnapshotNotDownloadable."""
    readable.refuse_snapshot(backup)
    if backup.deleted_at:
        raise NotFound("This backup has been deleted.")
    if backup.status is not Status.COMPLETED:
        state = "has failed" if backup.status is Status.FAILED else "is still being made"
        raise NotCompleted(f"This backup {state}: there is nothing to look into.")


def sources(session: Session, backup: Backup) -> list[Copy]:
    """The copies that can be read, those in vaults first: a vault's index was proven when it was
    stored. Raises NotCompleted, NotFound, and NoBackupDir if there are none."""
    refuse_unfinished(backup)
    server = session.get_one(Server, backup.server_id)
    found = [copy for copy in backup.in_vaults() if copy.is_stored_in_vault]
    there = backup.server_copy
    if there and there.status is CopyStatus.STORED and server.is_ready and not server.removed_at:
        found.append(there)
    if not found:
        raise NoBackupDir("No copy of this backup can be reached by the panel.")
    return found


def on_server(session: Session, backup: Backup) -> Copy:
    """The copy on the server; raises NotCompleted, NotFound, and NoBackupDir if there is none."""
    there = [one for one in sources(session, backup) if one.place is Place.SERVER]
    if not there:
        raise NoBackupDir("The panel can reach no server that has this backup.")
    return there[0]


def ask(session: Session, backup: Backup, by: Person | None) -> Run:
    """A run that reads the backup's index; raises BackupInProgress, and what `sources` does."""
    found = sources(session, backup)
    vault_id = next((copy.vault_id for copy in found if copy.vault_id), None)
    run = Run(
        kind=RunKind.LIST,
        claim=f"list:backup:{backup.id}",
        server_id=next((copy.server_id for copy in found if copy.server_id), None),
        vault_id=vault_id,
        backup_id=backup.id,
        requested_by=by.id if by else None,
        subject=backup.subject,
    )
    return runs.add(session, run)


def latest(session: Session, backup: Backup) -> Run | None:
    """The newest run that reads its index."""
    rows = select(Run).where(Run.backup_id == backup.id, Run.kind == RunKind.LIST)
    return session.scalar(rows.order_by(Run.created_at.desc(), Run.id).limit(1))


def home(paths: list[str], *, has_databases: bool) -> str:
    """Where one begins to look: in the folder that all paths are in, or above files and databases.

    >>> home(["/srv/www/shop", "/srv/www/it's"], has_databases=False)
    'files/srv/www'
    >>> home(["/srv"], has_databases=True), home(["/"], has_databases=False)
    ('', 'files')
    """
    if has_databases or not paths:
        return ""
    common, *others = (index.escaped(path).split("/")[1:] for path in paths)
    for other in others:
        pairs = zip(common, other, strict=False)
        same = [one == another for one, another in pairs]
        common = common[: same.index(False) if False in same else len(same)]
    return "/".join(["files", *(part for part in common if part)])
