"""Google Cloud Storage of our own: the emulator, and before it a gate that is as strict as Google.

The gate adds what Google documents and the emulator lacks: it asks for tokens and gives them,
verifies signatures, ends cancelled sessions, holds `ifGenerationMatch=0`, `x-goog-hash` and
generations, and lists in pages. Bytes and objects are the emulator's.
"""

import hashlib
import json
import secrets
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from cloudpilot.connections import Answer
from tests.support import curl
from tests.support.gcs_signatures import account, grants, status_of
from tests.support.ports import free_port, wait_for

PROGRAM = Path(sys.executable).parent / "gcp-storage-emulator"
HOPS = {"connection", "content-length", "transfer-encoding", "host", "accept-encoding"}
PAGE = 100  # objects; Google's are of 1,000


@dataclass
class Session:
    """What the gate knows of a resumable session."""

    md5: Any = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))
    received: int = 0
    finished: bool = False
    cancelled: bool = False


@dataclass
class Gcs:
    """The gate's state, and where the emulator is."""

    emulator: int
    port: int = 0
    tokens: set[str] = field(default_factory=set)
    sessions: dict[str, Session] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def key_file(self, name: str = "ours") -> str:
        """A service account's key; only `ours` is let in."""
        return account(name).key_file(f"{self.endpoint}/token")

    def open_sessions(self, bucket: str) -> list[str]:
        """The names of the objects that are still on their way there."""
        going = (id_ for id_, one in self.sessions.items() if not (one.finished or one.cancelled))
        return [id_.split(":")[1] for id_ in going if id_.split(":")[0] == bucket]

    def create_bucket(self, name: str, **settings: Any) -> None:
        """By the emulator itself."""
        for method, where, values in (
            ("POST", "?project=p", {"name": name}),
            ("PATCH", f"/{name}", settings),
        ):
            body, headers = json.dumps(values).encode(), {"content-type": JSON}
            answer = self.forward(method, f"/storage/v1/b{where}", headers, body)
            assert answer.status == 200, answer

    def forward(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """Ask the emulator."""
        passed = [(name, value) for name, value in headers.items() if name not in HOPS]
        return curl.send(method, f"http://127.0.0.1:{self.emulator}{target}", passed, body)

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """What Google would answer."""
        query = parse_qs(urlsplit(target).query)
        if target == "/token":
            return self._token(body)
        if "X-Goog-Signature" in query:
            if status := status_of(account("ours").public, method, target, headers):
                return Answer(status, {})
            return self.forward(method, target, headers, body)
        if "upload_id" in query:
            return self._session(method, target, headers, body)
        if headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return _error(401)
        return self._api(method, target, headers, body)

    def _token(self, body: bytes) -> Answer:
        [assertion] = parse_qs(body.decode())["assertion"]
        if not grants(account("ours").public, assertion):
            return _said(400, {"error": "invalid_grant"})
        token = secrets.token_hex(8)
        self.tokens.add(token)
        return _said(200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    def _api(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query))
        if query.get("uploadType") == "resumable" and "ifGenerationMatch" in query:
            name = json.loads(body)["name"]
            if self._generation(parts.path.removeprefix("/upload"), name):
                return _error(412)
        if method == "DELETE" and "generation" in query and "/o/" in parts.path:
            found = self.forward("GET", parts.path, {}, b"")
            if found.status != 200 or json.loads(found.body)["generation"] != query["generation"]:
                return _error(404)
        answer = self.forward(method, target, headers, body)
        if "location" in answer.headers:
            begun = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
            self.sessions[begun["upload_id"]] = Session()
        listed = method == "GET" and parts.path.endswith("/o") and answer.status == 200
        return _page(answer, query) if listed else answer

    def _session(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query))
        session = self.sessions.get(query["upload_id"])
        if session is None:
            return _error(404)
        if method == "DELETE" and not session.finished:
            session.cancelled = True
        if session.cancelled:
            return _error(499)
        if session.finished:
            return _said(200, {})
        if method != "PUT":
            return _error(400)
        _unit, _, total = headers.get("content-range", "").rpartition("/")
        is_last = total.isdigit() and session.received + len(body) == int(total)
        session.md5.update(body)
        if is_last and (refused := self._refuses(session, headers, parts.path, query)):
            session.cancelled = True
            return refused
        answer = self.forward(method, target, headers, body)
        session.received += len(body) if answer.status in {200, 308} else 0
        session.finished = answer.status == 200
        return answer if session.received else _without_range(answer)

    def _refuses(
        self, session: Session, headers: dict[str, str], path: str, query: dict[str, str]
    ) -> Answer | None:
        """Why the last chunk makes no object."""
        told = headers.get("x-goog-hash", "").removeprefix("md5=")
        if told and told != b64encode(session.md5.digest()).decode():
            return _error(400)
        name = query["upload_id"].split(":")[1]
        return _error(412) if self._generation(path.removeprefix("/upload"), name) else None

    def _generation(self, objects: str, name: str) -> str:
        """The generation of what lies there; "" for nothing."""
        listed = self.forward("GET", f"{objects}?{urlencode({'prefix': name})}", {}, b"")
        found = json.loads(listed.body)["items"] if listed.status == 200 else []
        return next((str(one["generation"]) for one in found if one["name"] == name), "")


JSON = "application/json"


@contextmanager
def running() -> Iterator[Gcs]:
    """Emulator and gate, without a bucket."""
    gcs = Gcs(free_port())
    options = ["--host", "127.0.0.1", "--port", str(gcs.emulator), "--in-memory"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([PROGRAM, "start", *options], **quiet)  # type: ignore[call-overload]
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(gcs))
    gcs.port = server.server_address[1]
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        wait_for(gcs.emulator)
        yield gcs
    finally:
        server.shutdown()
        server.server_close()
        process.kill()
        process.wait()


def _handler(gcs: Gcs) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found = gcs.answer(self.command, self.path, headers, body)
            self.send_response(found.status)
            for name, value in found.headers.items():
                if name not in {*HOPS, "date", "server"}:
                    told = value.replace(f"127.0.0.1:{gcs.emulator}", f"127.0.0.1:{gcs.port}")
                    self.send_header(name, told)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body)

        do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = answer  # noqa: N815

        def log_message(self, *_words: Any) -> None:
            """Nothing."""

    return Handler


def _page(answer: Answer, query: dict[str, str]) -> Answer:
    listed = json.loads(answer.body)
    first, size = int(query.get("pageToken", 0)), int(query.get("maxResults", PAGE))
    items = listed["items"]
    listed["items"] = items[first : first + size]
    if first + size < len(items):
        listed["nextPageToken"] = str(first + size)
    return _said(200, listed)


def _without_range(answer: Answer) -> Answer:
    """The emulator says of an empty session that it has one byte."""
    kept = {name: value for name, value in answer.headers.items() if name != "range"}
    return Answer(answer.status, kept, answer.body)


def _error(status: int) -> Answer:
    return _said(status, {"error": {"code": status, "message": "refused by the gate"}})


def _said(status: int, content: dict[str, Any]) -> Answer:
    return Answer(status, {"content-type": JSON}, json.dumps(content).encode())
