"""Snapshots: having a server's cloud make one, and making something new of one."""

from uuid import UUID

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response as BaseResponse
from wtforms import StringField

from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, clouds, requests, servers, snapshots
from cloudpilot.domain.audit import Action
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.people import Right
from cloudpilot.domain.requests import Wish
from cloudpilot.errors import InvalidConfig, NotFound
from cloudpilot.jobs import queue
from cloudpilot.kinds import BackupType, Compression
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.forms import Form, page, sent
from cloudpilot.web.forms.backups import Kept

bp = Blueprint("snapshots", __name__)


class CreateForm(Form):
    """What the new disk or machine is called."""

    name = StringField("Its name")


@bp.route("/servers/<uuid:server_id>/snapshot", methods=["GET", "POST"])
@needs(Right.RUN)
def new(server_id: UUID) -> BaseResponse:
    """Have its cloud make a snapshot of the whole machine now."""
    with reading() as session:
        server = servers.find(session, server_id)
        if server.cloud_id is None:
            raise InvalidConfig(f"Choose first which machine of which cloud {server.name} is.")
        cloud = clouds.find(session, server.cloud_id)
    form = Kept()
    return sent(form, lambda: _make(form, server_id)) or page(
        "snapshots/new.html", form, server=server, cloud=cloud
    )


@bp.route("/backups/<uuid:backup_id>/create", methods=["GET", "POST"])
@needs(Right.RESTORE)
def create(backup_id: UUID) -> BaseResponse:
    """Ask once more, then have a disk or machine made of one part, beside what there is."""
    with reading() as session:
        backup = backups.find(session, backup_id)
        part = _part(backup, request.args.get("part", ""))
        cloud = clouds.find(session, snapshots.cloud_of(backup))
    form = CreateForm(data={"name": f"{backup.server_name} restored"})
    return sent(form, lambda: _create(form, backup_id, part["id"])) or page(
        "snapshots/create.html", form, backup=backup, cloud=cloud, part=part
    )


def _make(form: Kept, server_id: UUID) -> str:
    with transaction() as session:
        wish = Wish(
            servers.find(session, server_id),
            None,
            [],
            [],
            Compression.GZIP,
            BackupType.SNAPSHOT,
            retention_days=form.retention_days.value,
            note=form.note.value,
        )
        run = requests.backup_now(session, wish, me())
        made = session.get_one(Backup, run.backup_id)
        note(session, Action.BACKUP_REQUESTED, made, name=made.subject)
        queue.ring(session, run)
    return url_for("backups.show", backup_id=run.backup_id)


def _create(form: CreateForm, backup_id: UUID, part: str) -> str:
    with transaction() as session:
        backup = backups.find(session, backup_id)
        run = snapshots.create(session, backup, part, form.name.data or "", me())
        details = {"part": part, "called": run.options["name"]}
        note(session, Action.SNAPSHOT_USED, backup, name=backup.subject, **details)
        queue.ring(session, run)
    return url_for("backups.show", backup_id=backup_id)


def _part(backup: Backup, wanted: str) -> dict[str, str]:
    parts = snapshots.copy_of(backup).parts or []
    found = next((one for one in parts if one["id"] == wanted), None)
    if found is None:
        raise NotFound("The snapshot has no such part.")
    return found
