"""Writing a small object of the panel's own, by the way that a backup goes: begun, sent by a signed
request, proven. Nothing else passes through the panel on its way to a vault."""

import hashlib

from cloudpilot.errors import UploadFailed
from cloudpilot.vaults.base import StoredObject, Vault
from cloudpilot.vaults.checks import SECONDS, Sends, filled
from cloudpilot.vaults.receipts import bare
from cloudpilot.vaults.uploads import Receipt, Upload


def write(vault: Vault, wire: Sends, upload: Upload, body: bytes) -> StoredObject:
    """What has become of it; raises UploadFailed and what a vault raises.

    body  no more than one part takes, and not empty
    """
    [request] = vault.requests_for(upload, 1, 1, seconds=SECONDS)
    digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
    headers = filled(request, len(body), digest, total=len(body), whole_md5=digest)
    answer = wire.send(request.method, request.url.reveal(), headers, body)
    if not 200 <= answer.status < 300:
        raise UploadFailed(f"The store answered {answer.status} to a signed request.")
    told = answer.headers.get("content-md5") or bare(answer.headers.get("etag", ""))
    receipt = Receipt(1, len(body), digest, told)
    return vault.complete(upload, [receipt], len(body), md5=digest)
