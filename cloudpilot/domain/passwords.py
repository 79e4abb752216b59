"""Passwords: how they are kept and compared.

Both take a fraction of a second and 64 MiB on purpose, so neither is ever done while a
transaction is open: SQLite has one writer, and everybody would wait for it.
"""

from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cloudpilot.errors import InvalidConfig
from cloudpilot.secrets import Secret

LENGTH = 10  # characters, at least
LENGTH_AT_MOST = 1024  # so that hashing a megabyte is nobody's way to stop the panel
AT_ONCE = 2  # 64 MiB each: a flood of sign-ins waits, and does not fill a small machine
_hasher = PasswordHasher()
_few = BoundedSemaphore(AT_ONCE)


def valid(text: str) -> Secret:
    """A new password of the length that we ask for; raises InvalidConfig."""
    if not LENGTH <= len(text) <= LENGTH_AT_MOST:
        raise InvalidConfig(f"A password has at least {LENGTH} characters.")
    return Secret(text)


def hashed(password: Secret) -> str:
    """The Argon2id hash of a password or code."""
    with _few:
        return _hasher.hash(password.reveal())


def matches(known_hash: str | None, given: Secret) -> bool:
    """Whether `given` is what was hashed. Where nothing was (None), no takes as long."""
    if len(given.reveal()) > LENGTH_AT_MOST:
        return False
    known = known_hash or _nobodys_hash()
    try:
        with _few:
            return _hasher.verify(known, given.reveal()) and bool(known_hash)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys_hash() -> str:
    return _hasher.hash("nobody's")  # on first use: a worker never needs it
