"""Listings: what archives hold, read from their indexes once and kept for who looks through them.

A listing is a cache in the database, where every web process finds it: blocks of compressed lines,
of which a page reads one or two (see `blocks`). It may go at any time and is read again.
docs/browsing.md
"""

import json
import time
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ForeignKey,
    LargeBinary,
    and_,
    delete,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column, undefer

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain import blocks
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.blocks import Block
from cloudpilot.domain.index import Entry, Pieces, shown
from cloudpilot.errors import InvalidPath

KEPT = timedelta(days=7)  # without anybody who looks at it
BYTES_AT_MOST = 256 * 1024 * 1024  # of all listings, as they are stored
UNFINISHED = timedelta(hours=1)  # after which what was begun and not ended goes
SAID_EVERY = timedelta(hours=1)  # that somebody looks
PAGE = 100  # entries: so many stay a light page
FOUND_AT_MOST = 100  # by one search
SEARCH_SECONDS = 2.0


class Listing(Base):
    """The members of a backup's archive."""

    __tablename__ = "listings"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    backup_id: Mapped[UUID] = mapped_column(ForeignKey(Backup.id), index=True)
    begun_at: Mapped[datetime] = mapped_column(default=clock.now)
    read_at: Mapped[datetime | None]  # None while it is being read
    used_at: Mapped[datetime] = mapped_column(default=clock.now, index=True)
    names: Mapped[int] = mapped_column(default=0)
    stored: Mapped[int] = mapped_column(BigInteger, default=0)  # bytes of its blocks
    # Where each block begins, and the pieces of the archive; see `_packed`.
    firsts: Mapped[bytes] = mapped_column(LargeBinary, default=b"", deferred=True)
    pieces: Mapped[bytes] = mapped_column(LargeBinary, default=b"", deferred=True)


