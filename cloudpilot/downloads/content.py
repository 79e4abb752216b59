"""The content of one member, from the bytes that it has in a tar: headers, holes and all."""

import tarfile
from collections.abc import Iterable, Iterator
from typing import IO, cast

from cloudpilot.domain.index import Entry, escaped
from cloudpilot.errors import DownloadFailed

HEADERS_AT_MOST = 16 * 1024 * 1024  # bytes of a member before its content
BLOCK = 256 * 1024
_ANOTHER = "The archive holds something else where its index says that this is."


def of(member: Entry, tar: Iterable[bytes]) -> Iterator[bytes]:
    """The file's bytes, holes as zeros. All of `tar` is read, so that what checks itself at its end
    does. Raises DownloadFailed if it is not the member that the index says."""
    source = _Source(tar)
    try:
        with tarfile.open(
            fileobj=cast(IO[bytes], source), mode="r|", bufsize=BLOCK, encoding="utf-8"
        ) as reader:
            found = reader.next()
            name = escaped(found.name).rstrip("/") if found else ""
            if not found or not found.isreg() or (name, found.size) != (member.path, member.size):
                raise DownloadFailed(_ANOTHER)
            source.limit = None
            opened = reader.extractfile(found)
            while opened and (piece := opened.read(BLOCK)):
                yield piece
            source.drain()
    except tarfile.TarError as error:
        raise DownloadFailed(_ANOTHER) from error


class _Source:
    """Pieces as a file that can only be read on; headers that never end are refused."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._waiting = b""
        self.limit: int | None = HEADERS_AT_MOST

    def read(self, size: int) -> bytes:
        """As many bytes as asked for, fewer at the end."""
        found = [self._waiting[:size]]
        missing, self._waiting = size - len(found[0]), self._waiting[size:]
        while missing and (piece := next(self._pieces, b"")):
            found.append(piece[:missing])
            self._waiting = piece[missing:]
            missing -= len(found[-1])
        if self.limit is not None:
            self.limit -= size
            if self.limit < 0:
                raise DownloadFailed(_ANOTHER)
        return b"".join(found)

    def drain(self) -> None:
        """Read what is left."""
        for _ in self._pieces:
            pass
