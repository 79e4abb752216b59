"""Into which parts an object is cut: pure arithmetic, the same at the panel and at the server."""

from collections.abc import Iterator
from dataclasses import dataclass

from cloudpilot.errors import TooLargeForVault, UploadFailed
from cloudpilot.sizes import human_bytes

KIB, MIB, GIB, TIB = 2**10, 2**20, 2**30, 2**40
MOST_PARTS = 10_000  # S3 takes no more
MOST_BYTES = 5 * TIB  # of one object: what S3 and Google hold
# The sizes grow, so that a small archive is sent in parts before it is finished and a large one
# still fits into ten thousand. All are multiples of 256 KiB, as Google wants them.
GROWING = ((16 * MIB, 2_000), (128 * MIB, 4_000), (1_280 * MIB, 4_000))
# Without a local file each part is a file on the server's disk until it is received.
STREAMED = ((16 * MIB, 1_000), (256 * MIB, 9_000))
_LEAST = 16 * MIB
_LARGEST_EQUAL = 5_120 * MIB - 1 * MIB  # S3 takes parts of at most 5 GiB


@dataclass(frozen=True, slots=True)
class PartPlan:
    """Sizes of parts as (bytes, how many) pairs; part numbers begin at 1.

    >>> plan = PartPlan(((10, 2), (100, 3)))
    >>> [plan.size_of(number) for number in (1, 2, 3, 5)], plan.offset_of(4), plan.most_bytes
    ([10, 10, 100, 100], 120, 320)
    >>> plan.cut(125)
    [10, 10, 100, 5]
    """

    tiers: tuple[tuple[int, int], ...]

    @property
    def most_bytes(self) -> int:
        """How large an object may be."""
        return sum(size * count for size, count in self.tiers)

    @property
    def most_parts(self) -> int:
        return sum(count for _size, count in self.tiers)

    def size_of(self, number: int) -> int:
        """Bytes of a part that is not the last; raises UploadFailed where there is none."""
        if number >= 1:
            left = number
            for size, count in self.tiers:
                if left <= count:
                    return size
                left -= count
        raise UploadFailed(f"An upload has parts 1 to {self.most_parts}; {number} is none.")

    def offset_of(self, number: int) -> int:
        """Bytes that lie before this part."""
        self.size_of(number)
        before, left = 0, number - 1
        for size, count in self.tiers:
            before += size * min(left, count)
            left -= min(left, count)
        return before

    def cut(self, total: int) -> list[int]:
        """The sizes of all parts of an object of `total` bytes; none for an empty one.

        Raises UploadFailed if it is larger than the plan has parts for.
        """
        if not 0 <= total <= self.most_bytes:
            raise UploadFailed(f"An object of {total} bytes does not fit into this upload.")
        return list(self._cut(total))

    def _cut(self, total: int) -> Iterator[int]:
        for size, count in self.tiers:
            for _ in range(count):
                if total <= 0:
                    return
                yield min(size, total)
                total -= size


def plan(expected: int | None, *, equal_parts: bool = False, streamed: bool = False) -> PartPlan:
    """How an object is cut whose size is not known before it is finished.

    expected     bytes that it is thought to have (of a tar the exact size before compression);
                 None if nobody knows
    equal_parts  the store wants all parts but the last to be of one size: then it has room for
                 twice what is expected
    streamed     parts lie on the server's disk until they are received: none is above 256 MiB

    Raises TooLargeForVault if more is expected than a store can hold.

    >>> plan(10 * GIB).most_bytes // GIB, plan(None, streamed=True).most_bytes // GIB
    (5531, 2265)
    >>> plan(400 * GIB, equal_parts=True).tiers
    ((85983232, 10000),)
    """
    if expected is not None and expected > MOST_BYTES:
        raise TooLargeForVault(
            f"{human_bytes(expected)} are more than one object can hold, which is 5 TiB."
        )
    if not equal_parts:
        return PartPlan(STREAMED if streamed else GROWING)
    if expected is None:
        size = 256 * MIB
    else:
        size = max(_LEAST, -(-2 * expected // MOST_PARTS // MIB) * MIB)
    most = 256 * MIB if streamed else _LARGEST_EQUAL
    return PartPlan(((min(size, most), MOST_PARTS),))
