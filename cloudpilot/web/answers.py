"""Answers that are files: what they say of themselves, and which part of one is asked for."""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import IO

from flask import Response, request

from cloudpilot.downloads.archive import Span
from cloudpilot.downloads.stream import Stream
from cloudpilot.vaults.naming import disposition

STALLED_SECONDS = 120  # for which a person's browser may take nothing; then the place is free again
Closing = AbstractContextManager[None]

_FILE = {
    "Content-Type": "application/octet-stream",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Accel-Buffering": "no",  # a proxy that waits for the end would have to keep all of it
}


def span(size: int, sha256: str) -> Span | None:
    """What is asked for of a file; None if the file has no such part.

    More than one part at once, and parts of another file than this (If-Range), are all of it.
    """
    whole, asked = Span(0, size), request.range
    parts = list(asked.ranges) if asked and asked.units == "bytes" else []
    if asked is None or len(parts) != 1:
        return whole
    if "If-Range" in request.headers and request.headers["If-Range"] != _tag(sha256):
        return whole
    found = asked.range_for_length(size)
    return Span(*found) if found else None


def unsatisfiable(size: int) -> Response:
    """There is no such part."""
    return Response(status=416, headers={"Content-Range": f"bytes */{size}"})


def archive(
    name: str, size: int, sha256: str, span: Span, body: Stream | Iterable[bytes]
) -> Response:
    """An archive or a part of it; its hash says which it is."""
    length = span.end - span.first
    answer = file(name, length, body)
    answer.headers["Accept-Ranges"] = "bytes"
    answer.headers["ETag"] = _tag(sha256)
    answer.headers["Repr-Digest"] = f"sha-256=:{b64encode(bytes.fromhex(sha256)).decode()}:"
    if length != size:
        answer.status_code = 206
        answer.headers["Content-Range"] = f"bytes {span.first}-{span.end - 1}/{size}"
    return answer


def file(name: str, size: int | None, body: Stream | Iterable[bytes]) -> Response:
    """A file that is saved and never shown; of one whose size nobody knows the end is marked."""
    _give_up_when_stalled()
    answer = Response(body, headers=_FILE, direct_passthrough=True)
    answer.headers["Content-Disposition"] = disposition(name)
    if size is not None:
        answer.headers["Content-Length"] = str(size)
    return answer


@contextmanager
def closing(body: Stream | IO[bytes]) -> Iterator[None]:
    """What comes between a body and its answer closes it."""
    try:
        yield
    except BaseException:
        body.close()
        raise


def _give_up_when_stalled() -> None:
    """gunicorn waits for ever for a browser that takes nothing, and holds a thread meanwhile."""
    sock = request.environ.get("gunicorn.socket")
    if sock is not None:
        sock.settimeout(STALLED_SECONDS)


def _tag(sha256: str) -> str:
    return f'"{sha256}"'
