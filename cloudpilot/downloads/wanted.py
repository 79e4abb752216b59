"""What a person wants out of an archive: one file, or a folder as a tar of its own."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy.orm import Session

from cloudpilot.domain import cuts, index, listings
from cloudpilot.domain.cuts import END_OF_TAR, Cut
from cloudpilot.domain.index import HARD_LINK, Entry
from cloudpilot.domain.listings import Listing
from cloudpilot.errors import InvalidPath

MEMBERS_AT_MOST = 200_000
CUTS_AT_MOST = 2_000
_FOR_MORE = "Download one of its folders, or the whole archive."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to come, and where it is in the archive.

    member  the one file whose content it is; None: it is a tar of all that was cut out
    name    the file's name for a person's disk
    size    bytes
    cuts    none, if the list of files is that of a snapshot tree, in which nothing has a place
    path    in the index
    """

    name: str
    size: int
    cuts: tuple[Cut, ...]
    path: str
    member: Entry | None = None

    @property
    def packed(self) -> int:
        """Bytes of the archive that have to be read for it."""
        return sum(cut.length for cut in self.cuts)


def file(session: Session, listing: Listing, path: str) -> Wanted:
    """Raises InvalidPath if there is no such file in the archive."""
    named = listings.find(session, listing, path, is_folder=False)
    member = _data_of(session, listing, named)
    if not member.is_file or member.type == HARD_LINK:
        raise InvalidPath(f"{named.name} is no file: it has no bytes of its own.")
    found = cuts.cuts(listings.pieces(listing), cuts.ranges([member]))
    return Wanted(named.name, member.size, tuple(found), member.path, member)


def folder(session: Session, listing: Listing, path: str) -> Wanted:
    """Raises InvalidPath if there is no such folder, or it is too much for one download."""
    own = listings.find(session, listing, path, is_folder=True)
    members = [own]
    for one in _with_data(session, listing, path):
        members.append(one)
        if len(members) > MEMBERS_AT_MOST:
            raise InvalidPath(f"It holds more than {MEMBERS_AT_MOST:,} names. {_FOR_MORE}")
    found = tuple(cuts.cuts(listings.pieces(listing), cuts.ranges(members)))
    if len(found) > CUTS_AT_MOST:
        raise InvalidPath(f"It lies in too many places of the archive. {_FOR_MORE}")
    size = sum(cut.size for cut in found) + END_OF_TAR
    return Wanted(f"{own.name}.tar", size, found, own.path)


def _with_data(session: Session, listing: Listing, path: str) -> Iterator[Entry]:
    """All in a folder; for hard links to what is outside also that, or they could not be made."""
    for one in listings.below(session, listing, path):
        if one.type == HARD_LINK and not one.link.startswith(f"{path}/"):
            yield _data_of(session, listing, one)
        yield one


def _data_of(session: Session, listing: Listing, one: Entry) -> Entry:
    """The member that has the bytes."""
    if one.type != HARD_LINK:
        return one
    return listings.find(session, listing, index.asked(one.link), is_folder=False)
