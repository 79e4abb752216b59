"""Google's resumable sessions: an address that takes chunks, says how far it is, and ends."""

import re
from urllib.parse import urlsplit

from cloudpilot.connections import Answer, Wire
from cloudpilot.errors import UploadIncomplete, VaultRefused, VaultUnreachable
from cloudpilot.vaults.uploads import PartRequest, Upload

_RANGE = re.compile(r"bytes=0-(\d{1,15})")
_ENDED = {404, 410, 499}


def judged(address: object, endpoint: str) -> str:
    """A session's address as the store has told it; raises VaultRefused if it is elsewhere."""
    told = urlsplit(str(address))
    asked = urlsplit(endpoint)
    if (told.scheme, told.netloc) != (asked.scheme, asked.netloc):
        raise VaultRefused("The store names another host to send the upload to.")
    return str(address)


def request(upload: Upload, number: int) -> PartRequest:
    """The request that takes this part: the address of the session is the same for all."""
    return PartRequest(
        number=number,
        offset=upload.plan.offset_of(number),
        size=upload.plan.size_of(number),
        url=upload.id,
        headers=(("Content-Range", "bytes {first}-{last}/{total}"),),
        final=(("x-goog-hash", "md5={whole_md5}"),),
        ask=(("Content-Range", "bytes */*"),),
    )


def ask(wire: Wire, upload: Upload, *, or_finished: bool = False) -> int | None:
    """How many bytes have arrived; None if the session has ended.

    or_finished  a session that has made its object has ended, too; otherwise that is an error
    """
    answer = _send(wire, upload, "PUT", "bytes */*")
    if answer.status == 308:
        found = _RANGE.fullmatch(answer.headers.get("range", ""))
        return int(found.group(1)) + 1 if found else 0
    if answer.status in _ENDED or (or_finished and answer.status in {200, 201}):
        return None
    if answer.status in {200, 201}:
        raise UploadIncomplete("The upload is no longer open: its last part has arrived.")
    raise _refusal(answer)


def finish(wire: Wire, upload: Upload, size: int) -> None:
    """Say that `size` bytes were all; no error if the session has ended."""
    answer = _send(wire, upload, "PUT", f"bytes */{size}")
    if answer.status not in {200, 201, *_ENDED}:
        raise _refusal(answer)


def cancel(wire: Wire, upload: Upload) -> None:
    """End the session; no error if it has ended."""
    answer = _send(wire, upload, "DELETE", "")
    if answer.status not in {200, 201, 204, *_ENDED}:
        raise _refusal(answer)


def _send(wire: Wire, upload: Upload, method: str, content_range: str) -> Answer:
    headers = [("Content-Length", "0")]
    if content_range:
        headers.append(("Content-Range", content_range))
    return wire.send(method, upload.id.reveal(), headers)


def _refusal(answer: Answer) -> VaultRefused | VaultUnreachable:
    said = f"The store answered {answer.status} about an upload."
    return VaultUnreachable(said) if answer.status >= 500 else VaultRefused(said)
