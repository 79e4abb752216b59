"""Deleting a backup, after a page that says what goes."""

from uuid import UUID

from flask import Blueprint, url_for
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, chains, clouds, deletions, vaults
from cloudpilot.domain.audit import Action
from cloudpilot.domain.copies import CopyStatus
from cloudpilot.domain.people import Right
from cloudpilot.jobs import queue
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.forms import Form, page, sent

bp = Blueprint("deletions", __name__)


@bp.route("/backups/<uuid:backup_id>/delete", methods=["GET", "POST"])
@needs(Right.DELETE)
def backup(backup_id: UUID) -> BaseResponse:
    """Ask once more, then have every copy deleted."""
    with reading() as session:
        found = backups.find(session, backup_id)
        depending = chains.depending(session, found)
        names = vaults.names(session, found) | clouds.names(session)
        lying = [copy for copy in found.copies if copy.status is not CopyStatus.GONE]
        there = [names.get(copy.vault_id or copy.cloud_id, found.server_name) for copy in lying]
    form = Form()

    def act() -> str:
        with transaction() as session:
            row = backups.find(session, backup_id)
            for run in deletions.delete(session, row, me()):
                queue.ring(session, run)
            note(session, Action.BACKUP_DELETED, row, name=row.subject)
        return url_for("backups.show", backup_id=backup_id)

    return sent(form, act) or page(
        "backups/delete.html", form, backup=found, lies_in=there, depending=depending
    )
