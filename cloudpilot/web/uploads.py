"""Uploads of a backup: bringing it to a vault, again if it has failed, and how that goes."""

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, Response, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse
from wtforms import RadioField

from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, outcomes, readable, uploads, vaults
from cloudpilot.domain.audit import Action
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.people import Right
from cloudpilot.domain.runs import Run
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import InvalidState, NotCompleted, NotFound
from cloudpilot.jobs import queue
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.forms import Form, page, sent
from cloudpilot.web.forms.destination import choices
from cloudpilot.web.htmx import live

bp = Blueprint("uploads", __name__, url_prefix="/backups/<uuid:backup_id>")


class UploadForm(Form):
    """Which vault it shall go to."""

    vault = RadioField("Vault")


@dataclass(frozen=True, slots=True)
class InVault:
    """A copy in a vault, the run that brings it there, and the one that takes it away."""

    copy: Copy
    vault: Vault
    run: Run | None
    deletion: Run | None

    @property
    def working(self) -> bool:
        """Whether anything is still to happen."""
        return any(run and not run.status.is_final for run in (self.run, self.deletion))

    @property
    def state(self) -> str:
        """What the page around it depends on."""
        return f"{self.copy.status}-{'working' if self.working else 'over'}"


@bp.route("/upload", methods=["GET", "POST"])
@needs(Right.RUN)
def new(backup_id: UUID) -> BaseResponse:
    """Choose a vault that does not have it yet."""
    with reading() as session:
        backup = backups.find(session, backup_id)
        readable.refuse_snapshot(backup)
        free = vaults_for(session, backup)
    form = UploadForm()
    form.vault.choices = choices(free)
    if len(free) == 1 and not form.is_submitted():
        form.vault.data = str(free[0].id)
    return sent(form, lambda: _upload(backup_id, UUID(form.vault.data))) or page(
        "backups/upload.html", form, backup=backup, vaults=free
    )


@bp.get("/copies/<uuid:copy_id>/status")
@needs(Right.VIEW)
def status(backup_id: UUID, copy_id: UUID) -> Response:
    """How one copy in a vault stands, alone."""
    with reading() as session:
        found = in_vaults(session, backups.find(session, backup_id))
    one = next((each for each in found if each.copy.id == copy_id), None)
    if one is None:
        raise NotFound("There is no such copy.")
    watch(one)
    return live("backups/_copy.html", state=one.state, one=one)


def watch(*found: InVault) -> None:
    """Somebody looks at these."""
    queue.watch(*(one.run.id for one in found if one.run and not one.run.status.is_final))


def in_vaults(session: Session, backup: Backup) -> list[InVault]:
    """What is said of its copies in vaults, those that are gone left out."""
    going = {run.vault_id: run for run in outcomes.deletions(session, backup)}
    return [
        InVault(
            copy,
            session.get_one(Vault, copy.vault_id),
            uploads.latest(session, copy),
            going.get(copy.vault_id) if copy.status is CopyStatus.DELETING else None,
        )
        for copy in backup.in_vaults()
    ]


def vaults_for(session: Session, backup: Backup) -> list[Vault]:
    """The vaults that it can be brought to now."""
    if backup.is_snapshot:
        return []
    try:
        readable.refuse_others(session, backup)
    except (NotCompleted, InvalidState):
        return []
    there = {copy.vault_id: copy.status for copy in backup.in_vaults()}
    free = {None, *uploads.AGAIN}
    return [vault for vault in vaults.listed(session) if there.get(vault.id) in free]


def _upload(backup_id: UUID, vault_id: UUID) -> str:
    with transaction() as session:
        backup, vault = backups.find(session, backup_id), vaults.find(session, vault_id)
        run = uploads.ask(session, backup, vault, me())
        note(session, Action.UPLOAD_REQUESTED, backup, name=backup.subject, vault=vault.name)
        queue.ring(session, run)
    return url_for("backups.show", backup_id=backup_id)