class ListingBlock(Base):
    """Entries that follow each other."""

    __tablename__ = "listing_blocks"

    listing_id: Mapped[UUID] = mapped_column(ForeignKey(Listing.id), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


@dataclass(frozen=True, slots=True)
class Found:
    """Some entries, and what to go on with: a key, or None if these are the last."""

    entries: list[Entry]
    following: str | None


def begin(session: Session, backup_id: UUID) -> Listing:
    """A listing that nobody sees until it is whole."""
    listing = Listing(backup_id=backup_id)
    session.add(listing)
    session.flush()
    return listing


def add(session: Session, listing_id: UUID, number: int, found: list[Block]) -> None:
    """The next blocks, of which the first has that number."""
    for at, block in enumerate(found, number):
        session.add(ListingBlock(listing_id=listing_id, number=at, content=block.content))


def discard(session: Session, listing_id: UUID) -> None:
    """It will not become whole."""
    _remove(session, [listing_id])


def finish(
    session: Session, listing_id: UUID, firsts: list[str], stored: int, pieces: Pieces, names: int
) -> None:
    """It is whole, and takes the place of any other of this backup."""
    listing = session.get_one(Listing, listing_id)
    listing.firsts, listing.pieces = _packed(firsts), _packed([pieces.tar, pieces.packed])
    listing.names, listing.stored = names, stored
    listing.read_at = listing.used_at = clock.now()
    rows = select(Listing.id).where(Listing.backup_id == listing.backup_id)
    others = rows.where(Listing.read_at.is_not(None), Listing.id != listing.id)
    _remove(session, list(session.scalars(others)))


def of(session: Session, backup_id: UUID) -> Listing | None:
    """The listing of a backup, if it has been read and is still kept."""
    rows = select(Listing).where(Listing.backup_id == backup_id, Listing.read_at.is_not(None))
    whole = rows.options(undefer(Listing.firsts), undefer(Listing.pieces))
    return session.scalar(whole.order_by(Listing.read_at.desc()).limit(1))


def is_stale(listing: Listing) -> bool:
    """Whether it has to be written down that somebody looks at it."""
    return listing.used_at < clock.now() - SAID_EVERY


def note_use(session: Session, listing: Listing) -> None:
    """Somebody looks at it."""
    session.execute(update(Listing).where(Listing.id == listing.id).values(used_at=clock.now()))


def pieces(listing: Listing) -> Pieces:
    """Of the archive."""
    return Pieces(*json.loads(zlib.decompress(listing.pieces)))


def folder(session: Session, listing: Listing, path: str, after: str = "") -> Found:
    """A page of what is in a folder; raises InvalidPath if there is no such folder.

    after  the key of the entry before the first
    """
    if path:
        find(session, listing, path, is_folder=True)
    first, end = blocks.within(path)
    found = []
    for line in _lines(session, listing, max(first, after), end):
        if blocks.key_of(line) > after:
            found.append(line)
        if len(found) > PAGE:
            break
    more = blocks.key_of(found[PAGE - 1]) if len(found) > PAGE else None
    return Found([blocks.entry(line) for line in found[:PAGE]], more)


def find(session: Session, listing: Listing, path: str, *, is_folder: bool) -> Entry:
    """The entry of that path; raises InvalidPath if there is none of that kind."""
    wanted = blocks.key(path, is_folder=is_folder)
    line = next(_lines(session, listing, wanted, f"{wanted}!"), "")
    if not path or blocks.key_of(line) != wanted:
        kind = "folder" if is_folder else "file"
        raise InvalidPath(f"There is no such {kind} in this backup.")
    return blocks.entry(line)


def below(session: Session, listing: Listing, path: str) -> Iterator[Entry]:
    """All that is in a folder and in its folders."""
    for first, end in (blocks.within(path), blocks.below(path)):
        for line in _lines(session, listing, first, end):
            yield blocks.entry(line)


def search(session: Session, listing: Listing, path: str, words: str, after: str = "") -> Found:
    """Entries below a folder whose name, as it is shown, holds these words, whatever their case; as
    many as FOUND_AT_MOST and SEARCH_SECONDS allow."""
    until, wanted = time.monotonic() + SEARCH_SECONDS, words.lower()
    found: list[Entry] = []
    for first, end in (blocks.within(path), blocks.below(path)):
        for line in _lines(session, listing, max(first, after), end):
            at = blocks.key_of(line)
            if at <= after:
                continue
            name = at.rpartition(" ")[2][1:]
            if wanted in (shown(name) if "%" in name else name).lower():
                found.append(blocks.entry(line))
            if len(found) == FOUND_AT_MOST or time.monotonic() > until:
                return Found(found, at)
    return Found(found, None)


def is_anything_old(session: Session) -> bool:
    """Whether `dropped` would find something, but for what is too much in all."""
    rows = select(Listing.id).join(Backup, Backup.id == Listing.backup_id).where(_old())
    return session.scalar(rows.limit(1)) is not None


def dropped(session: Session) -> int:
    """Remove what nobody has looked at for long, what was never finished, what belongs to backups
    that were deleted, and the longest unused of what is too much; how many they were."""
    rows = select(Listing.id).join(Backup, Backup.id == Listing.backup_id).where(_old())
    ids = list(session.scalars(rows))
    left = session.execute(
        select(Listing.id, Listing.stored)
        .where(Listing.id.not_in(ids))
        .order_by(Listing.used_at.desc())
    )
    total = 0
    for listing_id, stored in left:
        total += stored
        if total > BYTES_AT_MOST:
            ids.append(listing_id)
    _remove(session, ids)
    return len(ids)


def _old() -> ColumnElement[bool]:
    now = clock.now()
    return or_(
        Listing.used_at < now - KEPT,
        and_(Listing.read_at.is_(None), Listing.begun_at < now - UNFINISHED),
        Backup.deleted_at.is_not(None),
    )


def _remove(session: Session, ids: list[UUID]) -> None:
    session.execute(delete(ListingBlock).where(ListingBlock.listing_id.in_(ids)))
    session.execute(delete(Listing).where(Listing.id.in_(ids)))


def _lines(session: Session, listing: Listing, first: str, end: str) -> Iterator[str]:
    """Those with keys from `first` on and before `end`, a block at a time."""
    firsts: list[str] = json.loads(zlib.decompress(listing.firsts))
    number, last = max(0, bisect_right(firsts, first) - 1), bisect_left(firsts, end)
    for at in range(number, last):
        rows = select(ListingBlock.content)
        where = (ListingBlock.listing_id == listing.id, ListingBlock.number == at)
        for line in blocks.lines(session.scalar(rows.where(*where)) or b""):
            if first <= blocks.key_of(line) < end:
                yield line


def _packed(value: object) -> bytes:
    return zlib.compress(json.dumps(value).encode())
