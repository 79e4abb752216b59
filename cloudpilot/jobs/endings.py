"""What hangs on the end of a run, by its kind: the backup, its copies, and the runs that follow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from cloudpilot.domain import (
    backups,
    outcomes,
    panel_exports,
    proofs,
    restore_kept,
    restore_steps,
    snapshots,
    uploads,
)
from cloudpilot.domain.archives import Made
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.runs import Run
from cloudpilot.errors import CloudPilotError
from cloudpilot.kinds import RunKind


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run has ended: with `error`, or well.

    at        when the work ended
    made      the archive, if one was made
    warnings  what was left out of it
    leave     do not have removed or put back what may lie on the server: nobody knows what it is,
              or the panel before this one has begun it
    stands    what was to be put back had been done for good
    """

    at: datetime
    made: Made | None
    error: CloudPilotError | None
    warnings: Sequence[str] = ()
    leave: bool = False
    stands: bool = False


def follow(session: Session, run: Run, ending: Ending) -> list[Run]:
    """Move what hangs on it, in the transaction that ends it; returns the runs that are to come."""
    by_kind = _ENDINGS.get(run.kind)
    return by_kind(session, run, ending) if by_kind else []


def _made(session: Session, run: Run, ending: Ending) -> list[Run]:
    if run.backup_id is None:
        return []
    backup = backups.find(session, run.backup_id)
    if backup.status.is_final:
        return []  # it was streamed to an upload that has failed
    if ending.made:
        following = outcomes.completed(session, backup, ending.made, list(ending.warnings))
        _ended_then(backup, ending)
        if ending.leave:
            restore_steps.saved_for_old_panel(session, backup)
        waiting = proofs.archive_is_known(session, backup)
        return [*following, *waiting, *restore_steps.saved(session, backup)]
    if ending.error is None:
        return []
    restore_steps.not_saved(session, backup, ending.error)
    if ending.leave:
        outcomes.lost(session, backup, ending.error)
        following = []
    else:
        sent = run.sent_at is not None
        following = outcomes.failed(session, backup, ending.error, sent=sent)
    _ended_then(backup, ending)
    return following


def _ended_then(backup: Backup, ending: Ending) -> None:
    """It took as long as its making, also if that is known much later."""
    if backup.finished_at:  # else it is on its way to its vault
        backup.finished_at = ending.at


def _snapshot_made(session: Session, run: Run, ending: Ending) -> list[Run]:
    return snapshots.ended(session, run, ending.error, leave=ending.leave)


def _sent(session: Session, run: Run, ending: Ending) -> list[Run]:
    if ending.error:
        return outcomes.not_uploaded(session, run, ending.error)
    return uploads.sent(session, run)


def _verified(session: Session, run: Run, ending: Ending) -> list[Run]:
    if ending.error:
        return outcomes.not_uploaded(session, run, ending.error)
    return outcomes.uploaded(session, run)


def _deleted(session: Session, run: Run, ending: Ending) -> list[Run]:
    if ending.error is None:
        outcomes.removed(session, run)
    return []


def _restored(session: Session, run: Run, ending: Ending) -> list[Run]:
    if ending.error and ending.leave:
        return restore_steps.left(session, run, ending.error)
    if ending.error:
        return restore_steps.failed(session, run, ending.error)
    return restore_steps.done(session, run)


def _put_back(session: Session, run: Run, ending: Ending) -> list[Run]:
    if ending.error and ending.leave:
        return restore_steps.left(session, run, ending.error)
    if ending.error:
        return restore_steps.not_put_back(session, run, ending.error)
    if ending.stands:
        return restore_steps.stands(session, run)
    return restore_steps.put_back(session, run)


def _forgotten(session: Session, run: Run, ending: Ending) -> list[Run]:
    return [] if ending.error else restore_kept.forgotten(session, run)


def _exported(session: Session, run: Run, ending: Ending) -> list[Run]:
    if ending.error:
        panel_exports.failed(session, run, ending.error)
    return []


_ENDINGS: Mapping[RunKind, Callable[[Session, Run, Ending], list[Run]]] = {
    RunKind.MAKE: _made,
    RunKind.SNAPSHOT: _snapshot_made,
    RunKind.UPLOAD: _sent,
    RunKind.VERIFY: _verified,
    RunKind.DELETE: _deleted,
    RunKind.RESTORE: _restored,
    RunKind.UNDO: _put_back,
    RunKind.FORGET: _forgotten,
    RunKind.EXPORT: _exported,
}
