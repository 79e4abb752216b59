"""Proofs that have to wait: all parts may be sent before the making was seen to end."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.kinds import RunKind

NOT_YET = timedelta(seconds=1)  # until a proof asks again whether the archive is there


def archive_is_known(session: Session, backup: Backup) -> list[Run]:
    """The proofs that have waited for this archive and need not any more; they are rung for."""
    now = clock.now()
    rows = select(Run).where(
        Run.backup_id == backup.id,
        Run.kind == RunKind.VERIFY,
        Run.status == Status.PENDING,
        Run.next_look_at <= now + NOT_YET,  # else a job is at it
    )
    waiting = list(session.scalars(rows))
    for run in waiting:
        run.next_look_at = now
    return waiting
