"""What comes out of a program that runs at the other end of an SSH connection."""

import select
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from threading import Event
from typing import Protocol, TypeVar

from cloudpilot.errors import CommandFailed
from cloudpilot.redaction import redacted
from cloudpilot.text import decode, lines

OUTPUT_AT_MOST = 1024 * 1024  # bytes of a program's standard output
TOO_LONG = "The server's answer is longer than 1 MiB."
ERRORS_KEPT = 8 * 1024  # bytes, the last ones, of its standard error
SETTLES_WITHIN = 3
Opened = TypeVar("Opened")
CHUNK = 64 * 1024
STREAMED = 256 * 1024  # bytes of a stream at once


class Channel(Protocol):
    """What paramiko calls a channel, as far as it is used here."""

    closed: bool
    eof_received: int
    status_event: Event

    def fileno(self) -> int: ...
    def recv_ready(self) -> bool: ...
    def recv(self, nbytes: int) -> bytes: ...
    def recv_stderr_ready(self) -> bool: ...
    def recv_stderr(self, nbytes: int) -> bytes: ...
    def recv_exit_status(self) -> int: ...


class Conversation(Channel, Protocol):
    """One that is written to as well, and waited for."""

    def settimeout(self, timeout: float) -> None: ...
    def sendall(self, data: bytes) -> object: ...
    def close(self) -> None: ...


class Chunks:
    """Bytes that came in chunks and are taken out from the beginning: nothing of them is moved
    meanwhile, and what is taken is copied once at most."""

    def __init__(self) -> None:
        self._chunks = deque[bytes]()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, chunk: bytes) -> None:
        """It comes last."""
        self._chunks.append(chunk)
        self._size += len(chunk)

    def first(self, count: int | None = None) -> bytes:
        """So many of them, or all; they stay.

        >>> chunks = Chunks()
        >>> for chunk in (b"one", b"two", b"three"): chunks.append(chunk)
        >>> chunks.first(3), chunks.first(4), chunks.first()
        (b'one', b'onet', b'onetwothree')
        """
        missing = self._size if count is None else min(count, self._size)
        found: list[bytes] = []
        for chunk in self._chunks:
            if missing <= 0:
                break
            found.append(chunk if len(chunk) <= missing else chunk[:missing])
            missing -= len(found[-1])
        return found[0] if len(found) == 1 else b"".join(found)

    def __delitem__(self, which: slice) -> None:
        """`[:count]` or `[:]`, as paramiko drops what it has handed out.

        >>> chunks = Chunks()
        >>> for chunk in (b"one", b"two", b"three"): chunks.append(chunk)
        >>> del chunks[:4]; chunks.first(), len(chunks)
        (b'wothree', 7)
        >>> del chunks[:]; chunks.first(), len(chunks)
        (b'', 0)
        """
        left = self._size if which.stop is None else min(which.stop, self._size)
        self._size -= left
        while left:
            chunk = self._chunks.popleft()
            if len(chunk) > left:
                self._chunks.appendleft(chunk[left:])
            left -= min(left, len(chunk))


def opened(start: Callable[[], Opened], busy: type[Exception]) -> Opened:
    """What `start` opens. A server that lets in one session at a time may not have seen yet that
    the one before is over: while it is `busy`, it is asked again for SETTLES_WITHIN seconds."""
    until = time.monotonic() + SETTLES_WITHIN
    while True:
        try:
            return start()
        except busy:
            if time.monotonic() > until:
                raise
        time.sleep(0.05)


def read(channel: Channel, deadline: float) -> tuple[bytes, bytes]:
    """Both streams to their ends; they share one window, so one that is unread blocks the other."""
    output, errors = bytearray(), bytearray()
    readable = select.poll()
    readable.register(channel.fileno(), select.POLLIN)
    while True:
        finished = channel.eof_received or channel.closed  # asked before the last of it is taken
        while channel.recv_ready():
            output += channel.recv(CHUNK)
        _hear(channel, errors)
        if len(output) > OUTPUT_AT_MOST:
            raise CommandFailed(TOO_LONG)
        if finished:
            return bytes(output), bytes(errors)
        if not readable.poll(remaining(deadline) * 1000):
            raise TimeoutError


def pieces(channel: Channel, silence: float) -> Generator[bytes, None, tuple[int, bytes]]:
    """Standard output as it comes, but for the last piece, which follows if the status is 0;
    returns the status and what was last said on standard error.

    silence  seconds without a byte; then TimeoutError
    """
    held, errors = b"", bytearray()
    readable = select.poll()
    readable.register(channel.fileno(), select.POLLIN)
    while True:
        finished = channel.eof_received or channel.closed
        _hear(channel, errors)
        for piece in _there(channel):
            if held:
                yield held
            held = piece
        if finished:
            break
        if not readable.poll(silence * 1000):
            raise TimeoutError
    status = exit_status(channel, time.monotonic() + silence)
    if held and not status:
        yield held
    return status, bytes(errors)


def exit_status(channel: Channel, deadline: float) -> int:
    """Raises EOFError if the connection ended before the program did, and TimeoutError."""
    if not channel.status_event.wait(remaining(deadline)):
        raise TimeoutError
    status = channel.recv_exit_status()
    if status < 0:
        raise EOFError("the connection ended before the command did")
    return status


def last_line(errors: bytes) -> str:
    """The sentence for a person."""
    said = [line for line in lines(decode(errors)) if line.strip()]
    return redacted(said[-1][:1000]) if said else ""


def _hear(channel: Channel, errors: bytearray) -> None:
    """What was said on standard error meanwhile; the last of it is kept."""
    while channel.recv_stderr_ready():
        errors += channel.recv_stderr(CHUNK)
        del errors[:-ERRORS_KEPT]


def _there(channel: Channel) -> Iterator[bytes]:
    """What has come, cut."""
    while channel.recv_ready():
        yield channel.recv(STREAMED)


def remaining(deadline: float) -> float:
    """Seconds until then."""
    return max(0.0, deadline - time.monotonic())
