"""A store's bad days: a proxy of HTTP on loopback that answers for it, cuts, loses or holds."""

import http.client
from collections import Counter
from collections.abc import Container, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

EXPIRED = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
QUANTUM = 256 * 1024


@dataclass
class Faults:
    """What becomes of the next requests, in order; those that follow are passed on.

    plan  a status and a body, or "cut" in the middle of what is sent, "lost" when the store has
          answered, "half" (where it takes bytes in order) both, "torn" in the middle of what is
          answered, "anew" if a range is asked for and all is given, "hold" in the middle until
          `let_go`, "pass"
    """

    target: str  # host:port
    port: int = 0
    plan: list[Any] = field(default_factory=list)
    always: Any = "pass"
    lost_once: Container[str] = ()  # methods: the first answer to each of their requests is lost
    taken: Counter[str] = field(default_factory=Counter)  # parts that the store has answered for
    asked: list[str] = field(default_factory=list)  # what was done to each
    lost: list[str] = field(default_factory=list)  # the requests of `lost_once` that it happened to
    held: Event = field(default_factory=Event)  # somebody is
    freed: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def next(self, method: str, path: str) -> Any:
        with self.lock:
            what = self.plan.pop(0) if self.plan else self.always
            if method in self.lost_once and path not in self.lost:
                self.lost.append(path)
                what = "lost"
            self.asked.append(str(what))
            return what

    def let_go(self) -> None:
        """Whoever is held goes on."""
        self.freed.set()


def part_of(target: str) -> str:
    """Which part a request is for."""
    query = parse_qs(urlsplit(target).query)
    return (query.get("partNumber") or query.get("blockid") or ["-"])[0]


@contextmanager
def faulty(target: str) -> Iterator[Faults]:
    """A proxy to `target` (host:port) that runs until the block ends."""
    found = Faults(target)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(found))
    server.daemon_threads = True
    server.handle_error = lambda *_words: None  # type: ignore[method-assign]
    found.port = server.server_address[1]
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield found
    finally:
        found.let_go()
        server.shutdown()
        server.server_close()


def _handler(faults: Faults) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"faults": faults})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    faults: Faults

    def answer(self) -> None:
        what = self.faults.next(self.command, self.path)
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length // 2 if what in {"cut", "hold"} else length)
        if what == "hold":
            self.faults.held.set()
            self.faults.freed.wait(30)
            body += self.rfile.read(length - len(body))
            what = "pass" if len(body) == length else "cut"  # whoever sent it has gone
        if what == "cut":
            self.close_connection = True
        elif what in {"pass", "lost", "half", "torn", "anew"}:
            if what == "half":
                body = self._halved(body)
            if what == "anew":
                del self.headers["Range"]
            self._forward(body, lose=what in {"lost", "half"}, torn=what == "torn")
        else:
            status, said = what
            self._say(status, {}, said)

    def _halved(self, body: bytes) -> bytes:
        """What has arrived of a chunk when its connection broke: multiples of 256 KiB."""
        body = body[: len(body) // 2 // QUANTUM * QUANTUM]
        first = int(self.headers["Content-Range"].removeprefix("bytes ").partition("-")[0])
        del self.headers["Content-Range"], self.headers["Content-Length"]
        self.headers["Content-Range"] = f"bytes {first}-{first + len(body) - 1}/*"
        self.headers["Content-Length"] = str(len(body))
        return body

    def _forward(self, body: bytes, *, lose: bool, torn: bool) -> None:
        with closing(http.client.HTTPConnection(self.faults.target, timeout=30)) as connection:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() != "expect":
                    connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            said = answer.read()
        if answer.status < 400:
            self.faults.taken[part_of(self.path)] += 1
        if lose:
            self.close_connection = True
            return
        self._say(answer.status, dict(answer.getheaders()), said, torn=torn)

    def _say(
        self, status: int, headers: dict[str, str], body: bytes, *, torn: bool = False
    ) -> None:
        self.send_response_only(status)
        length = str(len(body))
        for name, value in headers.items():
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            elif name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if torn else body)
        self.close_connection |= torn

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

    def log_message(self, *_words: Any) -> None:
        """Nothing."""
