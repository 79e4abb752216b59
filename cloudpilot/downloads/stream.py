"""A download: how long it is, its bytes while they come, and what is given back at its end."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from threading import BoundedSemaphore

from cloudpilot.errors import ChecksumMismatch, CloudPilotError, DownloadFailed, DownloadsBusy

log = logging.getLogger(__name__)

# Of the web's 16 threads: the others answer pages. What each may take of memory is tested.
AT_ONCE = 6
_places = BoundedSemaphore(AT_ONCE)


class Stream:
    """The body of an answer of exactly `size` bytes; None: nobody knows how many.

    What turns out not to be so ends in DownloadFailed before the last byte is given: whoever reads
    sees an answer that was cut off, never a whole one that is wrong.

    failed  is told once of what went wrong, but for who leaves early
    """

    def __init__(
        self, size: int | None, pieces: Iterator[bytes], failed: Callable[[CloudPilotError], None]
    ) -> None:
        """Waits for the first byte: what cannot be given at all is an answer of its own."""
        self.size = size
        self._pieces, self._failed = pieces, failed
        self._stack = ExitStack()
        self._first = next(pieces, b"")

    def owns(self, stack: ExitStack) -> "Stream":
        """From now on it closes this at its end."""
        self._stack = stack
        return self

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._counted()
        except CloudPilotError as error:
            log.warning("download: %s: %s", error.code, error)
            self._failed(error)
            raise DownloadFailed(str(error)) from error
        finally:
            self.close()

    def close(self) -> None:
        """Give back the connection and the place; closing twice is no error."""
        self._stack.close()

    def _counted(self) -> Iterator[bytes]:
        """The last piece is held back until there is nothing more to come."""
        held, given = self._first, 0
        for piece in self._pieces:
            given += len(held)
            if self.size is not None and given > self.size:
                break
            if held:
                yield held
            held = piece
        if self.size not in {None, given + len(held)}:
            raise DownloadFailed(f"Other than {self.size:,} bytes were there to be given.")
        if held:
            yield held


def place() -> ExitStack:
    """What is to be closed at the end of a download, the place that it takes among it; raises
    DownloadsBusy if all are taken."""
    if not _places.acquire(blocking=False):
        raise DownloadsBusy(f"{AT_ONCE} downloads are under way: that is all at once.")
    stack = ExitStack()
    stack.callback(_places.release)
    return stack


def proven(pieces: Iterator[bytes], sha256: str) -> Iterator[bytes]:
    """The same, but the last piece is given only if all of it has that SHA-256; raises
    ChecksumMismatch."""
    digest, held = hashlib.sha256(), b""
    for piece in pieces:
        if held:
            yield held
        digest.update(piece)
        held = piece
    if digest.hexdigest() != sha256:
        raise ChecksumMismatch("The archive is not what was written: its SHA-256 is another.")
    if held:
        yield held
