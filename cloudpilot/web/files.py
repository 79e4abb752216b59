"""The files of a backup, from its index: folders, names, sizes. The archive is not read."""

import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, chains, index, listings, looking
from cloudpilot.domain.audit import Action
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.index import HARD_LINK, SYMBOLIC_LINK, Entry
from cloudpilot.domain.listings import Listing
from cloudpilot.domain.people import Right
from cloudpilot.domain.servers import valid_path
from cloudpilot.errors import InvalidPath
from cloudpilot.excludes import is_inside
from cloudpilot.jobs import queue
from cloudpilot.web.access import me, needs, note
from cloudpilot.web.htmx import live
from cloudpilot.web.runs import watched

bp = Blueprint("files", __name__, url_prefix="/backups/<uuid:backup_id>/files")

WORDS_AT_MOST = 200
_KINDS = {"0": 0o100000, "7": 0o100000, "S": 0o100000, "1": 0o100000, "2": 0o120000}
_KINDS |= {"3": 0o020000, "4": 0o060000, "5": 0o040000, "D": 0o040000, "6": 0o010000}
_OURS = {
    "files": ("Files", "What was backed up, by its path on the server"),
    "databases": ("Databases", "Dumps, one folder for each database"),
    "manifest.json": ("manifest.json", "What it is a backup of"),
    "RESTORE.txt": ("RESTORE.txt", "How to restore the databases by hand"),
    "result.json": ("result.json", "What was counted"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """An entry, ready to be shown: `note` says what its name does not."""

    entry: Entry
    name: str
    note: str

    @property
    def mode(self) -> str:
        """As ls writes it; empty where it is not known."""
        if self.entry.mode is None:
            return ""
        return stat.filemode(self.entry.mode | _KINDS.get(self.entry.type, 0))

    @property
    def modified(self) -> datetime | None:
        """When it was changed last, as far as anybody knows."""
        if self.entry.modified is None or not 0 <= self.entry.modified < 2**37:
            return None
        return datetime.fromtimestamp(self.entry.modified, UTC)


@bp.get("")
@needs(Right.VIEW)
def show(backup_id: UUID) -> str:
    """One folder, or what a search has found below it."""
    with reading() as session:
        backup = backups.find(session, backup_id)
        looking.refuse_unfinished(backup)
        listing = listings.of(session, backup_id)
        context = _state(session, backup, listing)
        if listing:
            context |= _looked(session, backup, listing)
    _note_use(listing)
    return render_template("files/show.html", **watched(context, "reading"))


@bp.get("/status")
@needs(Right.VIEW)
def status(backup_id: UUID) -> Response:
    """How the reading of the list goes, alone."""
    with reading() as session:
        backup = backups.find(session, backup_id)
        context = _state(session, backup, listings.of(session, backup_id))
    return live("files/_reading.html", **watched(context, "reading"))


@bp.post("/read")
@needs(Right.RUN)
def read(backup_id: UUID) -> BaseResponse:
    """Have the list read, from the vault or the server."""
    with transaction() as session:
        backup = backups.find(session, backup_id)
        run = looking.ask(session, backup, me())
        note(session, Action.FILES_LISTED, backup, name=backup.subject)
        queue.ring(session, run)
    return redirect(url_for(".show", backup_id=backup_id), 303)


def _state(session: Session, backup: Backup, listing: Listing | None) -> dict[str, Any]:
    return {
        "backup": backup,
        "run": looking.latest(session, backup),
        "listing": listing,
        "base": chains.needed(session, backup)[:-1][::-1] if backup.level else [],
    }


def _note_use(listing: Listing | None) -> None:
    if listing and listings.is_stale(listing):
        with transaction() as session:
            listings.note_use(session, listing)


def _looked(session: Session, backup: Backup, listing: Listing) -> dict[str, Any]:
    words, after = request.args.get("words", "")[:WORDS_AT_MOST], request.args.get("after", "")
    path = request.args.get("path")
    path = _home(session, backup, listing) if path is None else index.asked(path)
    if words:
        if path:
            listings.find(session, listing, path, is_folder=True)
        found = listings.search(session, listing, path, words, after)
    else:
        found = listings.folder(session, listing, path, after)
    names = _databases(backup) if path == "databases" else {}
    return {
        "path": path,
        "words": words,
        "after": after,
        "rows": [_row(entry, names) for entry in found.entries],
        "following": found.following,
        "above": _above(path),
        "restorable": _restorable(backup, path),
    }


def _restorable(backup: Backup, path: str) -> str:
    """Where the folder was on its server, if it can be typed into a form; else nothing."""
    try:
        place = unquote(path, errors="strict").removeprefix("files")
        valid_path(place)
    except (UnicodeDecodeError, InvalidPath):
        return ""
    inside = any(is_inside(place, top) for top in backup.paths)
    return place if path.startswith("files/") and inside else ""


def _home(session: Session, backup: Backup, listing: Listing) -> str:
    """Where one begins: no deeper than there are folders, since a path may be a single file."""
    path = looking.home(backup.paths, has_databases=backup.type.has_databases)
    while path:
        try:
            return listings.find(session, listing, path, is_folder=True).path
        except InvalidPath:
            path = path.rpartition("/")[0]
    return path


def _row(entry: Entry, names: dict[str, str]) -> Row:
    name, said = _OURS.get(entry.path, (entry.name, ""))
    if entry.type == SYMBOLIC_LINK:
        said = f"leads to {index.shown(entry.link)}"
    elif entry.type == HARD_LINK:
        said = f"the same file as {index.shown(entry.link.removeprefix('files'))}"
    elif not entry.is_folder and not entry.is_file:
        said = "a device, pipe or the like"
    return Row(entry, name, said or names.get(entry.path, ""))


def _databases(backup: Backup) -> dict[str, str]:
    """What the numbered folders of dumps are of, if that is known of all of them."""
    if len(backup.census) != backup.counts.get("databases"):
        return {}
    return {
        f"databases/{number}": str(one.get("name", ""))
        for number, one in enumerate(backup.census, 1)
    }


def _above(path: str) -> list[tuple[str, str]]:
    """The folders above a path and itself, from the outermost on: each with its name."""
    parts = path.split("/") if path else []
    found = []
    for depth, part in enumerate(parts, 1):
        at = "/".join(parts[:depth])
        found.append((at, _OURS[at][0] if at in _OURS else index.shown(part)))
    return found
