"""How every process reaches Redis: the queue, its workers, the clock and the counting of sign-ins.

One place, so that what is believed about the other end is believed, or refused, everywhere.
"""

import hashlib
import hmac
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

from redis import ConnectionPool, Redis, RedisError, SSLConnection
from redis.backoff import NoBackoff
from redis.retry import Retry

from cloudpilot.settings import MisconfiguredError, Settings

CONNECT_SECONDS = 3
ANY, VERIFY, PINNED = "any", "verify", "sha256:"
SETTING = "CLOUDPILOT_REDIS_CERTIFICATE"
LOWEST = ssl.TLSVersion.TLSv1_2
# For who does not wait for something to come: a connection may be dead, and nobody was told.
IMPATIENT: Mapping[str, Any] = {"socket_timeout": 5, "retry": Retry(NoBackoff(), 1)}


class WrongCertificateError(RedisError):
    """The other end shows a certificate that is not the one that was named."""


class _Seen(SSLConnection):
    """Looks at the certificate before a word is said, the password least of all."""

    def __init__(self, fingerprints: tuple[str, ...] = (), **options: Any) -> None:
        super().__init__(**options)
        self.fingerprints = fingerprints

    def _connect(self) -> Any:
        sock: Any = super()._connect()  # type: ignore[no-untyped-call]
        shown = fingerprint(sock.getpeercert(binary_form=True) or b"")
        if not any(hmac.compare_digest(shown, known) for known in self.fingerprints):
            sock.close()
            raise WrongCertificateError(f"its certificate is {shown}")
        return sock


def fingerprint(certificate: bytes) -> str:
    """What SETTING calls a certificate (DER)."""
    return PINNED + hashlib.sha256(certificate).hexdigest()


def client(settings: Settings, **options: Any) -> Redis:
    """The Redis of this panel; nothing is asked yet."""
    return Redis.from_pool(pool(settings, **options))  # which it closes, too


def pool(settings: Settings, **options: Any) -> ConnectionPool:
    """Connections to it; `options` are redis-py's, timeouts above all."""
    how = {"socket_connect_timeout": CONNECT_SECONDS, "health_check_interval": 30} | options
    if settings.redis_url.startswith("rediss://"):
        how |= _believing(settings.redis_certificate)
    return ConnectionPool.from_url(settings.redis_url, **how)


def _believing(certificate: str) -> dict[str, Any]:
    """How redis-py is told whom to believe."""
    how: dict[str, Any] = {"ssl_min_version": LOWEST}
    if certificate == VERIFY:
        return how
    if certificate.startswith(PINNED):
        pins = tuple(certificate.split(","))
        unasked = {"ssl_cert_reqs": "none", "connection_class": _Seen, "fingerprints": pins}
        return how | unasked
    return how | ({"ssl_cert_reqs": "none"} if certificate == ANY else {"ssl_ca_data": certificate})


def distrust(error: BaseException) -> str | None:
    """What is wrong with the certificate, if `error` is about that; no whole sentence."""
    for one in _causes(error):
        if isinstance(one, WrongCertificateError):
            return str(one)
        if isinstance(one, ssl.SSLCertVerificationError):
            return one.verify_message
        if "CERTIFICATE_VERIFY_FAILED" in str(one):  # redis-py keeps the words alone
            words = str(one).partition("CERTIFICATE_VERIFY_FAILED] ")[2].partition(" (_ssl")[0]
            return words.removeprefix("certificate verify failed: ")
    return None


def check(settings: Settings) -> str | None:
    """Raises MisconfiguredError if Redis shows a certificate that is not to be believed.

    A Redis that does not answer is no fault of the settings: it is waited for, but not here.
    Returned is a sentence that says so.
    """
    try:
        with client(settings, **IMPATIENT) as redis:
            redis.ping()
    except RedisError as error:
        why = distrust(error)
        if why:
            raise MisconfiguredError(advice(settings, why)) from error
        return f"Redis does not answer: {type(error).__name__}"
    return None


def advice(settings: Settings, why: str) -> str:
    """One sentence for who starts the panel: what is not believed, and what can be done."""
    host = settings.redis_url.rpartition("@")[2].removeprefix("rediss://").partition("/")[0]
    return (
        f"REDIS_URL: the certificate of {host} is not trusted ({why}): let {SETTING} name it, as"
        " `flask --app wsgi redis-certificate` prints it, or name the authority that has signed it."
    )


def shown(settings: Settings) -> str:
    """The fingerprint of the certificate that Redis shows now, believed or not. Raises OSError or
    RedisError; nothing is said to the other end."""
    how = {"ssl_cert_reqs": "none", "socket_connect_timeout": CONNECT_SECONDS, **IMPATIENT}
    url = settings.redis_url
    connection: Any = ConnectionPool.from_url(url, **how).make_connection()
    sock = connection._connect()  # noqa: SLF001  (connect() would send the password)
    with sock:
        return fingerprint(sock.getpeercert(binary_form=True) or b"")


def _causes(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or one.__context__
