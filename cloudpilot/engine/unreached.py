"""Why a server cannot be talked to, in words of ours and of the system: never in a peer's."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko

from cloudpilot.engine.address import Address
from cloudpilot.errors import SshUnreachable

BUSY = paramiko.ChannelException  # no more sessions at the moment

# What paramiko's own words mean, by how they begin; nothing of what a peer has said is in them.
_BEGINNINGS = {
    "Error reading SSH protocol banner": (
        "it does not say what it is; so an sshd that many are at the door of (MaxStartups)"
    ),
    "No existing session": "it did not agree on how to talk in time",
    "Timeout opening channel": "it did not open a session in time",
    "SSH session not active": "the connection has ended",
    "Negotiation failed": "it hung up",
}


def reason(error: Exception, *, no_channel: bool = False) -> str:
    """What went wrong; no_channel: the server did not let one more session in.

    >>> reason(ConnectionRefusedError(111, "Connection refused"))
    'Connection refused'
    """
    if no_channel:
        return "it lets no more sessions in on this connection (its sshd's MaxSessions)"
    if isinstance(error, socket.gaierror | UnicodeError):
        return "its name was not found"
    if isinstance(error, OSError):
        return error.strerror or "the connection broke"
    if isinstance(error, EOFError):
        return "it hung up"
    known = (text for words, text in _BEGINNINGS.items() if str(error).startswith(words))
    return next(known, "it could not be understood as SSH")


@contextmanager
def translated(address: Address) -> Iterator[None]:
    """What paramiko and the system say of a connection becomes SshUnreachable."""
    where = f"{address.host}:{address.port}"
    try:
        yield
    except TimeoutError as error:
        raise SshUnreachable(f"{where} did not answer in time.") from error
    except (OSError, EOFError, paramiko.SSHException, UnicodeError) as error:
        why = reason(error, no_channel=isinstance(error, BUSY))
        raise SshUnreachable(f"{where} cannot be reached: {why}.") from error
