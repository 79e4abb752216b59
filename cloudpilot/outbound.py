"""Outbound: the one way to an address that somebody has typed.

A person who may add a server could otherwise have the panel's own machine talk to what only it
can reach: the cloud's metadata service, which hands out credentials to whoever asks. So a name is
resolved once, every address that it stands for is judged, and the connection goes to an address
that was judged, not to the name again. A lint rule keeps the rest of the code from connecting by
itself. Nothing here follows a redirect.
"""

import socket
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TookTooLong
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Thread

from cloudpilot.errors import AddressRefused

Ip = IPv4Address | IPv6Address

# Where clouds answer their machines, apart from the link-local networks: EC2 and EKS, Google,
# Oracle and Scaleway over IPv6; Alibaba; Azure's wire server; Oracle's classic service.
_METADATA = tuple(
    ip_network(text)
    for text in (
        "fd00:ec2::/32",
        "fd20:ce::254",
        "fd00:c1::a9fe:a9fe",
        "fd00:42::42",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
    )
)
_METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data"}
)
_SHARED = ip_network("100.64.0.0/10")  # carrier-grade NAT, and what VPNs of machines use
# Of an address in one of these the last four bytes are an IPv4 address.
_WITH_IPV4 = tuple(ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96"))

ATTEMPTS_AT_MOST = 4  # addresses of one name that are tried


def refusal(host: str) -> str | None:
    """Why `host` as it stands is never connected to; None if only its addresses can tell.

    >>> refusal("metadata.google.internal."), refusal("web-1.example.com")
    ("metadata.google.internal. is a cloud's metadata service.", None)
    >>> refusal("169.254.169.254"), refusal("fe80::1%eth0")
    ('169.254.169.254 is link-local.', 'fe80::1 is link-local.')
    """
    if host.rstrip(".").lower() in _METADATA_NAMES:
        return f"{host} is a cloud's metadata service."
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return _never(address)


def connect(host: str, port: int, timeout: float, *, private: bool = True) -> socket.socket:
    """A TCP connection to one of the addresses that `host` stands for.

    timeout  seconds for all of it: looking the name up and trying its addresses in turn
    private  whether addresses that are not the Internet's may be connected to

    Raises AddressRefused if no address of the host may be connected to, OSError (TimeoutError
    among it) if none can be.
    """
    deadline = time.monotonic() + timeout
    if reason := refusal(host):
        raise AddressRefused(reason)
    addresses = _permitted(host, _resolve(host, deadline), private=private)
    failed: OSError = TimeoutError()
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        share = (deadline - time.monotonic()) / left
        if share <= 0:
            break
        try:
            return socket.create_connection((str(address), port), share)
        except OSError as error:
            failed = error
    raise failed


def _permitted(host: str, addresses: Iterable[Ip], *, private: bool) -> Sequence[Ip]:
    """Those that may be connected to, as they were given; raises AddressRefused if none may."""
    reasons, permitted = [], []
    for address in dict.fromkeys(addresses):
        reason = _never(address) or (None if private else _not_public(address))
        if reason:
            reasons.append(reason)
        else:
            permitted.append(address)
    if not permitted:
        raise AddressRefused(f"{host} cannot be used: {reasons[0]}")
    return permitted[:ATTEMPTS_AT_MOST]


def _never(address: Ip) -> str | None:
    """Why nobody may connect there, whatever the settings say."""
    meant = _meant(address)
    if any(meant in network for network in _METADATA):
        return f"{meant} is a cloud's metadata service."
    if meant.is_link_local:
        return f"{meant} is link-local."
    if meant.is_unspecified or meant.is_multicast or meant == IPv4Address("255.255.255.255"):
        return f"{meant} is no machine's address."
    return None


def _not_public(address: Ip) -> str | None:
    """Why a panel that keeps to the Internet does not connect there."""
    meant = _meant(address)
    if meant.is_global and meant not in _SHARED:
        return None
    return f"{meant} is private, and this panel does not connect to private networks."


def _meant(address: Ip) -> Ip:
    """The IPv4 address inside an IPv6 one, where that is what would be connected to.

    >>> _meant(ip_address("::ffff:169.254.169.254")), _meant(ip_address("64:ff9b::a9fe:a9fe"))
    (IPv4Address('169.254.169.254'), IPv4Address('169.254.169.254'))
    """
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
    if inner is None and int(address) > 1 and any(address in network for network in _WITH_IPV4):
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address


def _resolve(host: str, deadline: float) -> list[Ip]:
    """The addresses of `host`; the system's own look-up may take minutes, so it is left behind."""
    with suppress(ValueError):
        return [ip_address(host)]
    answer: Future[list[Ip]] = Future()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            answer.set_result([ip_address(entry[4][0]) for entry in found])
        except (OSError, ValueError) as error:  # a name can be unknown, and unsayable
            answer.set_exception(error)

    Thread(target=ask, name="resolve", daemon=True).start()
    try:
        return answer.result(max(0.0, deadline - time.monotonic()))
    except TookTooLong:
        raise TimeoutError(f"the name {host} was not found in time") from None
