"""Sending something small to a vault from here, the way a server sends a backup: by signed
requests, proven by the store."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from cloudpilot.errors import CloudPilotError, UploadFailed, VaultUnreachable
from cloudpilot.vaults.base import StoredObject, Vault
from cloudpilot.vaults.checks import Sends, filled
from cloudpilot.vaults.receipts import bare
from cloudpilot.vaults.uploads import PartRequest, Receipt, Upload

SECONDS = 600  # that a signed request is valid
CHUNK = 1024 * 1024
ATTEMPTS = 3  # of each part
GOES_ON = 308  # a store that wants the next part says so


@dataclass(frozen=True, slots=True)
class Content:
    """What is sent; `md5` and `sha256` are of all of it."""

    file: IO[bytes]
    size: int
    md5: str
    sha256: str


def content(file: IO[bytes]) -> Content:
    """A file from its beginning, read once to be hashed."""
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    file.seek(0)
    while piece := file.read(CHUNK):
        md5.update(piece)
        sha256.update(piece)
        size += len(piece)
    return Content(file, size, md5.hexdigest(), sha256.hexdigest())


def send(
    vault: Vault, wire: Sends, key: str, what: Content, begun: Callable[[Upload], None]
) -> StoredObject:
    """Put it there under a new key; raises UploadFailed and what a vault raises.

    begun  called before anything is sent: by `upload.key` it is found if this does not end
    """
    upload = vault.begin(key, what.size)
    try:
        begun(upload)
        what.file.seek(0)
        sizes = upload.plan.cut(what.size)
        receipts = [
            _sent(vault, wire, upload, number, what, is_last=number == len(sizes))
            for number, _ in enumerate(sizes, 1)
        ]
        return vault.complete(upload, receipts, what.size, md5=what.md5)
    except BaseException:
        with suppress(CloudPilotError):  # whoever tries again looks for what is left
            vault.abort(upload)
        raise


def _sent(
    vault: Vault, wire: Sends, upload: Upload, number: int, what: Content, *, is_last: bool
) -> Receipt:
    body = what.file.read(upload.plan.size_of(number))
    digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
    for left in reversed(range(ATTEMPTS)):
        [request] = vault.requests_for(upload, number, 1, seconds=SECONDS)
        try:
            return _put(wire, request, body, digest, what if is_last else None)
        except VaultUnreachable:
            if not left:
                raise
    raise AssertionError("there is a last attempt")


def _put(
    wire: Sends, request: PartRequest, body: bytes, digest: str, whole: Content | None
) -> Receipt:
    """`whole`: of the last part."""
    total, whole_md5 = (whole.size, whole.md5) if whole else (None, "")
    headers = filled(request, len(body), digest, total=total, whole_md5=whole_md5)
    answer = wire.send(request.method, request.url.reveal(), headers, body)
    is_taken = 200 <= answer.status < 300 or (answer.status == GOES_ON and whole is None)
    if answer.status >= 500:
        raise VaultUnreachable(f"The store answered {answer.status}.")
    if not is_taken:
        raise UploadFailed(f"The store answered {answer.status} to a signed request.")
    told = answer.headers.get("content-md5") or bare(answer.headers.get("etag", ""))
    return Receipt(request.number, len(body), digest, told)
