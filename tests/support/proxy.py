"""A TCP proxy on loopback that can be slow, stop passing bytes on, or cut, wherever that is."""

import random
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread

CHUNK = 64 * 1024
Pause = Callable[[], float]  # seconds, before a chunk is passed on


def at_once() -> float:
    """Nothing is held up."""
    return 0.0


def always(seconds: float) -> Pause:
    """Each chunk comes so much later."""
    return lambda: seconds


def stalls(seed: int, share: float, least: float, most: float) -> Pause:
    """Some chunks are held up for `least` to `most` seconds: the same ones for the same seed."""
    chance = random.Random(seed)
    return lambda: chance.uniform(least, most) if chance.random() < share else 0.0


class Proxy:
    """Passes bytes on between whoever connects and `target`, unless told otherwise."""

    def __init__(self, target: tuple[str, int], pause: Pause = at_once) -> None:
        self._target = target
        self._pause = pause
        self._over = Event()
        self.passed = 0  # bytes, in both directions
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._flowing = Event()
        self._flowing.set()
        self._sockets: list[socket.socket] = []
        self._lock = Lock()
        self._acceptor = Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def freeze(self) -> None:
        """From now on nothing arrives any more, on either side, and nobody is told."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Pass on again, what was held up first."""
        self._flowing.set()

    def reset(self) -> None:
        """Break every connection that there is, as a router does that has forgotten them."""
        with self._lock:
            for each in self._sockets:
                with suppress(OSError):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.cut()

    def cut(self) -> int:
        """End every connection that there is; how many were still open."""
        with self._lock:
            cut, self._sockets = self._sockets, []
        open_ = 0
        for each in cut:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
                open_ += 1
            each.close()
        return open_

    def close(self) -> None:
        """The end of it. Who waits for a connection is woken: else one more would be taken."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(5)
        self._listener.close()
        self._over.set()
        self.thaw()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _address = self._listener.accept()
                try:
                    far = socket.create_connection(self._target, timeout=5)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                with self._lock:
                    self._sockets += [near, far]
                if self._over.is_set():  # meanwhile
                    self.cut()
                    return
                for source, sink in ((near, far), (far, near)):
                    Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                self._flowing.wait()
                self._over.wait(self._pause())
                sink.sendall(data)
                with self._lock:
                    self.passed += len(data)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def proxied(host: str, port: int, pause: Pause = at_once) -> Iterator[Proxy]:
    """A proxy to that address."""
    proxy = Proxy((host, port), pause)
    try:
        yield proxy
    finally:
        proxy.close()
