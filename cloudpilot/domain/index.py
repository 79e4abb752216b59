"""Indexes of archives, judged line by line: what a server or a vault says is a stranger's word.

The lines are in docs/archive-format.md. Names stay as they are in them, every byte that is not
plain as %XX, from the index to the address of a page: so no name is ever another one.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote_from_bytes, unquote_to_bytes

from cloudpilot.errors import IndexDamaged, InvalidPath
from cloudpilot.text import decode

NAMES_AT_MOST = 5_000_000
NUMBER_AT_MOST = 2**62
FOLDERS = frozenset("5D")
FILES = frozenset("07S")
HARD_LINK, SYMBOLIC_LINK = "1", "2"

_SAFE = "/~+,@="  # beside letters, digits and ._-
_PLAIN = r"[A-Za-z0-9._/~+,@=-]*"
_NAME = re.compile(rf"{_PLAIN}(?:%(?!00)[0-9A-F]{{2}}{_PLAIN})*")
_NUMBER = r"(\d{1,19})"
_ENTRY = re.compile(
    rf"F ([0-9A-Za-z]) {_NUMBER} {_NUMBER} {_NUMBER} ({_NAME.pattern})(?: ({_NAME.pattern}))?"
)
_ABOUT = re.compile(r"A ([0-7]{1,6}) (-?\d{1,15})")
_PIECE = re.compile(rf"M {_NUMBER} {_NUMBER} {_NUMBER} {_NUMBER} {_NUMBER}")
_END = re.compile(rf"E {_NUMBER} {_NUMBER}")
_MEANS_NOTHING = re.compile(r"(?:^|/)\.{0,2}(?:/|$)")


@dataclass(frozen=True, slots=True)
class Entry:
    """A member of an archive.

    path      as in the index, without a slash at its end; so is `link`, where a link leads
    type      tar's; see FOLDERS, FILES, HARD_LINK, SYMBOLIC_LINK
    start     its first byte in the tar, headers included; `end` is the one after its last. Both
              are 0 of a folder that is in the archive only by what it holds
    size      bytes of the file, holes included
    mode, modified  permissions, and seconds since 1970; None in what an older pack.pl has made
    """

    path: str
    type: str
    start: int = 0
    end: int = 0
    size: int = 0
    mode: int | None = None
    modified: int | None = None
    link: str = ""

    @property
    def parent(self) -> str:
        """The path of the folder that it is in."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """Without the folder, as people may be shown it."""
        return shown(self.path.rpartition("/")[2])

    @property
    def is_folder(self) -> bool:
        """Whether others are in it."""
        return self.type in FOLDERS

    @property
    def is_file(self) -> bool:
        """Whether it has bytes of its own, or is one more name for some."""
        return self.type in FILES or self.type == HARD_LINK


@dataclass(frozen=True, slots=True)
class Pieces:
    """Where the compressed parts of an archive begin, in the tar and in the archive; the last
    numbers are where the last one ends."""

    tar: list[int] = field(default_factory=lambda: [0])
    packed: list[int] = field(default_factory=lambda: [0])


@dataclass(slots=True)
class Index:
    """What is known of an index while its lines pass.

    tar_size, packed_size  bytes that the archive has, packed or not; None where nobody knows
    is_tree  it is of a snapshot tree: nothing is packed, so no member has a place
    """

    tar_size: int | None = None
    packed_size: int | None = None
    is_tree: bool = False
    pieces: Pieces = field(default_factory=Pieces)
    names: int = 0
    whole: bool = False
    _reached: int = 0  # the end of the last entry

    def entries(self, lines: Iterable[str]) -> Iterator[Entry]:
        """The members, in the order of the tar; raises IndexDamaged for what is not whole.

        Lines of words that are not known are passed over: a later version has them.
        """
        held = ""  # a member's line, while what belongs to it may follow
        for number, line in enumerate(lines):
            if (number == 0) != (line == "V 1") or self.whole:
                raise IndexDamaged(f"Line {number + 1} of the index is not what belongs there.")
            word = line[:2]
            if held and word in {"F ", "A ", "E "}:
                yield self._entry(held, line if word == "A " else "")
                held = ""
            if word == "F ":
                held = line
            elif word in {"M ", "E "}:
                (self._piece if word == "M " else self._end)(line)
        if not self.whole:
            raise IndexDamaged("The index ends too early.")

    def _entry(self, line: str, about: str) -> Entry:
        found, known = _ENTRY.fullmatch(line), _ABOUT.fullmatch(about)
        if found is None or (about and known is None):
            raise IndexDamaged("A line of the index cannot be read.")
        kind, *numbers, path, link = found.groups()
        start, end, size = map(int, numbers)
        placed = start == end == 0 if self.is_tree else self._reached <= start < end
        if not placed or size > NUMBER_AT_MOST:
            raise IndexDamaged("The index has members where none can be.")
        self._reached = end
        self.names += 1
        if self.names > NAMES_AT_MOST:
            raise IndexDamaged(
                f"The index has more than {NAMES_AT_MOST:,} names: too many to list."
            )
        mode, modified = (int(known[1], 8), int(known[2])) if known else (None, None)
        return Entry(_path(path), kind, start, end, size, mode, modified, link or "")

    def _piece(self, line: str) -> None:
        found = _PIECE.fullmatch(line)
        number, tar, tar_size, packed, packed_size = map(int, found.groups() if found else [0] * 5)
        at = self.pieces
        in_order = (number, tar, packed) == (len(at.tar) - 1, at.tar[-1], at.packed[-1])
        if not in_order or not tar_size or not packed_size:
            raise IndexDamaged("The pieces of the index do not follow each other.")
        at.tar.append(tar + tar_size)
        at.packed.append(packed + packed_size)

    def _end(self, line: str) -> None:
        """The last line has to agree with the pieces, and with what is known of the archive."""
        found = _END.fullmatch(line)
        said = [int(one) for one in found.groups()] if found else []
        counted = [self.pieces.tar[-1], self.pieces.packed[-1]]
        known = [self.tar_size or counted[0], self.packed_size or counted[1]]
        if not said == counted == known or not self._reached <= counted[0] <= NUMBER_AT_MOST:
            raise IndexDamaged("The index does not belong to this archive.")
        self.whole = True


def shown(text: str) -> str:
    """A name of the index as people may be shown it: what is not text stays an escape.

    >>> shown("caf%C3%A9%0A%FF")
    'café\\\\x0a\\\\xff'
    """
    return decode(unquote_to_bytes(text)).replace("\n", "\\x0a").replace("\t", "\\x09")


def escaped(path: str) -> str:
    """A path as the index writes it.

    >>> escaped("/srv/it's café")
    '/srv/it%27s%20caf%C3%A9'
    """
    return quote_from_bytes(path.encode("utf-8", "surrogateescape"), safe=_SAFE)


def asked(path: str) -> str:
    """The path of an address; raises InvalidPath for what no index can hold.

    >>> asked("files/srv/a%0Ab"), asked("")
    ('files/srv/a%0Ab', '')
    """
    parts = path.split("/")
    if not _NAME.fullmatch(path) or (path and {"", ".", ".."} & set(parts)):
        raise InvalidPath(f"“{decode(path.encode()[:200])}” is not a path inside of a backup.")
    return path


def _path(text: str) -> str:
    """A member's path without what means nothing in it: `files/` is `files`."""
    if not _MEANS_NOTHING.search(text):
        return text
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if not parts or ".." in parts:
        raise IndexDamaged("The index has a name that no archive of ours has.")
    return "/".join(parts)
