"""An archive that lies on its server, straight from there to a person."""

from collections.abc import Callable
from dataclasses import dataclass

from cloudpilot.domain.copies import Copy
from cloudpilot.downloads import stream
from cloudpilot.downloads.stream import Stream
from cloudpilot.engine import fetching
from cloudpilot.engine.fetching import Stored
from cloudpilot.errors import CloudPilotError, InvalidState
from cloudpilot.jobs.on_server import connected


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of an archive, from the first to the one before `end`."""

    first: int
    end: int


def opened(copy: Copy, span: Span, failed: Callable[[CloudPilotError], None]) -> Stream:
    """These bytes of it, the first of them at hand.

    All of it is hashed here while it passes. Of what is only its end the server hashes the whole:
    else a damaged archive could be put together of pieces.

    Raises DownloadsBusy, and what engine.fetching.read does.
    """
    if copy.server_id is None or copy.size is None or not copy.sha256:
        raise InvalidState("This copy is on no server.")
    file = Stored(copy.root or "/", str(copy.backup_id), copy.name, copy.size)
    size, is_end = span.end - span.first, span.end == copy.size
    with stream.place() as stack:
        ssh = stack.enter_context(connected(copy.server_id))
        if is_end and span.first == 0:
            pieces = stream.proven(fetching.read(ssh, file), copy.sha256)
        else:
            sha256 = copy.sha256 if is_end else ""
            pieces = fetching.read(ssh, file, span.first, size, sha256)
        begun = Stream(size, pieces, failed)
        return begun.owns(stack.pop_all())
