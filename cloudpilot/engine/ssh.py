"""An open connection to a server, over which programs run there one at a time."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Lock
from types import TracebackType
from typing import Self

import paramiko
from paramiko.buffered_pipe import BufferedPipe

from cloudpilot.engine import channels
from cloudpilot.engine.address import Address
from cloudpilot.engine.channels import Chunks
from cloudpilot.engine.program import Program
from cloudpilot.engine.statuses import failure
from cloudpilot.engine.staying import Staying
from cloudpilot.engine.unreached import BUSY, translated

SHELL = "bash -s"  # a constant: whatever the login shell is, it has nothing to interpret
# What may be on its way without an answer: throughput is this by the time there and back. It is
# also what a stream may take of memory, if whoever reads it is slow.
WINDOW = 4 * 1024 * 1024
PACKET = 128 * 1024  # bytes; paramiko's work is for each packet


class Session:
    """A connection that is logged in. Any thread may use it; they take turns."""

    def __init__(self, transport: paramiko.Transport, address: Address, host_key: str) -> None:
        self.host_key = host_key  # the fingerprint that the server has shown
        self._transport, self._address = transport, address
        self._turn = Lock()
        self._staying: Staying | None = None

    @property
    def alive(self) -> bool:
        """Whether it has been open until a moment ago."""
        return self._transport.is_active()

    def run(self, program: Program, *, timeout: float = 10) -> bytes:
        """Run `program` and return its standard output, at most 1 MiB.

        timeout  seconds for all of it; then the whole session is closed, since nothing is known
                 about it any more

        Raises what the program's exit status means, with the sentence that it said last on
        standard error; SshUnreachable when the connection breaks or time is up.
        """
        deadline = time.monotonic() + timeout
        with self._used() as opened, opened(timeout) as channel:
            _send(channel, program, timeout)
            output, errors = channels.read(channel, deadline)
            status = channels.exit_status(channel, deadline)
        if status:
            raise failure(status, channels.last_line(errors))
        return output

    def ask(self, program: Program, words: tuple[str, ...], *, timeout: float = 10) -> bytes:
        """Ask a program that stays. The first question begins it; it is over with the session, or
        gives way to another one.

        Raises what `run` raises.
        """
        deadline = time.monotonic() + timeout
        with self._used() as opened:
            if not (self._staying and self._staying.is_there(program)):
                self._give_way()
                channel = opened(timeout)
                _send(channel, program, timeout)
                self._staying = Staying(program, channel)
            return self._staying.ask(words, deadline)

    def stream(self, program: Program, *, silence: float = 60) -> Iterator[bytes]:
        """Run `program` and yield its standard output while it comes, however long that is.

        What came last is held back until the program has ended well. Who leaves it early ends the
        program by closing the session.

        silence  seconds without a byte, after which the session is closed

        Raises what `run` raises.
        """
        with self._used() as opened, opened(silence, WINDOW, PACKET) as channel:
            channel.in_buffer = _Unmoved()
            _send(channel, program, silence)
            status, errors = yield from channels.pieces(channel, silence)
        if status:
            raise failure(status, channels.last_line(errors))

    def close(self) -> None:
        """Closing twice is no error."""
        with suppress(OSError):
            self._transport.sock.shutdown(socket.SHUT_RDWR)
        self._transport.close()

    @contextmanager
    def _used(self) -> Iterator[Callable[..., paramiko.Channel]]:
        """By one thread at a time, which is given what opens a channel. What breaks in the middle
        closes the session, since nothing is known about it any more."""
        with self._turn, translated(self._address):
            try:
                yield self._opened
            except BUSY:
                raise  # the server has too many sessions at the moment; this one is in order
            except (OSError, EOFError, paramiko.SSHException):
                self.close()
                raise

    def _opened(self, timeout: float, *sizes: int) -> paramiko.Channel:
        return channels.opened(partial(self._start, timeout, *sizes), BUSY)

    def _start(
        self, timeout: float, window: int | None = None, packet: int | None = None
    ) -> paramiko.Channel:
        try:
            return self._transport.open_session(window, packet, timeout)
        except BUSY:
            self._give_way()  # it may be the only one that is let in
            raise

    def _give_way(self) -> None:
        if self._staying:
            self._staying.close()
        self._staying = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Unmoved(BufferedPipe):  # type: ignore[type-arg]
    """What has come and was not read yet; paramiko's own copies it three times."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer = Chunks()

    def _buffer_frombytes(self, data: bytes) -> None:
        self._buffer.append(data)

    def _buffer_tobytes(self, limit: int | None = None) -> bytes:
        return self._buffer.first(limit)


def _send(channel: paramiko.Channel, program: Program, timeout: float) -> None:
    channel.settimeout(timeout)
    channel.exec_command(SHELL)
    channel.sendall(program.text())
    if not program.stays:
        channel.shutdown_write()
