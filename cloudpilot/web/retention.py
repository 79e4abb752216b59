"""How long backups stay: pinning one, and what of a site goes when."""

from datetime import timedelta
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, expiry, sites, subjects
from cloudpilot.domain.audit import Action
from cloudpilot.domain.people import Right
from cloudpilot.errors import InvalidState
from cloudpilot.web.access import needs, note

bp = Blueprint("retention", __name__)

LOOK_AHEAD = (0, 7, 30, 90)  # days
SHOWN = 500


@bp.get("/sites/<uuid:site_id>/retention")
@needs(Right.VIEW)
def site(site_id: UUID) -> str:
    """What is kept of a site and why, now or in some days, if nothing new were backed up."""
    typed = request.args.get("days", "0")
    days = int(typed) if typed in {str(days) for days in LOOK_AHEAD} else 0
    with reading() as session:
        found = sites.find(session, site_id)
        at = clock.now() + timedelta(days=days)
        judged = [
            one
            for subject in subjects.of_site(session, site_id)
            for one in expiry.judged(session, subject, at)
        ]
    judged.sort(key=lambda one: (one.backup.created_at, one.backup.id), reverse=True)
    return render_template(
        "sites/retention.html",
        site=found,
        judged=judged[:SHOWN],
        total=len(judged),
        going=sum(1 for one in judged if not one.verdict.keep),
        days=days,
        choices=LOOK_AHEAD,
    )


@bp.post("/backups/<uuid:backup_id>/pin")
@needs(Right.DELETE)
def pin(backup_id: UUID) -> BaseResponse:
    """Keep it whatever is said of days."""
    return _set(backup_id, pinned=True)


@bp.post("/backups/<uuid:backup_id>/unpin")
@needs(Right.DELETE)
def unpin(backup_id: UUID) -> BaseResponse:
    """Let it go when its time has come."""
    return _set(backup_id, pinned=False)


@bp.post("/backups/<uuid:backup_id>/size-is-right")
@needs(Right.DELETE)
def accept_size(backup_id: UUID) -> BaseResponse:
    """It is much smaller than those before it, and that is as it should be."""
    with transaction() as session:
        backup = backups.locked(session, backup_id)
        backup.usual_size = None
        note(session, Action.BACKUP_SIZE_ACCEPTED, backup, name=backup.subject)
    return redirect(url_for("backups.show", backup_id=backup_id), 303)


def _set(backup_id: UUID, *, pinned: bool) -> BaseResponse:
    with transaction() as session:
        backup = backups.locked(session, backup_id)
        if backup.delete_requested_at or backup.deleted_at:
            raise InvalidState("This backup is being deleted, or has been.")
        backup.pinned_at = clock.now() if pinned else None
        backup.judge_at = max(clock.now(), backup.expires_at)
        action = Action.BACKUP_PINNED if pinned else Action.BACKUP_UNPINNED
        note(session, action, backup, name=backup.subject)
    return redirect(url_for("backups.show", backup_id=backup_id), 303)
