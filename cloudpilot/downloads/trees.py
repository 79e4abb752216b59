"""A snapshot tree that lies on its server, as a tar that is made while it passes to a person."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import unquote_to_bytes

from cloudpilot.db import reading
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy
from cloudpilot.domain.index import escaped
from cloudpilot.domain.servers import Server
from cloudpilot.downloads import stream
from cloudpilot.downloads.stream import Stream
from cloudpilot.engine import fetching
from cloudpilot.engine.fetching import OfTree
from cloudpilot.errors import CloudPilotError, InvalidState
from cloudpilot.excludes import merged
from cloudpilot.jobs.on_server import connected


def is_one(backup: Backup, copy: Copy) -> bool:
    """Whether what lies there is a tree; in a vault it is an archive."""
    return backup.is_tree and copy.vault_id is None


def opened(backup: Backup, copy: Copy, failed: Callable[[CloudPilotError], None]) -> Stream:
    """All of it, packed, the first byte at hand. How long it becomes nobody knows; it ends well
    only if it has as many names as were backed up.

    Raises DownloadsBusy, and what engine.fetching.read_tree does.
    """
    paths = [f"files{escaped(path)}".rstrip("/") for path in merged(backup.paths)]
    with stream.place() as stack:
        pieces = stack.enter_context(tar(backup, copy, paths, whole=True))
        return Stream(None, pieces, failed).owns(stack.pop_all())


@contextmanager
def tar(
    backup: Backup, copy: Copy, paths: Sequence[str], *, whole: bool = False
) -> Iterator[Iterator[bytes]]:
    """The names at these paths of its index, and all below.

    whole  they are all that there is; then it is packed
    """
    if copy.server_id is None or not backup.sha256:
        raise InvalidState("This copy is on no server.")
    with reading() as session:
        privilege = session.get_one(Server, copy.server_id).privilege
    asked = OfTree(
        root=copy.root or "/",
        backup_id=str(backup.id),
        tree=copy.name,
        sha256=backup.sha256,
        members=[unquote_to_bytes(path).decode("utf-8", "surrogateescape") for path in paths],
        entries=int(backup.counts["entries"]) if whole else None,
        packed=whole,
        privilege=privilege,
    )
    with connected(copy.server_id) as ssh:
        yield fetching.read_tree(ssh, asked)
