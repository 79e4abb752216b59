"""Single files and folders out of an archive, from its server or from a vault."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy
from cloudpilot.domain.cuts import END_OF_TAR, Cut
from cloudpilot.downloads import content, stream, trees
from cloudpilot.downloads.stream import Stream
from cloudpilot.downloads.wanted import Wanted
from cloudpilot.engine import fetching
from cloudpilot.engine.fetching import Stored
from cloudpilot.errors import ChecksumMismatch, CloudPilotError, InvalidState
from cloudpilot.jobs import lifecycle, opening, stored
from cloudpilot.jobs.on_server import connected
from cloudpilot.kinds import Compression
from cloudpilot.vaults import reading

FROM_VAULT_AT_MOST = 128 * 1024 * 1024  # bytes of an archive that pass through here for one file
SIGNED_SECONDS = 3600  # in which the reading of a part can be begun
_STEP = 1024 * 1024


def passes(backup: Backup, copy: Copy, wanted: Wanted) -> bool:
    """Whether it may come through the panel from that copy. What lies in a vault goes straight from
    there to whoever wants it, unless it is small."""
    if copy.vault_id is None:
        return backup.is_tree or bool(wanted.cuts)
    if not wanted.cuts:
        return False
    return backup.compression is Compression.GZIP and wanted.packed <= FROM_VAULT_AT_MOST


def opened(
    backup: Backup,
    copies: Sequence[Copy],
    wanted: Wanted,
    failed: Callable[[CloudPilotError], None],
) -> Stream:
    """From the first of these copies that gives a first byte; raises what the last one failed with,
    and DownloadsBusy."""
    *others, last = copies
    with stream.place() as stack:
        for copy in others:
            try:
                return _begun(backup, copy, wanted, stack, failed)
            except CloudPilotError as error:
                stream.log.info("download from %s: %s", copy.place, error.code)
        return _begun(backup, last, wanted, stack, failed)


def _begun(
    backup: Backup,
    copy: Copy,
    wanted: Wanted,
    stack: ExitStack,
    failed: Callable[[CloudPilotError], None],
) -> Stream:
    """It takes over what `stack` holds once it has begun."""
    with ExitStack() as attempt:
        size: int | None = wanted.size
        if trees.is_one(backup, copy):
            tar = attempt.enter_context(trees.tar(backup, copy, [wanted.path]))
            pieces, size = tar, wanted.size if wanted.member else None
        else:
            tar = attempt.enter_context(_tar(backup, copy, wanted.cuts))
            pieces = _ended(tar)
        if wanted.member:
            pieces = content.of(wanted.member, tar)
        begun = Stream(size, pieces, failed)
        stack.push(attempt.pop_all())
        return begun.owns(stack.pop_all())


def _ended(tar: Iterable[bytes]) -> Iterator[bytes]:
    yield from tar
    yield bytes(END_OF_TAR)


@contextmanager
def _tar(backup: Backup, copy: Copy, cuts: Sequence[Cut]) -> Iterator[Iterator[bytes]]:
    """What is cut out of the tar in a copy, one after the other."""
    if copy.vault_id:
        yield _from_vault(copy, cuts)
    elif copy.server_id:
        file = Stored(copy.root or "/", str(backup.id), copy.name, copy.size)
        with connected(copy.server_id) as ssh:
            numbers = [cut.numbers() for cut in cuts]
            yield fetching.read_tar(ssh, file, backup.compression, numbers)
    else:
        raise InvalidState("This copy lies nowhere.")


def _from_vault(copy: Copy, cuts: Sequence[Cut]) -> Iterator[bytes]:
    row = stored.archive_of(copy)
    vault = opening.vault(copy.vault_id)  # type: ignore[arg-type]
    address = vault.sign_read(
        row.key, seconds=SIGNED_SECONDS, filename=copy.name, version=row.version
    )
    private = lifecycle.settings().private_networks
    for cut in cuts:
        read = reading.read(address, private=private, first=cut.first, length=cut.length)
        yield from cut_out(unpacked(read), cut.skip, cut.size)


def cut_out(pieces: Iterable[bytes], skip: int, size: int) -> Iterator[bytes]:
    """`size` bytes after `skip`. All of it is read: only its end says whether it was whole."""
    at, end = 0, skip + size
    for piece in pieces:
        wanted = piece[max(0, skip - at) : max(0, end - at)]
        at += len(piece)
        if wanted:
            yield wanted


def unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What a row of gzip streams holds, each checked at its end; raises ChecksumMismatch."""
    tool = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            waiting = chunk
            while waiting:
                if tool.eof:
                    tool = zlib.decompressobj(wbits=31)
                yield tool.decompress(waiting, _STEP)
                waiting = tool.unused_data if tool.eof else tool.unconsumed_tail
    except zlib.error as error:
        raise ChecksumMismatch("A part of the archive cannot be unpacked.") from error
    if not tool.eof:
        raise ChecksumMismatch("A part of the archive ends too early.")
