"""Downloads: a link that a vault itself answers, or bytes that pass through here to one person."""

from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import audit, backups, index, listings, looking
from cloudpilot.domain.audit import Action
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy
from cloudpilot.domain.people import Right
from cloudpilot.domain.vaults import Vault
from cloudpilot.downloads import archive, commands, members, trees, wanted
from cloudpilot.downloads.wanted import Wanted
from cloudpilot.errors import CloudPilotError, InvalidState, NotFound
from cloudpilot.jobs import opening, stored
from cloudpilot.kinds import Compression
from cloudpilot.web import answers
from cloudpilot.web.access import actor, needs, note

bp = Blueprint("downloads", __name__, url_prefix="/backups/<uuid:backup_id>")

GOOD_FOR = 3600  # seconds in which a download can be begun


@bp.get("/copies/<uuid:copy_id>/download")
@needs(Right.DOWNLOAD)
def from_vault(backup_id: UUID, copy_id: UUID) -> BaseResponse:
    """A signed address of the archive; made here, without asking the vault, and written down."""
    with reading() as session:
        backup = backups.find(session, backup_id)
    copy = next((one for one in backup.in_vaults() if one.id == copy_id), None)
    if copy is None or copy.vault_id is None or not copy.is_stored_in_vault:
        raise NotFound("There is no such copy in a vault.")
    found = stored.archive_of(copy)
    address = opening.vault(copy.vault_id).sign_read(
        found.key, seconds=GOOD_FOR, filename=_file_name(backup), version=found.version
    )
    _note_link(backup, copy.vault_id)
    answer = redirect(address.reveal(), 302)
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "no-store"
    return answer


@bp.get("/download")
@needs(Right.DOWNLOAD)
def from_server(backup_id: UUID) -> BaseResponse:
    """The archive that lies on its server, or the part of it that is asked for."""
    with reading() as session:
        backup = backups.find(session, backup_id)
        copy = looking.on_server(session, backup)
    if backup.is_tree:
        return _of_tree(backup, copy)
    name, size, sha256 = _file_name(backup), copy.size or 0, copy.sha256 or ""
    span = answers.span(size, sha256)
    if span is None:
        return answers.unsatisfiable(size)
    if request.method == "HEAD":
        return answers.archive(name, size, sha256, span, ())
    body = archive.opened(copy, span, _noting(backup, copy.name))
    details = {} if span.end - span.first == size else {"from": span.first, "to": span.end}
    _note_begun(backup, copy.name, answers.closing(body), **details)
    return answers.archive(name, size, sha256, span, body)


def _of_tree(backup: Backup, copy: Copy) -> BaseResponse:
    """A snapshot tree, made into an archive while it passes: there is no part to go on with."""
    name = _file_name(backup).removesuffix(backup.compression.suffix) + Compression.GZIP.suffix
    if request.method == "HEAD":
        return answers.file(name, None, ())
    body = trees.opened(backup, copy, _noting(backup, copy.name))
    _note_begun(backup, copy.name, answers.closing(body))
    return answers.file(name, None, body)


@bp.get("/files/download")
@needs(Right.DOWNLOAD)
def member(backup_id: UUID) -> BaseResponse:
    """One file of the archive, or a folder as a tar; where that would take too much of a vault's
    archive through here, the way to the command that does it without us."""
    backup, copies, found = _asked_for(backup_id)
    passing = [copy for copy in copies if members.passes(backup, copy, found)]
    if not passing:
        query = request.query_string.decode("ascii", "replace")
        return redirect(f"{url_for('.by_command', backup_id=backup_id)}?{query}", 303)
    if request.method == "HEAD":
        return answers.file(found.name, found.size if found.cuts else None, ())
    said = index.shown(request.args.get("path", ""))
    body = members.opened(backup, passing, found, _noting(backup, said))
    _note_begun(backup, said, answers.closing(body))
    return answers.file(found.name, body.size, body)


@bp.get("/files/command")
@needs(Right.DOWNLOAD)
def by_command(backup_id: UUID) -> str:
    """The command that takes a file or folder out of the archive in a vault: only the pieces that
    it needs come, and straight from there."""
    backup, copies, found = _asked_for(backup_id)
    copy = next((one for one in copies if one.vault_id and found.cuts), None)
    if copy is None or copy.vault_id is None:
        raise InvalidState("No vault has this backup: download it from the server.")
    if len(found.cuts) > commands.CUTS_AT_MOST:
        raise InvalidState("It lies in too many places of the archive: download the whole archive.")
    command = commands.of(backup, copy, found)
    _note_link(backup, copy.vault_id)
    path = request.args.get("path", "")
    return render_template(
        "files/command.html",
        backup=backup,
        command=command.reveal(),
        packed=found.packed,
        path=path,
        shown=index.shown(path),
        parent=path.rpartition("/")[0],
        at_most=members.FROM_VAULT_AT_MOST,
        hours=members.SIGNED_SECONDS // 3600,
    )


def _asked_for(backup_id: UUID) -> tuple[Backup, list[Copy], Wanted]:
    """What an address names: the backup, the copies to take it from (the server's first: it unpacks
    for us), and where it is in them."""
    path = index.asked(request.args.get("path", ""))
    with reading() as session:
        backup = backups.find(session, backup_id)
        copies = looking.sources(session, backup)
        listing = listings.of(session, backup_id)
        if listing is None:
            raise InvalidState("The list of its files is not here any more: have it read again.")
        take = wanted.folder if "folder" in request.args else wanted.file
        return backup, copies[::-1], take(session, listing, path)


def _noting(backup: Backup, what: str) -> Callable[[CloudPilotError], None]:
    """Writes down that a download broke; it is called when the request is over."""
    app, by = current_app._get_current_object(), actor()  # type: ignore[attr-defined]  # noqa: SLF001
    name = backup.subject

    def failed(error: CloudPilotError) -> None:
        action, why = Action.DOWNLOAD_FAILED, {"what": what, "code": error.code, "why": str(error)}
        with app.app_context(), transaction() as session:
            audit.record(session, by, action, backup, name=name, **why)

    return failed


def _note_begun(backup: Backup, what: str, closing: answers.Closing, **details: int) -> None:
    with closing, transaction() as session:
        action = Action.BACKUP_DOWNLOADED
        note(session, action, backup, name=backup.subject, what=what, **details)


def _note_link(backup: Backup, vault_id: UUID) -> None:
    with transaction() as session:
        vault = session.get_one(Vault, vault_id).name
        note(session, Action.DOWNLOAD_LINK_MADE, backup, name=backup.subject, vault=vault)


def _file_name(backup: Backup) -> str:
    return f"{backup.site_name or backup.server_name}-{backup.archive}"
