"""How a restore goes: begun, saved, done, put back, forgotten; each step in one transaction."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import backups, requests, restore_kept, restore_plans, restore_review
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.databases import Database
from cloudpilot.domain.people import Person
from cloudpilot.domain.requests import Wish
from cloudpilot.domain.restores import Restore, RestoreStatus, add_run, of_run
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import ACTIVE
from cloudpilot.errors import (
    BackupInProgress,
    CloudPilotError,
    InvalidConfig,
    InvalidState,
    NotTakenOver,
    RestoreInProgress,
    RunKilled,
    RunLost,
)
from cloudpilot.kinds import BackupType, RunKind

KEPT = timedelta(days=7)  # what was there before
SURVEY_GOOD_FOR = timedelta(hours=1)  # after that it is looked again before anything begins
UNDONE_AGAIN = timedelta(minutes=1)
UNDONE_AGAIN_AT_MOST = timedelta(hours=1)


def start(session: Session, restore: Restore, typed: str, by: Person) -> list[Run]:
    """Begin: first the safe-mode backup, if one is wanted and there is something to save.

    typed  the name of what is restored, to be sure

    Returns the runs to ring for. Raises InvalidConfig, InvalidState, RestoreInProgress,
    BackupInProgress.
    """
    name = restore_plans.confirmed_by(session, restore)
    if typed.strip() != name:
        raise InvalidConfig(f"Type {name} to restore it.")
    if restore.status is not RestoreStatus.PLANNED:
        raise InvalidState("This restore has been started already.")
    if not restore.survey or clock.now() - (restore.surveyed_at or clock.now()) > SURVEY_GOOD_FOR:
        raise InvalidState("What is on the server was looked at too long ago: look again first.")
    _refuse_without_way_back(session, restore)
    _refuse_while_backed_up(session, restore)
    _claim(session, restore, RestoreStatus.RUNNING, started_at=clock.now())
    saved = _safe_backup(session, restore, by) if restore.safe else None
    if saved:
        restore.safe_backup_id = saved.backup_id
        return [saved]
    return [add_run(session, restore, RunKind.RESTORE, by.id)]


def _replaced(session: Session, restore: Restore, survey: Mapping[str, Any]) -> list[Database]:
    """The logins of those databases that are there now, with all that each of them backs up."""
    there = {one["number"] for one in survey.get("databases", ()) if one["exists"]}
    ids = dict.fromkeys(one["database"] for one in restore.databases if one["number"] in there)
    rows = (session.get_one(Database, UUID(one)) for one in ids)
    return [row for row in rows if row.removed_at is None]


def _refuse_without_way_back(session: Session, restore: Restore) -> None:
    """What cannot be undone is done behind a safe-mode backup only. Raises InvalidState."""
    saved = restore_plans.saved(session, restore)
    for found in restore_review.obstacles_in_place(restore.survey or {}, saved):
        raise InvalidState(found.sentence)


def _refuse_while_backed_up(session: Session, restore: Restore) -> None:
    """What is packed must not change under tar's hands. Raises BackupInProgress."""
    backup = backups.find(session, restore.backup_id)
    claim = requests.claim_of(restore.server_id, backup.site_id)
    rows = select(Run.id).where(Run.claim == claim, Run.status.in_(ACTIVE))
    if session.scalar(rows.limit(1)):
        raise BackupInProgress(f"{backup.subject} is being backed up just now.")


def _claim(session: Session, restore: Restore, to: RestoreStatus, **also: Any) -> None:
    """Of two that would work on a server at once the database refuses one."""
    server = session.get_one(Server, restore.server_id)
    requests.refuse_while_removed(session, server)
    try:
        with session.begin_nested():
            restore.move(session, to, **also)
    except IntegrityError as error:
        raise RestoreInProgress(f"Another restore to {server.name} is under way.") from error


def _safe_backup(session: Session, restore: Restore, by: Person) -> Run | None:
    """What is to be replaced is backed up; None if nothing of it is there.

    It is none of the site's own backups: who restores takes what is there for worse, and as the
    newest good one of the site it would let an older one expire.
    """
    backup = backups.find(session, restore.backup_id)
    survey = restore.survey or {}
    found = () if restore.into else survey.get("paths", ())
    there = [path["path"] for path in found if path["kind"] != "absent"]
    replaced = _replaced(session, restore, survey)
    if not there and not replaced:
        return None
    kinds = {(True, True): BackupType.FULL, (False, True): BackupType.DATABASE}
    wish = Wish(
        server=session.get_one(Server, restore.server_id),
        site=None,
        paths=there,
        excludes=backup.excludes,
        compression=backup.compression,
        type=kinds.get((bool(there), bool(replaced)), BackupType.FILES),
        databases=replaced,
        note="Safe mode: as it was before a restore",
    )
    run = requests.backup_now(session, wish, by)
    saved = session.get_one(Backup, run.backup_id)
    saved.pinned_at = clock.now()  # until somebody says that it may go
    return run


