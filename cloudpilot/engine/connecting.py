"""Connecting to a server by SSH: whose host key it has, and logging in."""

import io
import socket

import paramiko

from cloudpilot import outbound
from cloudpilot.engine.address import Address
from cloudpilot.engine.ssh import Session
from cloudpilot.engine.unreached import translated
from cloudpilot.errors import (
    CloudPilotError,
    HostKeyChanged,
    HostKeyUnknown,
    SshAuthFailed,
)
from cloudpilot.secrets import Secret

HANDSHAKE = 2  # times as long as any other step: it goes there and back several times
REKEY_BYTES = 2**30  # as RFC 4253, 9, recommends; paramiko does it after half of that
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")  # first: the fastest when tried
# A peer that vanished without a word is noticed after about half a minute of silence.
KEEPALIVE = {socket.TCP_KEEPIDLE: 10, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 4}
IDLE_SECONDS = 30  # until one wakes up to see if it is wanted; paramiko does ten times a second


def connect(address: Address, private_key: Secret, *, timeout: float = 5) -> Session:
    """An open session; the host key is judged before anything is said about who we are.

    timeout  seconds for each step: finding an address, shaking hands, logging in

    Raises AddressRefused, SshUnreachable (transient), HostKeyUnknown and HostKeyChanged with the
    fingerprint that was offered, SshAuthFailed.
    """
    transport = _transport(address, timeout)
    try:
        with translated(address):
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


def _transport(address: Address, timeout: float) -> paramiko.Transport:
    with translated(address):
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
    with translated(address):
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
