"""Requests as a server's curl sends them: these headers, this body, no redirect, no second try."""

import http.client
from collections.abc import Iterable
from urllib.parse import urlsplit

from cloudpilot.connections import Answer


def send(
    method: str, url: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> Answer:
    """The answer, whatever it is; a name below localhost is this machine."""
    parts = urlsplit(url)
    host = "127.0.0.1" if (parts.hostname or "").endswith("localhost") else parts.hostname
    connection = http.client.HTTPConnection(host or "", parts.port or 80, timeout=30)
    try:
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", parts.netloc)
        for name, value in headers:
            connection.putheader(name, value)
        if body or method in {"PUT", "POST"}:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, named, answer.read())
    finally:
        connection.close()
