"""Providers of our own, on loopback: they answer as their published references say, and as a test
tells them to. `fake_digitalocean`, `fake_google` and `fake_azure` are what they know."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from cloudpilot.connections import Answer


@dataclass
class Thing:
    """Something that a provider has. It is not listed for `hidden` requests, and once it was
    deleted it is shown for `leaving` more."""

    values: dict[str, Any]
    hidden: int = 0
    leaving: int | None = None


class Shelf(dict[str, Thing]):
    """Things by their ids."""

    def listed(self) -> list[dict[str, Any]]:
        """Those that a list has."""
        return [one.values for one in self.values() if not one.hidden]

    def pass_by(self) -> None:
        """One request later."""
        for key, one in list(self.items()):
            one.hidden = max(0, one.hidden - 1)
            if one.leaving is not None:
                one.leaving -= 1
                if one.leaving < 0:
                    del self[key]


@dataclass
class Fault:
    """What becomes of a request.

    kind    "answer" instead of an answer; "cut" before anything is done; "lost" when it was done
            and answered; "slow", no answer until the end
    orders  only requests that change something are meant
    """

    kind: str
    answer: Answer = field(default_factory=lambda: Answer(500, {}))
    orders: bool = False


@dataclass
class Fake:
    """What all of them have.

    faults   of the next requests, in order
    unlisted, lingering  for how many requests new things are not listed, deleted ones are shown
    asked    every request: method and target
    """

    port: int = 0
    faults: list[Fault] = field(default_factory=list)
    unlisted: int = 0
    lingering: int = 0
    page: int = 5
    asked: list[tuple[str, str]] = field(default_factory=list)
    left_out: str = ""  # what every answer lacks, wherever it would stand
    names: set[str] = field(default_factory=set)  # of all that was answered
    shelves: list[Shelf] = field(default_factory=list)
    ended: Event = field(default_factory=Event)
    lock: Any = field(default_factory=Lock)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def shelf(self) -> Shelf:
        """A new one."""
        self.shelves.append(found := Shelf())
        return found

    def put(self, shelf: Shelf, key: str, values: dict[str, Any]) -> dict[str, Any]:
        """Something new is there, listed or not yet."""
        shelf[key] = Thing(values, self.unlisted)
        return values

    def remove(self, shelf: Shelf, key: str) -> bool:
        """Whether it was there; it is gone, at once or some requests later."""
        if key not in shelf:
            return False
        if self.lingering:
            if shelf[key].leaving is None:
                shelf[key].leaving = self.lingering
        else:
            del shelf[key]
        return True

    def fault_of(self, request: "Request") -> Fault | None:
        """What becomes of this request; it is used up by that."""
        for one in self.faults:
            if not one.orders or self.is_order(request):
                self.faults.remove(one)
                return one
        return None

    def is_order(self, request: "Request") -> bool:
        """Whether it is to change something."""
        return request.method not in {"GET", "HEAD"}

    def sent(self, answer: Answer) -> Answer:
        """An answer without what is left out."""
        try:
            content = json.loads(answer.body)
        except ValueError:
            return answer
        return replace(answer, body=json.dumps(self._without(content)).encode())

    def names_that_matter(self) -> list[str]:
        """Those that an answer may lack one day."""
        assert len(self.names) > 10
        return sorted(self.names)

    def _without(self, content: Any) -> Any:
        if isinstance(content, list):
            return [self._without(one) for one in content]
        if not isinstance(content, dict):
            return content
        self.names |= content.keys()
        kept = {name: one for name, one in content.items() if name != self.left_out}
        return {name: self._without(one) for name, one in kept.items()}

    def routes(self) -> Sequence[tuple[str, str, Callable[..., Answer]]]:
        """Method, path, and who answers: with what the stars are, and the request."""
        raise NotImplementedError

    def refused(self, request: "Request") -> Answer | None:
        """The answer to who may not ask."""
        raise NotImplementedError

    def nowhere(self) -> Answer:
        """The answer to a path that there is not."""
        raise NotImplementedError

    def answer(self, request: "Request") -> Answer:
        """As the provider would."""
        if refused := self.refused(request):
            return refused
        for method, pattern, who in self.routes():
            found = request.fits(method, pattern)
            if found is not None:
                return who(*found, request)
        return self.nowhere()


@dataclass(frozen=True)
class Request:
    """One that has come in. `segments` are those of the path, unquoted."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    def fits(self, method: str, pattern: str) -> tuple[str, ...] | None:
        """What the stars of a path are, if it is this: `/v2/droplets/*`; None if not."""
        expression = re.escape(pattern).replace(r"\*", "([^/]+)")
        found = re.fullmatch(expression, self.path) if method == self.method else None
        return tuple(unquote(one) for one in found.groups()) if found else None


def said(status: int, content: Any = None, **headers: str) -> Answer:
    """An answer of JSON; names of headers are written with underscores."""
    body = b"" if content is None else json.dumps(content).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"content-type": "application/json", **named}, body)


@contextmanager
def serving(fake: Fake) -> Iterator[Any]:
    """It runs until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": fake}))
    server.daemon_threads = True
    fake.port = server.server_address[1]
    Thread(target=lambda: server.serve_forever(0.02), daemon=True).start()
    try:
        yield fake
    finally:
        fake.ended.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One connection; `fake` is whose."""

    fake: Fake
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one packet

    def handle_it(self) -> None:
        """Have the provider answer, unless something becomes of the request."""
        fake = self.fake
        with fake.lock:
            fake.asked.append((self.command, self.path))
            request = self.request_read()
            fault = fake.fault_of(request)
            if fault is None or fault.kind == "lost":
                answer = fake.answer(request)
                for shelf in fake.shelves:
                    shelf.pass_by()
        if fault and fault.kind == "slow":
            fake.ended.wait()
        if fault and fault.kind != "answer":
            self.close_connection = True
            return
        self.say(fault.answer if fault else fake.sent(answer))

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = handle_it  # noqa: N815

    def request_read(self) -> Request:
        """What has come in."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        named = {name.lower(): value for name, value in self.headers.items()}
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return Request(self.command, parts.path, query, named, body)

    def say(self, answer: Answer) -> None:
        """Send it."""
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status not in {204, 304}:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_words: Any) -> None:
        """Nothing."""
