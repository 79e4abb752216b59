"""Keys: what objects are called in a vault."""

import unicodedata
from uuid import UUID

from cloudpilot.errors import InvalidConfig, VaultRefused

MOST_BYTES = 1_024  # of a whole key, prefix included; so say S3, Google and Azure
_ROOM = 64  # bytes that a vault may put in: Azure's random part


def backup_key(server: UUID, site: UUID, backup: UUID, name: str) -> str:
    """The key of a file of a backup: ids and a name of ours, no word that a person has typed."""
    return f"{server}/{site}/{backup}/{name}"


def whole(prefix: str, key: str) -> str:
    """The key as the store knows it; raises InvalidConfig if stores would not read it alike.

    >>> whole("backups", "a/b.tar.gz"), whole("", "a")
    ('backups/a/b.tar.gz', 'a')
    """
    parts = [*prefix.split("/"), *key.split("/")] if prefix else key.split("/")
    joined = "/".join(parts)
    if reason := _refusal(parts, joined):
        raise InvalidConfig(f"{joined[:80]!r} cannot be the name of an object: {reason}.")
    return joined


def beginning(prefix: str, key: str) -> str:
    """What the keys below `prefix` begin with that begin with `key`, which may end anywhere."""
    return f"{prefix}/{key}" if prefix else key


def relative(prefix: str, asked: str, name: str) -> str:
    """The key of a `name` that a store has listed, asked for what begins with `asked`.

    Raises VaultRefused for any other name: what is listed may be deleted, and a store that passes
    over what it was asked for would have the backups of others deleted.

    >>> relative("backups", "a/", "backups/a/b.tar.gz")
    'a/b.tar.gz'
    """
    if not name.startswith(beginning(prefix, asked)):
        raise VaultRefused("The store lists names that it was not asked for.")
    return name.removeprefix(f"{prefix}/") if prefix else name


def _refusal(parts: list[str], joined: str) -> str | None:
    if any(part.strip(".") == "" for part in parts):
        return "a part of it is empty or only dots"
    if any(part.endswith(".") for part in parts):
        return "a part of it ends in a dot, which Azure cuts off"
    if "\\" in joined:
        return "it holds a backslash, which Azure takes for a slash"
    if any(unicodedata.category(letter) in {"Cc", "Cs", "Cn", "Co"} for letter in joined):
        return "it holds letters that cannot be seen"
    if len(joined.encode()) > MOST_BYTES - _ROOM:
        return f"it is longer than {MOST_BYTES - _ROOM} bytes"
    return None
