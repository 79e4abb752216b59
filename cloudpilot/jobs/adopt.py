"""Looking in a vault for backups that no row knows: it reads small files and changes nothing there.

One job looks for a minute, and the next goes on where it has stopped. What was found of a folder is
written down together with how far the search is, so a job that is killed has done all of a folder
or nothing.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import (
    adoption,
    lying,
    manifests,
    runs,
    searches,
    signatures,
    told,
    uploads,
    vouching,
)
from cloudpilot.domain.adoption import Found, Laid, Standing
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.lying import Lying
from cloudpilot.domain.objects import ARCHIVE
from cloudpilot.domain.runs import Run
from cloudpilot.domain.searches import Fate, Progress
from cloudpilot.domain.status import Status
from cloudpilot.errors import ManifestRefused, ObjectMissing
from cloudpilot.jobs import lifecycle, opening, queue, sign
from cloudpilot.reports import Report
from cloudpilot.vaults import reading as vault_reading
from cloudpilot.vaults.base import StoredObject, Vault

SECONDS = 60  # of one job, a folder more or less
SIGNED_SECONDS = 300
TWICE = "A backup of this id lies in another folder, too: which is the right one is not known."
# Of one upload, that are read beside those by the name of our own key: the newest, and the oldest,
# since the right one is laid there right after the proof.
SIGNATURES_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class Where:
    """A vault by its id, and the key that signs here, if there is a recovery key."""

    id: UUID
    vault: Vault
    key: bytes | None


def perform(run: Run) -> None:
    """Go on from where the search has come to; whatever is done twice is known the second time."""
    vault_id = uploads.vault_of(run)
    where = Where(vault_id, opening.vault(vault_id), sign.current_key())
    lifecycle.begin(run)
    until = time.monotonic() + SECONDS
    reached = searches.progress(lifecycle.current(run.id))
    for there in lying.together(where.vault.list()):
        if there.folder.name <= reached.cursor:
            continue
        seen = _looked_at(run, where, there, reached)
        if seen is None:
            return  # it has ended meanwhile: somebody has stopped it
        reached = seen
        if time.monotonic() > until:
            _go_on_later(run)
            return
    with transaction() as session:
        adoption.link_chains(session)
    lifecycle.complete(run, Report(stage="adopt", log=words(reached), over=True))


def words(reached: Progress) -> str:
    """What was found."""
    new = f"{reached.signed:,} signed, {reached.unverified:,} unverified"
    rest = f"{reached.known:,} were known, {reached.refused:,} folders were not understood."
    found = f"{reached.found:,} new backups of {reached.servers:,} servers: {new}. {rest}"
    return "\n".join([found, *(f"{folder}: {why}" for folder, why, *_ in reached.whys)])


def _looked_at(
    run: Run, where: Where, there: Lying[StoredObject], reached: Progress
) -> Progress | None:
    """One folder, from the store to its rows; None if the run is over."""
    why, found = "", None
    with reading() as session:
        standing = adoption.standing(session, there.folder)
    if standing in {Standing.NEW, Standing.UNVERIFIED}:
        try:
            found = _found(where, there)
        except (ManifestRefused, ObjectMissing) as refused:
            why = str(refused)
    with transaction() as session:
        row = runs.find(session, run.id)
        if row.status is not Status.RUNNING:
            return None
        if standing is Standing.ELSEWHERE:
            fate, why = Fate.REFUSED, TWICE
        else:
            fate, why = _fate(session, where, found, why)
        new = reached.after(there.folder, fate, why, there.newest())
        searches.note(row, new)
        return new


def _fate(session: Session, where: Where, found: Found | None, why: str) -> tuple[Fate, str]:
    """What becomes of what was found; `why` nothing was."""
    if found is None:
        return (Fate.REFUSED if why else Fate.KNOWN), why
    backup = adoption.adopt(session, where.id, found)
    if backup is None:
        return _again(session, where, found)
    signed = vouching.judge(session, backup, where.key)
    return (Fate.SIGNED if signed else Fate.UNVERIFIED), ""


def _again(session: Session, where: Where, found: Found) -> tuple[Fate, str]:
    """It has a row already. If nobody has signed that, what is signed takes its place."""
    folder = found.manifest.folder
    if adoption.standing(session, folder) is not Standing.UNVERIFIED:
        return Fate.KNOWN, ""
    if found.is_signed:
        backup = adoption.replace(session, where.id, found)
        signed = vouching.judge(session, backup, where.key)
        return (Fate.SIGNED if signed else Fate.KNOWN), ""
    if not adoption.is_its_place(session, found):
        return Fate.REFUSED, TWICE
    backup, is_same = session.get_one(Backup, folder.backup), adoption.is_laid(session, found)
    if backup.deleted_at and not is_same:  # it lay behind the one that somebody has deleted
        backup, fate = adoption.replace(session, where.id, found), Fate.UNVERIFIED
    elif backup.deleted_at:
        return Fate.KNOWN, ""
    else:
        fate = Fate.KNOWN
        backup.signature = found.signature if is_same else backup.signature
    vouching.judge(session, backup, where.key)
    return fate, ""


def _go_on_later(run: Run) -> None:
    with transaction() as session:
        row = runs.find(session, run.id)
        adoption.link_chains(session)
        searches.pause(session, row)
        queue.ring(session, row)


def _found(where: Where, there: Lying[StoredObject]) -> Found:
    """Of the attempts that are whole the one that is signed, else one that has a signature, else
    the newest; raises what is wrong with the first of them."""
    found, wrong = list[Found](), list[ManifestRefused | ObjectMissing]()
    for attempt in there.with_manifests():
        try:
            one = _attempt(where, there, attempt)
        except (ManifestRefused, ObjectMissing) as refused:
            wrong.append(refused)
            continue
        if one.is_signed:
            return one
        found.append(one)
    if not found:
        raise wrong[0]
    return next((one for one in found if one.signature), found[0])


def _attempt(where: Where, there: Lying[StoredObject], attempt: UUID) -> Found:
    """By its signature, if that is ours; else as its manifest tells it."""
    overwritten = None
    for one in _opened(where, there, attempt) if where.key else ():
        if one.is_signed:
            return one
        overwritten = overwritten or one
    if overwritten:
        return overwritten
    beside = _beside(there, attempt)
    texts = _texts(where, there.signatures(attempt))
    body = small(where.vault, there.manifest(attempt))
    manifest = manifests.parse(body, there.folder, clock.now())
    names = there.objects(attempt, manifest.archive)
    objects = {name: laid(where.vault, one.key) for name, one in names.items()}
    if objects[ARCHIVE].size != manifest.made.size:
        raise ManifestRefused("The archive is not of the size that its manifest says.")
    return Found(manifest, attempt, objects, texts, beside=beside)


def _opened(where: Where, there: Lying[StoredObject], attempt: UUID) -> Iterator[Found]:
    """By each signature of it that our key opens. It is signed if it is what was signed, still:
    who can write to the bucket can lay something else in the place of its objects."""
    key, files = where.key or b"", there.signatures(attempt)
    own = [one for one in files if one.key.endswith(f"/{signatures.file_name(key)}")]
    others = [one for one in files if one not in own]
    for one in (*own, *others[:SIGNATURES_AT_MOST]):
        with suppress(ManifestRefused, ObjectMissing):
            text = small(where.vault, one)
            signed = signatures.opened(key, text, there.folder, clock.now())
            objects = {name: laid(where.vault, its.key) for name, its in signed.objects.items()}
            same = signatures.difference(signed, attempt, objects) is None
            its = (signed.manifest, attempt, objects, text.decode())
            yield Found(*its, is_signed=same, beside=_beside(there, attempt))


def _beside(there: Lying[StoredObject], attempt: UUID) -> list[Laid]:
    return [Laid(one.key, one.size, one.etag, one.version) for one in there.signatures(attempt)]


def _texts(where: Where, files: Sequence[StoredObject]) -> str | None:
    """Those of them that can be read, together, the oldest first: which is right only a key tells
    that somebody may type later."""
    newest, others = files[:SIGNATURES_AT_MOST], files[SIGNATURES_AT_MOST:]
    texts = list[str]()
    for one in reversed([*newest, *others[-SIGNATURES_AT_MOST:]]):
        with suppress(ManifestRefused):
            texts.append(small(where.vault, one).decode("utf-8", "replace"))
    return signatures.joined(texts)


def laid(vault: Vault, key: str) -> Laid:
    """An object as the store names it now; raises ObjectMissing."""
    now = vault.stat(key)
    return Laid(key, now.size, now.etag, now.version)


def small(vault: Vault, one: StoredObject) -> bytes:
    """All of a small object; raises ManifestRefused for a large one, whatever it says it is."""
    if one.size > told.BYTES_AT_MOST:
        raise ManifestRefused("Its manifest is larger than any that CloudPilot writes.")
    address = vault.sign_read(one.key, seconds=SIGNED_SECONDS, filename="manifest.json")
    private = lifecycle.settings().private_networks
    body = b""
    chunks: Iterator[bytes] = vault_reading.read(address, private=private)
    with closing(chunks):  # type: ignore[type-var]
        for chunk in chunks:
            body += chunk
            if len(body) > told.BYTES_AT_MOST:
                raise ManifestRefused("Its manifest is larger than any that CloudPilot writes.")
    return body
