"""SSH to a server: whose host key it has, and running one program at a time there."""

import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Lock
from types import TracebackType
from typing import Self

import paramiko
from paramiko.buffered_pipe import BufferedPipe

from cloudpilot import outbound
from cloudpilot.engine import channels, unreached
from cloudpilot.engine.address import Address
from cloudpilot.engine.channels import Chunks
from cloudpilot.engine.program import Program
from cloudpilot.engine.statuses import failure
from cloudpilot.errors import (
    CloudPilotError,
    HostKeyChanged,
    HostKeyUnknown,
    SshAuthFailed,
    SshUnreachable,
)
from cloudpilot.secrets import Secret

BUSY = paramiko.ChannelException  # no more sessions at the moment
HANDSHAKE = 2  # times as long as any other step: it goes there and back several times
SHELL = "bash -s"  # a constant: whatever the login shell is, it has nothing to interpret
# What may be on its way without an answer: throughput is this by the time there and back. It is
# also what a stream may take of memory, if whoever reads it is slow.
WINDOW = 4 * 1024 * 1024
PACKET = 128 * 1024  # bytes; paramiko's work is for each packet
REKEY_BYTES = 2**30  # as RFC 4253, 9, recommends; paramiko does it after half of that
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")  # first: the fastest when tried
# A peer that vanished without a word is noticed after about half a minute of silence.
KEEPALIVE = {socket.TCP_KEEPIDLE: 10, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 4}
IDLE_SECONDS = 30  # until one wakes up to see if it is wanted; paramiko does ten times a second


def connect(address: Address, private_key: Secret, *, timeout: float = 5) -> "Session":
    """An open session; the host key is judged before anything is said about who we are.

    timeout  seconds for each step: finding an address, shaking hands, logging in

    Raises AddressRefused, SshUnreachable (transient), HostKeyUnknown and HostKeyChanged with the
    fingerprint that was offered, SshAuthFailed.
    """
    transport = _transport(address, timeout)
    try:
        with _translated(address):
            transport.start_client(timeout=HANDSHAKE * timeout)
            offered: str = transport.get_remote_server_key().fingerprint
        _judge(address, offered)
        _log_in(transport, address, private_key)
    except CloudPilotError:
        transport.close()
        raise
    transport.sock.settimeout(IDLE_SECONDS)
    return Session(transport, address, offered)


def refuses(address: Address, private_key: Secret, *, timeout: float = 5) -> bool:
    """Whether the server, by its approved host key, says no to this key: the proof that it is out.

    Raises what `connect` raises when nobody can say: not reached, another host key, a server that
    takes the key and asks for more.
    """
    try:
        connect(address, private_key, timeout=timeout).close()
    except SshAuthFailed as error:
        if error.refused:
            return True
        raise
    return False


class Session:
    """A connection that is logged in. Any thread may use it; they take turns."""

    def __init__(self, transport: paramiko.Transport, address: Address, host_key: str) -> None:
        self.host_key = host_key  # the fingerprint that the server has shown
        self._transport, self._address = transport, address
        self._turn = Lock()

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
        deadline, start = time.monotonic() + timeout, self._transport.open_session
        with self._turn, _translated(self._address):
            try:
                with channels.opened(partial(start, timeout=timeout), BUSY) as channel:
                    _send(channel, program, timeout)
                    output, errors = channels.read(channel, deadline)
                    status = channels.exit_status(channel, deadline)
            except BUSY:
                raise  # the server has too many sessions at the moment; this one is in order
            except (OSError, EOFError, paramiko.SSHException):
                self.close()
                raise
        if status:
            raise failure(status, channels.last_line(errors))
        return output

    def stream(self, program: Program, *, silence: float = 60) -> Iterator[bytes]:
        """Run `program` and yield its standard output while it comes, however long that is.

        What came last is held back until the program has ended well. Who leaves it early ends the
        program by closing the session.

        silence  seconds without a byte, after which the session is closed

        Raises what `run` raises.
        """
        start = self._transport.open_session
        with self._turn, _translated(self._address):
            try:
                with channels.opened(
                    partial(start, WINDOW, PACKET, timeout=silence), BUSY
                ) as channel:
                    channel.in_buffer = _Unmoved()
                    _send(channel, program, silence)
                    status, errors = yield from channels.pieces(channel, silence)
            except (OSError, EOFError, paramiko.SSHException):
                self.close()
                raise
        if status:
            raise failure(status, channels.last_line(errors))

    def close(self) -> None:
        """Closing twice is no error."""
        with suppress(OSError):
            self._transport.sock.shutdown(socket.SHUT_RDWR)
        self._transport.close()

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


def _transport(address: Address, timeout: float) -> paramiko.Transport:
    with _translated(address):
        sock = outbound.connect(address.host, address.port, timeout, private=address.may_be_private)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in KEEPALIVE.items():
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
            transport = paramiko.Transport(sock)
        except OSError:
            sock.close()
            raise
    security = transport.get_security_options()
    security.ciphers = (*CIPHERS, *(one for one in security.ciphers if one not in CIPHERS))
    transport.packetizer.REKEY_BYTES = REKEY_BYTES
    transport.banner_timeout = transport.handshake_timeout = timeout
    transport.auth_timeout = transport.channel_timeout = timeout
    return transport


def _send(channel: paramiko.Channel, program: Program, timeout: float) -> None:
    channel.settimeout(timeout)
    channel.exec_command(SHELL)
    channel.sendall(program.text())
    channel.shutdown_write()


def _judge(address: Address, offered: str) -> None:
    if offered in address.host_keys:
        return
    if not address.host_keys:
        raise HostKeyUnknown(
            f"{address.host} shows the host key {offered}, which nobody has approved yet.", offered
        )
    raise HostKeyChanged(
        f"{address.host} shows the host key {offered};"
        f" approved was {', '.join(address.host_keys)}.",
        offered,
    )


def _log_in(transport: paramiko.Transport, address: Address, private_key: Secret) -> None:
    refused = f"{address.host} does not accept the panel's key for {address.username}."
    try:
        key = paramiko.Ed25519Key.from_private_key(io.StringIO(private_key.reveal()))
    except (paramiko.SSHException, ValueError) as error:
        raise SshAuthFailed(f"The panel's key for {address.host} is no ed25519 key.") from error
    with _translated(address):
        try:
            transport.auth_publickey(address.username, key)
        except paramiko.AuthenticationException as error:
            # The same exception also stands for a connection that broke and for a timeout.
            if not transport.is_active() or "timeout" in str(error).lower():
                raise
            answer = SshAuthFailed(refused)
            answer.refused = True
            raise answer from error
    if not transport.is_authenticated():
        raise SshAuthFailed(f"{address.host} asks {address.username} for more than a key.")


@contextmanager
def _translated(address: Address) -> Iterator[None]:
    """What paramiko and the system say of a connection becomes SshUnreachable."""
    where = f"{address.host}:{address.port}"
    try:
        yield
    except TimeoutError as error:
        raise SshUnreachable(f"{where} did not answer in time.") from error
    except (OSError, EOFError, paramiko.SSHException, UnicodeError) as error:
        why = unreached.reason(error, no_channel=isinstance(error, BUSY))
        raise SshUnreachable(f"{where} cannot be reached: {why}.") from error
