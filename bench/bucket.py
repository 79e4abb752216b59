"""A slow link: a proxy on loopback that passes on so many bytes a second, in all."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread

CHUNK = 256 * 1024


class Bucket:
    """Tokens are bytes; they come at `rate` a second, and a tenth of a second of them is kept."""

    def __init__(self, target: int, rate: int | None) -> None:
        self._target, self._rate = target, rate
        self._lock, self._free_at = Lock(), 0.0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """The end of it."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))  # noqa: TID251  (loopback)
                for source, sink in ((near, far), (far, near)):
                    Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                self._take(len(data))
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def _take(self, count: int) -> None:
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now - 0.1) + count / self._rate
            wait = self._free_at - now
        if wait > 0:
            time.sleep(wait)


@contextmanager
def link(port: int, rate: int | None) -> Iterator[Bucket]:
    """A way to that port; `rate` None: as fast as it goes."""
    bucket = Bucket(port, rate)
    try:
        yield bucket
    finally:
        bucket.close()
