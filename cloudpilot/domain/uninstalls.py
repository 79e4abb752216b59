"""Taking the panel off a server: what of it is there, and when it may go."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloudpilot.domain import deletions, keys, known, outcomes, removals, restores, runs
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.people import Person
from cloudpilot.domain.restores import Restore
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import SAFE_BACKUP_ROOT, Server
from cloudpilot.domain.status import ACTIVE
from cloudpilot.errors import (
    BackupInProgress,
    InvalidConfig,
    InvalidState,
    RestoreInProgress,
    SshNotConfigured,
)
from cloudpilot.kinds import Place, RunKind

ANOTHER_RUN = (
    RunKind.MAKE,
    RunKind.UPLOAD,
    RunKind.PREVIEW,
    RunKind.INSPECT,
    RunKind.LIST,
    RunKind.ROTATE,
    RunKind.UNINSTALL,
    RunKind.SURVEY,
    RunKind.RESTORE,
    RunKind.UNDO,
    RunKind.FORGET,
    RunKind.CLEAR,
)


@dataclass(frozen=True, slots=True)
class Belongings:
    """What lies on a server because of this panel."""

    roots: tuple[str, ...]  # directories that hold, or have held, archives
    backups: int  # not proven gone, those on their way out included
    size: int  # bytes of those whose size is known
    leaving: int  # of them, being deleted
    restoring: Restore | None  # what is at work there
    kept: tuple[Restore, ...]  # for whose Undo something is kept there

    def stay(self, wished: bool) -> bool:
        """Whether archives stay there: somebody wants it, and there are any."""
        return wished and self.backups > 0


def belongings(session: Session, server: Server) -> Belongings:
    """What lies there, as far as the panel knows."""
    mine = (Copy.server_id == server.id, Copy.place == Place.SERVER)
    there = (*mine, Copy.status != CopyStatus.GONE)
    roots = (server.backup_root, SAFE_BACKUP_ROOT, *known.roots(session, server))
    count, size = session.execute(select(func.count(), func.sum(Copy.size)).where(*there)).one()
    leaving = session.scalar(select(func.count()).where(*mine, Copy.status == CopyStatus.DELETING))
    return Belongings(
        tuple(dict.fromkeys(roots)),
        count,
        int(size or 0),
        leaving or 0,
        restores.active_on(session, server),
        tuple(restores.kept_on(session, server)),
    )


def delete_all(session: Session, server: Server, by: Person, typed: str) -> list[Run]:
    """Have every backup on this server deleted; the runs that do it.

    typed  the server's name, to be sure
    """
    if typed.strip() != server.name:
        raise InvalidConfig(f"Type the server's name, {server.name}, to delete its backups.")
    _refuse_while_it_works(session, server)
    there = select(Copy.backup_id).where(
        Copy.server_id == server.id, Copy.status != CopyStatus.GONE
    )
    found = session.scalars(select(Backup).where(Backup.id.in_(there)).order_by(Backup.id)).all()
    going = [backup for backup in found if _can_go(session, backup)]
    return [run for backup in going for run in _delete_there(session, backup, by)]


def prove(
    session: Session,
    server: Server,
    by: Person,
    *,
    keep: bool,
    said: Mapping[str, bool] | None = None,
) -> Run:
    """A run that proves that the panel is out, and then forgets the server.

    keep  its archives stay there
    said  what the removing command has said to be gone; None: the run does it itself, through sudo

    Raises SshNotConfigured, InvalidState, and BackupInProgress or RestoreInProgress while anything
    is to be done there.
    """
    if not server.is_ready:
        raise SshNotConfigured(f"{server.name} was never set up: forget it instead.")
    if said is not None and not said["key"]:
        raise InvalidState("The panel's key is still there. Run the command again.")
    _refuse_while_it_works(session, server)
    left = belongings(session, server)
    if left.leaving or (left.backups and not keep):
        raise BackupInProgress("Its backups are still being deleted.")
    return runs.add(
        session,
        Run(
            kind=RunKind.UNINSTALL,
            claim=keys.claim(server),
            server_id=server.id,
            requested_by=by.id,
            subject=server.name,
            options={"keep": keep} | ({} if said is None else {"said": dict(said)}),
        ),
    )


def latest(session: Session, server: Server) -> Run | None:
    """The newest run of that kind."""
    rows = select(Run).where(Run.server_id == server.id, Run.kind == RunKind.UNINSTALL)
    return session.scalar(rows.order_by(Run.created_at.desc(), Run.id).limit(1))


def _can_go(session: Session, backup: Backup) -> bool:
    """Neither is it being made, nor has a person had it deleted already."""
    asked = backup.delete_requested_at is not None and outcomes.deletions(session, backup)
    return backup.status.is_final and backup.deleted_at is None and not asked


def _delete_there(session: Session, backup: Backup, by: Person) -> list[Run]:
    """Its copy on the server; the backup stays where a vault has it."""
    if not any(copy.is_stored_in_vault for copy in backup.copies):
        return deletions.delete(session, backup, by)
    return outcomes.remove_local(session, backup, by)


def _refuse_while_it_works(session: Session, server: Server) -> None:
    session.scalar(select(Server.id).where(Server.id == server.id).with_for_update())
    if restores.active_on(session, server):
        raise RestoreInProgress(
            f"A restore to {server.name} is under way: CloudPilot can be removed when it has ended."
        )
    rows = select(Run).where(
        Run.server_id == server.id, Run.status.in_(ACTIVE), Run.kind.in_(ANOTHER_RUN)
    )
    run = session.scalars(rows.order_by(Run.created_at, Run.id).limit(1)).first()
    if run:
        raise BackupInProgress(removals.pending(run))
