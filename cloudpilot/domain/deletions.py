"""Deletions that people ask for: all copies of a backup, and those of what continues it."""

from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import chains, outcomes, restore_sources, runs
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.errors import InvalidState, RestoreInProgress
from cloudpilot.kinds import Place


def delete(session: Session, backup: Backup, by: Person) -> list[Run]:
    """Have every copy deleted, and those of the increments that continue it; a backup leaves the
    lists once that is proven.

    Returns the runs that do it, one for each place. Raises InvalidState for one that is being made
    (stop it first) or is being deleted already.
    """
    if not backup.status.is_final:
        raise InvalidState("This backup is being made. Stop it first, then delete it.")
    if backup.deleted_at:
        raise InvalidState("This backup has been deleted.")
    _refuse_out_of_reach(session, backup)
    under_way = outcomes.deletions(session, backup)
    if backup.delete_requested_at and under_way:
        raise InvalidState("This backup is being deleted already.")
    if restore_sources.uses(session, backup):
        raise RestoreInProgress("A restore reads this backup just now.")
    depending = chains.depending(session, backup)
    chains.refuse_while_made(depending)
    found = [run for one in depending for run in _have_deleted(session, one, by)]
    return found + _have_deleted(session, backup, by)


def _have_deleted(session: Session, backup: Backup, by: Person) -> list[Run]:
    """Where the panel is at it, for what a failed run has left, that becomes this person's wish."""
    backup.delete_requested_at, backup.judge_at = clock.now(), None
    under_way = outcomes.deletions(session, backup)
    taken = [run for run in under_way if runs.take_over(session, run, by)]
    found = [*taken, *outcomes.remove(session, backup, by=by)]
    if not found:
        backup.deleted_at = clock.now()  # nothing of it is anywhere
    return found


def _refuse_out_of_reach(session: Session, backup: Backup) -> None:
    """The panel has no way to a server that it has left: what lies there stays there."""
    server = session.get_one(Server, backup.server_id)
    elsewhere = backup.in_vaults() or any(copy.cloud_id for copy in backup.copies)
    if server.removed_at and not elsewhere:
        paths = ", ".join(copy.path for copy in backup.copies if copy.place is Place.SERVER)
        raise InvalidState(
            f"CloudPilot cannot reach {server.name} any more:"
            f" delete it on the server by hand, {paths}."
        )