def waiting_for(session: Session, backup: Backup) -> Restore | None:
    """The restore that goes on once this backup has been made."""
    rows = select(Restore).where(
        Restore.safe_backup_id == backup.id, Restore.status == RestoreStatus.RUNNING
    )
    return session.scalar(rows)


def saved(session: Session, backup: Backup) -> list[Run]:
    """What was there is safe; the restore that waits for it begins."""
    restore = waiting_for(session, backup)
    return [add_run(session, restore, RunKind.RESTORE, restore.requested_by)] if restore else []


def not_saved(session: Session, backup: Backup, error: CloudPilotError) -> None:
    """Without the safe-mode backup nothing is restored, and nothing has been touched."""
    why = f"The safe-mode backup was not made, so nothing was restored. {error}"
    _give_up_waiting(session, backup, error, why)


def saved_for_old_panel(session: Session, backup: Backup) -> None:
    """It was the panel's before this one that wanted to restore, perhaps days ago."""
    why = "The panel was lost before anything was restored: plan it again if it is still wanted."
    _give_up_waiting(session, backup, NotTakenOver(why), why)


def _give_up_waiting(session: Session, backup: Backup, error: CloudPilotError, why: str) -> None:
    restore = waiting_for(session, backup)
    if restore:
        ended = {"finished_at": clock.now(), "logins": None, "error_code": error.code}
        restore.move(session, RestoreStatus.FAILED, because=error, error_detail=why, **ended)


def done(session: Session, run: Run) -> list[Run]:
    """It is in its place; what was there before is kept for a time."""
    return _completed(session, run)


def stands(session: Session, run: Run) -> list[Run]:
    """It had been done when its run was lost, and what it has restored in place is for good: it
    was not put back."""
    return _completed(session, run, error_code=None, error_detail=None)


def _completed(session: Session, run: Run, **also: Any) -> list[Run]:
    # Its end may be known late: what is kept is kept from then on.
    kept: dict[str, Any] = {"finished_at": _ended(run), "kept_until": clock.now() + KEPT}
    restore = of_run(session, run)
    restore.move(session, RestoreStatus.COMPLETED, **kept, **also)
    return []


def _ended(run: Run) -> datetime:
    return run.finished_at or clock.now()


def failed(session: Session, run: Run, error: CloudPilotError) -> list[Run]:
    """It has not succeeded. What may have been begun is put back, however far it came."""
    restore = of_run(session, run)
    also = {"error_code": error.code, "error_detail": str(error)}
    if run.sent_at is None:
        ended = {"finished_at": _ended(run), "logins": None}
        restore.move(session, RestoreStatus.FAILED, because=error, **ended, **also)
        return []
    restore.move(session, RestoreStatus.UNDOING, because=error, **also)
    return [add_run(session, restore, RunKind.UNDO, run.requested_by)]


def left(session: Session, run: Run, error: CloudPilotError) -> list[Run]:
    """It was the panel's before this one, and what became of it nobody knows: all is left as it is
    on the server."""
    ended = {"finished_at": clock.now(), "logins": None, "error_code": error.code}
    detail = f"{error} Whether it was done is not known: look at the server."
    restore = of_run(session, run)
    restore.move(session, RestoreStatus.FAILED, because=error, error_detail=detail, **ended)
    return []


def undo(session: Session, restore: Restore, by: Person) -> Run:
    """Have what was there before put back; raises InvalidState, RestoreInProgress and, while
    CloudPilot is being removed from the server, BackupInProgress."""
    if restore.in_place:
        names = ", ".join(restore.in_place)
        raise InvalidState(f"{names} was restored in place: restore the safe-mode backup instead.")
    if not restore.can_be_undone:
        raise InvalidState("What was there before is not kept any more.")
    if restore_kept.is_going(session, restore):
        raise InvalidState("What was there before is being removed: a part of it may be gone.")
    _claim(session, restore, RestoreStatus.UNDOING)
    return add_run(session, restore, RunKind.UNDO, by.id)


def put_back(session: Session, run: Run) -> list[Run]:
    """All is as it was; what the restore has left on the server goes."""
    restore = of_run(session, run)
    after = RestoreStatus.FAILED if restore.error_code else RestoreStatus.UNDONE
    restore.move(session, after, finished_at=_ended(run), kept_until=None, logins=None)
    return [add_run(session, restore, RunKind.CLEAR, run.requested_by)]


def not_put_back(session: Session, run: Run, error: CloudPilotError) -> list[Run]:
    """It is tried again until it is: later each time, at once if only its process was lost."""
    times = int(run.options.get("times", 0)) + 1
    following = add_run(session, of_run(session, run), RunKind.UNDO, run.requested_by)
    following.options = {"times": times}
    if not isinstance(error, RunLost | RunKilled):
        following.next_look_at = clock.now() + min(times * UNDONE_AGAIN, UNDONE_AGAIN_AT_MOST)
    return [following]
