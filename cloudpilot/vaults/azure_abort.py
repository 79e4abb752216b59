"""Forgetting an upload at Azure, which has no request for that.

Blocks that were never committed vanish a week after the last one came, or when the blob is written
in another way. So a blob of none of them is written, with a mark, and deleted.
"""

import secrets
from collections.abc import Iterator
from typing import Any

from cloudpilot.errors import ObjectMissing, UploadStillOpen, VaultRefused
from cloudpilot.vaults.azure_client import translated

ATTEMPTS = 5  # while parts that were on their way arrive
_MARK = {"cloudpilot": "aborted"}


def unguessable(key: str) -> str:
    """`key` with 128 random bits in it: who has been told one can guess no other."""
    folder, _, name = key.rpartition("/")
    return "/".join(filter(None, (folder, secrets.token_hex(16), name)))


def abort(blob: Any) -> None:
    """Throw uncommitted blocks away; spares a blob that was completed."""
    for _attempt in range(ATTEMPTS):
        if not _pending(blob):
            return
        _displace(blob)
    if _pending(blob):
        raise UploadStillOpen("Parts keep arriving for an upload that was aborted.")


def uncommitted(container: Any, begins: str) -> Iterator[Any]:
    """The blobs of which there are only blocks."""
    for found in container.list_blobs(name_starts_with=begins, include=["uncommittedblobs"]):
        if not found.size:
            blob = container.get_blob_client(found.name)
            if not _properties(blob):
                yield found


def _pending(blob: Any) -> bool:
    """Whether there is anything to throw away."""
    if found := _properties(blob):
        return bool(found.metadata == _MARK)
    try:
        with translated("list the parts of an upload"):
            _committed, blocks = blob.get_block_list("uncommitted")
    except ObjectMissing:
        return False
    return bool(blocks)


def _displace(blob: Any) -> None:
    from azure.core import MatchConditions  # noqa: PLC0415

    absent = MatchConditions.IfMissing
    found = _properties(blob)
    if found is None:
        try:
            with translated("abort an upload"):
                blob.commit_block_list([], metadata=_MARK, match_condition=absent)
        except VaultRefused:
            return  # somebody was faster: what is there is looked at again
        found = _properties(blob)
    if found and found.metadata == _MARK:
        with translated("abort an upload"):
            blob.delete_blob(etag=found.etag, match_condition=MatchConditions.IfNotModified)


def _properties(blob: Any) -> Any | None:
    try:
        with translated("look at an object"):
            return blob.get_blob_properties()
    except ObjectMissing:
        return None
