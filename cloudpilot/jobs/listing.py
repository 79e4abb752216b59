"""Reading the index of an archive, from a vault or a server, into a listing that pages can show."""

import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

from cloudpilot.db import reading, transaction
from cloudpilot.domain import backups, blocks, listings, looking
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy
from cloudpilot.domain.index import Index
from cloudpilot.domain.objects import INDEX
from cloudpilot.domain.runs import Run
from cloudpilot.engine import fetching
from cloudpilot.engine.fetching import Stored
from cloudpilot.errors import CloudPilotError, IndexDamaged, InvalidState
from cloudpilot.jobs import lifecycle, opening, signing, stored
from cloudpilot.jobs.on_server import connected
from cloudpilot.reports import Report
from cloudpilot.vaults import reading as vault_reading

BATCH = 50  # blocks that are written at once: nobody waits long for the database
PACKED_AT_MOST = 256 * 1024 * 1024  # bytes of an index
UNPACKED_AT_MOST = 2 * 1024 * 1024 * 1024
STORED_AT_MOST = 128 * 1024 * 1024  # of a listing
LINE_AT_MOST = 64 * 1024  # bytes
SIGNED_SECONDS = 300
_STEP = 1024 * 1024


def perform(run: Run) -> None:
    """Read it where it can be read; done twice, the second takes the place of the first."""
    if run.backup_id is None:
        raise InvalidState("This is not done for a backup.")
    with reading() as session:
        backup = backups.find(session, run.backup_id)
        copies = looking.sources(session, backup)
    lifecycle.begin(run)
    names = _from_first(backup, copies)
    with transaction() as session:
        listings.dropped(session)
    words = f"{names:,} names are in the archive."
    lifecycle.complete(run, Report(stage=run.kind, log=words, over=True))


def _from_first(backup: Backup, copies: list[Copy]) -> int:
    """From the first copy that gives a whole one; raises what the last of them failed with."""
    *others, last = copies
    for copy in others:
        try:
            return _read(backup, copy)
        except CloudPilotError as error:
            lifecycle.log.info("index of %s from %s: %s", backup.id, copy.place, error.code)
    return _read(backup, last)


def _read(backup: Backup, copy: Copy) -> int:
    """How many names it has."""
    index = _index(backup, copy)
    with transaction() as session:
        listing_id = listings.begin(session, backup.id).id
    try:
        with _packed(backup, copy) as chunks:
            found = blocks.cut(index.entries(lines(unpacked(chunks))))
            firsts, size = _keep(listing_id, found)
    except CloudPilotError:
        with transaction() as session:
            listings.discard(session, listing_id)
        raise
    with transaction() as session:
        listings.finish(session, listing_id, firsts, size, index.pieces, index.names)
    return index.names


def _index(backup: Backup, copy: Copy) -> Index:
    """What is known of it: a snapshot tree is an archive in vaults alone, and has a size there."""
    if not backup.is_tree:
        return Index(backup.tar_size, backup.size)
    return Index(packed_size=copy.size) if copy.vault_id else Index(is_tree=True)


def _keep(listing_id: UUID, found: Iterable[blocks.Block]) -> tuple[list[str], int]:
    """Where each block begins, and bytes of all."""
    firsts: list[str] = []
    waiting: list[blocks.Block] = []
    size = 0
    for block in found:
        firsts.append(block.first)
        waiting.append(block)
        size += len(block.content)
        if size > STORED_AT_MOST:
            raise IndexDamaged("The index is too large to be looked through here.")
        if len(waiting) == BATCH:
            _write(listing_id, len(firsts) - BATCH, waiting)
            waiting = []
    _write(listing_id, len(firsts) - len(waiting), waiting)
    return firsts, size


def _write(listing_id: UUID, number: int, found: list[blocks.Block]) -> None:
    with transaction() as session:
        listings.add(session, listing_id, number, found)


@contextmanager
def _packed(backup: Backup, copy: Copy) -> Iterator[Iterator[bytes]]:
    """The bytes of the index as they are stored."""
    if copy.vault_id:
        yield _from_vault(copy.vault_id, copy)
        return
    if copy.server_id is None:
        raise InvalidState("This copy lies nowhere.")
    name = f"{copy.name}.index.gz" if backup.is_tree else signing.file_of(backup, INDEX)
    file = Stored(copy.root or "/", str(backup.id), name)
    with connected(copy.server_id) as ssh:
        yield fetching.read(ssh, file)


def _from_vault(vault_id: UUID, copy: Copy) -> Iterator[bytes]:
    row = stored.object_of(copy, INDEX)
    address = opening.vault(vault_id).sign_read(
        row.key, seconds=SIGNED_SECONDS, filename="index.gz", version=row.version
    )
    private = lifecycle.settings().private_networks
    return vault_reading.read(address, private=private)


def unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What a gzip of one stream holds, a megabyte at a time; raises IndexDamaged if it is not
    whole, or larger than any index."""
    tool, taken, given = zlib.decompressobj(wbits=31), 0, 0
    try:
        for chunk in chunks:
            taken += len(chunk)
            waiting = chunk
            while waiting:
                piece = tool.decompress(waiting, _STEP)
                given += len(piece)
                waiting = tool.unconsumed_tail
                yield piece
            if taken > PACKED_AT_MOST or given > UNPACKED_AT_MOST:
                raise IndexDamaged("The index is too large to be looked through here.")
    except zlib.error as error:
        raise IndexDamaged("The index cannot be unpacked.") from error
    if not tool.eof or tool.unused_data:
        raise IndexDamaged("The index does not end where it should.")


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Its lines; raises IndexDamaged for what is no text of ours."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        if max(map(len, (*whole, rest))) > LINE_AT_MOST:
            raise IndexDamaged("A line of the index is too long.")
        for line in whole:
            yield line.decode("ascii", "replace")
    if rest:
        raise IndexDamaged("The index ends within a line.")
