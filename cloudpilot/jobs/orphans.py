"""Looking for orphans: what lies on a server or in a vault is compared with what the rows know.

Nothing is deleted, and no upload is aborted.
"""

import re
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar
from uuid import UUID

from cloudpilot import clock
from cloudpilot.db import reading
from cloudpilot.domain import known, orphans
from cloudpilot.domain.orphans import InVault
from cloudpilot.domain.servers import Server
from cloudpilot.engine import folders
from cloudpilot.engine.doctor.line import Line
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CloudPilotError, SshUnreachable, VaultUnreachable
from cloudpilot.reports import CheckLine, Grade
from cloudpilot.sizes import human_bytes
from cloudpilot.vaults import checks
from cloudpilot.vaults.base import StoredObject, Vault
from cloudpilot.vaults.uploads import OpenUpload

OBJECTS_AT_MOST = 50_000  # of a vault, that one check looks at; the first by their keys
UPLOADS_AT_MOST = 1_000
NAMED = 3  # keys in a sentence
ABOUT = "orphans"
_PLAIN = re.compile(r"[A-Za-z0-9._/-]{1,300}")
_PLAIN_FOLDER = re.compile(r"([A-Za-z0-9._-]{1,80}/){0,4}")
_REMEDY = (
    "Look at the provider what they are: after the panel's own database was restored they may be"
    " good backups. CloudPilot deletes none of them: delete there what nobody needs."
)
_REMEDY_OF_UPLOADS = " Parts of an open upload cost, too: a lifecycle rule can end such uploads."

_One = TypeVar("_One")


def on_server(ssh: Session, server: Server) -> Line:
    """A Check's line about folders in the backup directories that belong to nothing."""
    with reading() as session:
        roots = known.roots(session, server)
        before = known.on_server(session, server.id)
    try:
        seen = folders.lying(ssh, roots)
        with reading() as session:
            after = known.on_server(session, server.id)
        found = orphans.folders(seen.folders, before | after)
        weight = folders.weighed(ssh, found)
    except SshUnreachable:
        raise
    except CloudPilotError:
        return folders.unanswered()
    with reading() as session:
        elsewhere = known.elsewhere(session, server.id, [one.id for one in found])
    return folders.line(found, elsewhere, seen, weight)


def in_vault(vault: Vault, vault_id: UUID, until: float) -> CheckLine:
    """A check's line about objects and open uploads there that belong to nothing.

    until  by time.monotonic: what has no time is not looked at, and the line says so
    """
    with reading() as session:
        before = known.in_vault(session, vault_id)
    try:
        objects, cut = _some(vault.list(), OBJECTS_AT_MOST, until)
        uploads, more = _some(vault.open_uploads(), UPLOADS_AT_MOST, until)
    except CloudPilotError as error:
        return checks.unknown(ABOUT, f"What lies there could not be listed: {error}")
    with reading() as session:
        after = known.in_vault(session, vault_id)
    found = orphans.in_vault(objects, uploads, before | after, clock.now())
    return line(found, len(objects), cut=cut or more)


def line(found: InVault[StoredObject, OpenUpload], looked_at: int, *, cut: bool) -> CheckLine:
    """What a check says of them.

    looked_at  how many objects were compared
    cut        whether there are, or may be, more
    """
    beside = _beside(found, looked_at, cut=cut)
    if not found.objects and not found.uploads:
        sentence = f"Every object and upload of CloudPilot's there is known.{beside}"
        return CheckLine(ABOUT, Grade.OK, sentence)
    sentences = (_of_objects(found), _of_uploads(found.uploads))
    said = " ".join(one for one in sentences if one)
    remedy = _REMEDY + (_REMEDY_OF_UPLOADS if found.uploads else "")
    return CheckLine(ABOUT, Grade.WARNING, f"{said}{beside}", remedy)


def _some(all_of_them: Iterator[_One], most: int, until: float) -> tuple[list[_One], bool]:
    """The first ones, and whether there may be more: a store that stops answering has told some."""
    found: list[_One] = []
    try:
        for one in all_of_them:
            if len(found) >= most or time.monotonic() > until:
                return found, True
            found.append(one)
    except VaultUnreachable:
        return found, True
    return found, False


def _of_objects(found: InVault[StoredObject, OpenUpload]) -> str:
    count = len(found.objects)
    if not count:
        return ""
    size = human_bytes(sum(one.size for one in found.objects))
    words = "object with {} belongs" if count == 1 else "objects with {} belong"
    strange = (
        f" Of them {found.strange:,} {_are(found.strange)} of servers that this panel has never"
        " had: another panel may keep backups here."
        if found.strange
        else ""
    )
    named = _named([one.key for one in found.objects])
    return f"{count:,} {words.format(size)} to no backup that the panel knows: {named}.{strange}"


def _of_uploads(uploads: Sequence[OpenUpload]) -> str:
    count = len(uploads)
    if not count:
        return ""
    words = "upload that nobody knows has" if count == 1 else "uploads that nobody knows have"
    return f"{count:,} {words} been open for more than a day: {_named([u.key for u in uploads])}."


def _beside(found: InVault[StoredObject, OpenUpload], looked_at: int, *, cut: bool) -> str:
    said = f" Only the first {looked_at:,} objects were looked at." if cut else ""
    if found.foreign:
        have = "has no name" if found.foreign == 1 else "have no names"
        said += f" {found.foreign:,} more there {have} of CloudPilot's."
    return said


def _named(keys: Sequence[str]) -> str:
    more = len(keys) - NAMED
    shown = ", ".join(map(_shown, keys[:NAMED]))
    return f"{shown} and {more:,} more" if more > 0 else shown


def _shown(key: str) -> str:
    """A key, or its folder if somebody has given it a name that is none of ours.

    >>> _shown("a/b.tar.gz"), _shown("a/b/it's <b>")
    ('a/b.tar.gz', 'a/b/…')
    """
    if _PLAIN.fullmatch(key):
        return key
    folder = _PLAIN_FOLDER.match(key)
    return f"{folder[0] if folder else ''}…"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
