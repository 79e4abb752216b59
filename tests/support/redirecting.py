"""A server that sends everybody who asks to another place, and knows who went there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Redirecting:
    """`asked` and `landed` are the paths that somebody came for."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    landed: list[str] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def redirecting(status: int = 307, body: bytes = b"") -> Iterator[Redirecting]:
    """One that runs until the block ends; `body` is what it says meanwhile."""
    found = Redirecting()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path.startswith("/landed"):
                found.landed.append(self.path)
                self.send_response(200)
            else:
                found.asked.append(self.path)
                self.send_response(status)
                self.send_header("Location", f"{found.endpoint}/landed")
                self.send_header("x-amz-bucket-region", "eu-central-1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815

        def log_message(self, *_words: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    Thread(target=lambda: server.serve_forever(0.02), daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
