"""Secrets: a type that does not print itself, and the sealing of values for the database.

A sealed value is `v1.<key id>.<nonce and ciphertext, base64url>`: AES-256-GCM under a key that
is derived with HKDF-SHA256 from the panel's secret key, for the purpose "seal" alone (cookies
and anything else get keys of their own). The associated data is the place of the value, e.g.
`servers/<id>/private_key`: a sealed value that is copied to another row or column does not open.
"""

import hashlib
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = "v1"
NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Secret:
    """A password, key or token. Prints as stars; only `reveal` gives it away.

    >>> f"the key is {Secret('hunter2')!r}, {Secret('hunter2')}"
    'the key is Secret(***), Secret(***)'
    """

    _value: str

    def reveal(self) -> str:
        """The value itself; for the line that hands it over, never for a message."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


class CannotOpenError(Exception):
    """A sealed value is damaged, was moved, or was sealed with a key that we no longer have."""


def subkey(master: Secret, purpose: str) -> bytes:
    """32 bytes derived from `master` for one purpose only."""
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"cloudpilot/{purpose}".encode())
    return kdf.derive(master.reveal().encode())


class Sealer:
    """Seals with the newest key and opens with any of them."""

    def __init__(self, newest: Secret, *older: Secret) -> None:
        keys = [subkey(master, "seal") for master in (newest, *older)]
        self._newest = _key_id(keys[0])
        self._keys = {_key_id(key): AESGCM(key) for key in reversed(keys)}

    def seal(self, secret: Secret, place: str) -> str:
        """`secret` as text that only this panel can open, and only at `place`."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._keys[self._newest].encrypt(nonce, secret.reveal().encode(), place.encode())
        return ".".join((VERSION, self._newest, urlsafe_b64encode(nonce + sealed).decode()))

    def is_newest(self, sealed: str) -> bool:
        """Whether the newest key has sealed this."""
        return sealed.startswith(f"{VERSION}.{self._newest}.")

    def open(self, sealed: str, place: str) -> Secret:
        """What was sealed at `place`; raises CannotOpenError."""
        try:
            version, key_id, blob = sealed.split(".")
            data = urlsafe_b64decode(blob)
            if version != VERSION:
                raise CannotOpenError(f"Sealed by an unknown version, {version[:8]!r}.")
            opened = self._keys[key_id].decrypt(
                data[:NONCE_BYTES], data[NONCE_BYTES:], place.encode()
            )
        except (ValueError, KeyError, InvalidTag) as error:
            raise CannotOpenError(f"{place} does not open with this key.") from error
        return Secret(opened.decode())


def _key_id(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:8]
