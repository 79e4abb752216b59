"""What hangs on the end of a run, by its kind: the backup, its copies, and the runs that follow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from cloudpilot.domain import backups, outcomes, uploads
from cloudpilot.domain.archives import Made
from cloudpilot.domain.runs import Run
from cloudpilot.errors import CloudPilotError
from cloudpilot.kinds import RunKind


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run has ended: with `error`, or well.

    made      the archive, if one was made
    warnings  what was left out of it
    leave     do not have removed what may lie on the server
    """

    made: Made | None
    error: CloudPilotError | None
    warnings: Sequence[str] = ()
    leave: bool = False


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
        return outcomes.completed(session, backup, ending.made, list(ending.warnings))
    if ending.error and ending.leave:
        outcomes.lost(session, backup, ending.error)
    elif ending.error:
        sent = run.sent_at is not None
        return outcomes.failed(session, backup, ending.error, sent=sent)
    return []


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


_ENDINGS: Mapping[RunKind, Callable[[Session, Run, Ending], list[Run]]] = {
    RunKind.MAKE: _made,
    RunKind.UPLOAD: _sent,
    RunKind.VERIFY: _verified,
    RunKind.DELETE: _deleted,
}
