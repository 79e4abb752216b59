"""How vaults and clouds connect: every connection of every library goes through `outbound`.

A person enters an address, and the panel's machine would connect to it. The libraries of
the providers all stand on urllib3, whose connections are made by one method: here it asks
`outbound.connect`, which looks the name up once, judges every address and connects to one that it
has judged. A certificate is checked against the name all the same. Redirects are answers like any
other, proxies and settings of the environment are not looked at.

What is left: an address that is allowed may be of a machine that somebody else controls, and
passes on what it is sent; with `private` allowed, so may be anything in the panel's own network.
"""

import re
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cloudpilot import outbound
from cloudpilot.errors import AddressRefused, CloudPilotError, InvalidConfig

if TYPE_CHECKING:
    from requests import Session
    from urllib3 import PoolManager

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0  # without a byte of an answer
ATTEMPTS = 3  # of each call of a library, the first among them
AGAIN_SECONDS = 5.0  # after which no further attempt is made, where attempts are not counted

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; names of headers in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Wire:
    """Sends one request as a server's curl would: no redirect, no second attempt.

    unreachable  what whoever asks calls it when there is no answer
    seconds      without a byte of an answer, after which it is given up
    """

    def __init__(
        self, *, private: bool, unreachable: type[CloudPilotError], seconds: float | None = None
    ) -> None:
        self._pools = pools(private=private, seconds=seconds)
        self._unreachable = unreachable

    def send(
        self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> Answer:
        """The answer, whatever its status; raises `unreachable` and AddressRefused."""
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            answer = self._pools.request(
                method, url, body=body, headers=dict(headers), redirect=False, retries=False
            )
        except HTTPError as error:
            raise self._unreachable(f"There was no answer: {type(error).__name__}.") from error
        named = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status, named, answer.data)


def judge_endpoint(url: str) -> None:
    """Raise InvalidConfig unless it is `http(s)://host[:port]`, AddressRefused by its host."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError as error:
        raise InvalidConfig("The endpoint is no address.") from error
    rest = (parts.path, parts.query, parts.fragment)
    if parts.scheme not in {"http", "https"} or not host or any(rest) or "@" in parts.netloc:
        raise InvalidConfig("An endpoint is https://HOST or https://HOST:PORT, and nothing else.")
    if not _HOST.fullmatch(f"[{host}]" if ":" in host else host):
        raise InvalidConfig("The endpoint's host has letters that no host has.")
    if reason := outbound.refusal(host):
        raise AddressRefused(reason)


def load() -> None:
    """What every connection needs."""
    import urllib3  # noqa: F401, PLC0415

    _trust()


def pools(*, private: bool, seconds: float | None = None) -> "PoolManager":
    """urllib3's connections, each of them judged; `seconds` without a byte are too long."""
    import urllib3  # noqa: PLC0415

    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=seconds or ANSWER_SECONDS)
    made = urllib3.PoolManager(timeout=timeout, ssl_context=_trust())
    made.pool_classes_by_scheme = _pool_classes(private=private)
    return made


def session(*, private: bool, base: Any = None, **options: Any) -> "Session":
    """A session of requests whose connections are judged and which follows no redirect.

    base  the class that it is made from; `options` are for that
    """
    import requests  # noqa: PLC0415
    from requests.adapters import HTTPAdapter  # noqa: PLC0415

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = _pool_classes(private=private)

    class Judged(base or requests.Session):  # type: ignore[misc]
        def get_redirect_target(self, _answer: Any) -> None:
            return None

    made: Session = Judged(**options)
    made.trust_env = False
    for scheme in ("https://", "http://"):
        made.mount(scheme, Adapter())
    return made


@cache
def _trust() -> ssl.SSLContext:
    """The system's certificates; reading them takes a while."""
    return ssl.create_default_context()


def _pool_classes(*, private: bool) -> dict[str, Any]:
    from urllib3 import connectionpool  # noqa: PLC0415
    from urllib3.connection import HTTPConnection, HTTPSConnection  # noqa: PLC0415
    from urllib3.exceptions import NewConnectionError  # noqa: PLC0415

    def connect(connection: HTTPConnection) -> Any:
        seconds = connection.timeout
        if not isinstance(seconds, int | float) or seconds > CONNECT_SECONDS:
            seconds = CONNECT_SECONDS
        port = connection.port or connection.default_port
        try:
            made = outbound.connect(connection.host.strip("[]"), port, seconds, private=private)
        except OSError as error:
            raise NewConnectionError(connection, type(error).__name__) from error
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as urllib3 itself would
        return made

    class Plain(HTTPConnection):
        _new_conn = connect

    class Encrypted(HTTPSConnection):
        _new_conn = connect

    class PlainPool(connectionpool.HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(connectionpool.HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}


def refused(error: BaseException | None) -> AddressRefused | None:
    """The AddressRefused that a library has wrapped into an error of its own, if there is one."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, AddressRefused):
            return error
        seen.add(id(error))
        inner = getattr(error, "kwargs", {}) or {}
        error = inner.get("error") or error.__cause__ or error.__context__
    return None
