"""What has to be taken from an archive for some of its members: pure arithmetic on the index."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cloudpilot.domain.index import Entry, Pieces

END_OF_TAR = 1024  # zero bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """Pieces that follow each other in the archive, and what of them is wanted.

    first, length  in the archive, in bytes
    skip, size     of what comes out when they are unpacked: so many are passed over, so many wanted
    """

    first: int
    length: int
    skip: int
    size: int

    @property
    def last(self) -> int:
        """The last byte in the archive."""
        return self.first + self.length - 1

    def numbers(self) -> tuple[int, int, int, int]:
        """All four."""
        return self.first, self.length, self.skip, self.size


def ranges(entries: Iterable[Entry]) -> list[tuple[int, int]]:
    """Where these are in the tar, in its order; those that follow each other as one.

    >>> ranges([Entry("b", "0", 10, 20), Entry("a", "0", 0, 10), Entry("c", "0", 30, 40)])
    [(0, 20), (30, 40)]
    """
    found: list[tuple[int, int]] = []
    spans = [(one.start, one.end) for one in entries if one.end]
    for start, end in sorted(set(spans)):
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def cuts(pieces: Pieces, wanted: Sequence[tuple[int, int]]) -> list[Cut]:
    """For each range of the tar, which must be inside of it."""
    found = []
    for start, end in wanted:
        first = bisect_right(pieces.tar, start) - 1
        after = bisect_left(pieces.tar, end)
        packed = pieces.packed[first]
        length = pieces.packed[after] - packed
        found.append(Cut(packed, length, start - pieces.tar[first], end - start))
    return found
