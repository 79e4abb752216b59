"""The recovery key: what opens the panel's own exports, wherever the panel itself has gone.

It is an age identity (X25519), so that an export opens with the plain `age` tool, too. The panel
keeps its public half, to encrypt for it, and a key that is derived from it, to sign manifests;
the recovery key itself it shows once and forgets.
"""

import string
from dataclasses import dataclass
from typing import Any, Protocol

import pyrage
from pyrage import x25519

from cloudpilot.errors import ExportDamaged, RecoveryKeyWrong
from cloudpilot.secrets import Secret, subkey

PREFIX = "AGE-SECRET-KEY-1"
ENDING = 8  # characters that a person types to show that they have written it down
# Not in its alphabet, so there is no doubt which character was meant.
_LOOKALIKES = str.maketrans({"O": "0", "I": "L", "1": "L", "B": "8"})
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-")
_FORGIVEN = dict.fromkeys(map(ord, f"{string.whitespace}\u00a0\u200b\ufeff"))


class Reader(Protocol):
    """What bytes come from; an empty answer is their end."""

    def read(self, size: int = -1, /) -> bytes: ...


class Writer(Protocol):
    """What bytes go to."""

    def write(self, data: bytes, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class RecoveryKey:
    """Both halves: the one that opens, and the one that encrypts for it ("age1…")."""

    secret: Secret
    recipient: str


def new() -> RecoveryKey:
    """A key that nobody has had before."""
    return _both(x25519.Identity.generate())


def read(typed: str) -> RecoveryKey:
    """The key that a person has typed; raises RecoveryKeyWrong.

    Spaces, line breaks, lower case and characters that only look like others are forgiven: a
    check sum at its end tells what is no key.
    """
    text = typed.translate(_FORGIVEN).translate(_DASHES).upper()
    if text.startswith(PREFIX):
        text = PREFIX + text.removeprefix(PREFIX).translate(_LOOKALIKES)
    try:
        return _both(x25519.Identity.from_str(text))
    except pyrage.IdentityError as error:
        raise RecoveryKeyWrong(
            f"This is no recovery key: one begins with {PREFIX} and has 74 characters; one of"
            " these may be missing or another one."
        ) from error


def ending(secret: Secret) -> Secret:
    """The last characters of a key, in the form in which `typed_ending` gives them."""
    return Secret(secret.reveal()[-ENDING:])


def typed_ending(typed: str) -> Secret:
    """The last characters of a key as a person has typed them."""
    text = typed.translate(_FORGIVEN).upper()[-ENDING:]
    return Secret(text.translate(_LOOKALIKES))


def manifest_key(secret: Secret) -> bytes:
    """The 32 bytes that sign manifests; whoever has the recovery key has them, too."""
    return subkey(secret, "recovery/manifests")


def encrypt(recipient: str, source: Reader, target: Writer) -> None:
    """Encrypt all of `source` so that the key of `recipient` opens it.

    What `source` or `target` raises comes out as it is.
    """
    reader, writer = _Reader(source), _Writer(target)
    try:
        pyrage.encrypt_io(reader, writer, [x25519.Recipient.from_str(recipient)])
    except pyrage.EncryptError as error:
        raise (reader.fault or writer.fault or error) from error
    _raise(reader, writer)


def decrypt(secret: Secret, source: Reader, target: Writer) -> None:
    """Write what was encrypted, in order, while it is read.

    What reaches `target` is what was encrypted, but that it is all of it is known only once this
    returns. Raises RecoveryKeyWrong, or ExportDamaged for what was cut or changed; what `source`
    or `target` raises comes out as it is.
    """
    reader, writer = _Reader(source), _Writer(target)
    try:
        pyrage.decrypt_io(reader, writer, [x25519.Identity.from_str(secret.reveal())])
    except (pyrage.DecryptError, OSError) as error:
        if fault := reader.fault or writer.fault:
            raise fault from error
        if "matching keys" in str(error):
            raise RecoveryKeyWrong("This recovery key does not open it.") from error
        raise ExportDamaged("It is no whole file that was encrypted with age.") from error
    _raise(reader, writer)


def _both(identity: x25519.Identity) -> RecoveryKey:
    return RecoveryKey(Secret(str(identity)), str(identity.to_public()))


def _raise(reader: "_Reader", writer: "_Writer") -> None:
    """The library says nothing of a last piece that could not be written."""
    if fault := reader.fault or writer.fault:
        raise fault


class _Reader:
    """Remembers what went wrong: the library tells of it in words of its own."""

    def __init__(self, source: Reader) -> None:
        self._source, self.fault = source, None

    fault: BaseException | None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._source.read(size)
        except BaseException as fault:
            self.fault = fault
            raise


class _Writer:
    """The same of what is written."""

    def __init__(self, target: Writer) -> None:
        self._target, self.fault = target, None

    fault: BaseException | None

    def write(self, data: bytes) -> int:
        try:
            self._target.write(data)
        except BaseException as fault:
            self.fault = fault
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing is kept here."""
