"""A TCP proxy on loopback that can be slow, stop passing bytes on, or cut, wherever that is."""

import random
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread

CHUNK = 64 * 1024  # bytes at most that are passed on at once
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


@dataclass
class Line:
    """One connection: whoever connected, and the target."""

    near: socket.socket
    far: socket.socket
    half_open: bool = False


Harm = Callable[[Line], None]


def half_open(line: Line) -> None:
    """From now on nothing arrives any more on this one, on either side, and nobody is told."""
    line.half_open = True


def reset(line: Line) -> None:
    """Break it, as a router does that has forgotten it."""
    for each in (line.near, line.far):
        with suppress(OSError):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        _end(each, socket.SHUT_RD)  # which wakes whoever reads there, and says no goodbye


class Proxy:
    """Passes bytes on between whoever connects and `target`, unless told otherwise."""

    def __init__(self, target: tuple[str, int], pause: Pause = at_once, chunk: int = CHUNK) -> None:
        self._target = target
        self._pause = pause
        self._chunk = chunk
        self._over = Event()
        self._to_come: list[tuple[int, Harm]] = []
        self.passed = 0  # bytes, in both directions
        self.chunks = 0
        self.held_up = 0  # chunks that were
        self.harmed = 0  # connections that were
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._flowing = Event()
        self._flowing.set()
        self._lines: list[Line] = []
        self._lock = Lock()
        self._acceptor = Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def freeze(self) -> None:
        """From now on nothing arrives any more, on either side, and nobody is told."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Pass on again, what was held up first."""
        self._flowing.set()

    @property
    def address(self) -> str:
        """As it stands in an address of HTTP."""
        return f"127.0.0.1:{self.port}"

    def harm(self, harm: Harm, *, after: int = 0) -> None:
        """Do that to one connection: to whichever has the next chunk when so many chunks, counted
        from now on, have passed."""
        with self._lock:
            self._to_come.append((self.chunks + after, harm))

    def reset(self) -> None:
        """Break every connection that there is, as a router does that has forgotten them."""
        for line in self._forget():
            reset(line)

    def cut(self) -> int:
        """End every connection that there is; how many ends were still open."""
        return sum(_end(each) for line in self._forget() for each in (line.near, line.far))

    def _forget(self) -> list[Line]:
        with self._lock:
            lines, self._lines = self._lines, []
        return lines

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
                line = Line(near, far)
                with self._lock:
                    self._lines.append(line)
                if self._over.is_set():  # meanwhile
                    self.cut()
                    return
                for way in ((near, far), (far, near)):
                    Thread(target=self._pass_on, args=(line, *way), daemon=True).start()

    def _pass_on(self, line: Line, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(self._chunk):
                self._flowing.wait()
                self._hold_up()
                self._do_harm(line)
                if line.half_open:
                    return
                sink.sendall(data)
                with self._lock:
                    self.passed += len(data)
                    self.chunks += 1
            if not line.half_open:
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            self._flowing.wait()
            if not line.half_open:
                reset(line)  # what breaks at one end breaks at the other

    def _hold_up(self) -> None:
        with self._lock:
            seconds = self._pause()
            self.held_up += seconds > 0
        self._over.wait(seconds)

    def _do_harm(self, line: Line) -> None:
        with self._lock:
            due = [one for one in self._to_come if one[0] <= self.chunks][:1]
            for one in due:
                self._to_come.remove(one)
                self.harmed += 1
        for _, harm in due:
            harm(line)


def _end(one: socket.socket, how: int = socket.SHUT_RDWR) -> bool:
    """Whether it was still open."""
    try:
        one.shutdown(how)
    except OSError:
        return False
    finally:
        one.close()
    return True


@contextmanager
def proxied(host: str, port: int, pause: Pause = at_once, chunk: int = CHUNK) -> Iterator[Proxy]:
    """A proxy to that address."""
    proxy = Proxy((host, port), pause, chunk)
    try:
        yield proxy
    finally:
        proxy.close()
