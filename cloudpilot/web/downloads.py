"""Downloads: a link that the vault itself answers; no byte of it passes through here."""

from uuid import UUID

from flask import Blueprint, redirect
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups
from cloudpilot.domain.audit import Action
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.people import Right
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import NotFound
from cloudpilot.jobs import opening, stored
from cloudpilot.web.access import needs, note

bp = Blueprint("downloads", __name__)

GOOD_FOR = 3600  # seconds in which a download can be begun


@bp.get("/backups/<uuid:backup_id>/copies/<uuid:copy_id>/download")
@needs(Right.DOWNLOAD)
def from_vault(backup_id: UUID, copy_id: UUID) -> BaseResponse:
    """A signed address of the archive; made here, without asking the vault, and written down."""
    with reading() as session:
        backup = backups.find(session, backup_id)
    copy = next((one for one in backup.in_vaults() if one.id == copy_id), None)
    if copy is None or copy.vault_id is None or not copy.is_stored_in_vault:
        raise NotFound("There is no such copy in a vault.")
    archive = stored.archive_of(copy)
    address = opening.vault(copy.vault_id).sign_read(
        archive.key, seconds=GOOD_FOR, filename=_file_name(backup), version=archive.version
    )
    with transaction() as session:
        vault = session.get_one(Vault, copy.vault_id).name
        note(session, Action.DOWNLOAD_LINK_MADE, backup, name=backup.subject, vault=vault)
    answer = redirect(address.reveal(), 302)
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _file_name(backup: Backup) -> str:
    return f"{backup.site_name or backup.server_name}-{backup.archive}"
