"""What people paste: commands for a server's root, and the line that each gives back."""

import gzip
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from cloudpilot.engine.program import Program, source
from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import Privilege

READY = "cloudpilot-ready"  # what the last line of setup.sh begins with
REMOVED = "cloudpilot-removed"  # … and of uninstall.sh
THINGS = ("key", "rule", "tar", "directories", "user")  # that uninstall.sh looks for

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_USERNAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_NOT_WHOLE = "The line is not whole: copy all of it, from first word to last."


@dataclass(frozen=True, slots=True)
class Ready:
    """What a server says once it has been set up."""

    server_id: UUID
    privilege: Privilege
    host_keys: tuple[str, ...]  # "SHA256:…"


@dataclass(frozen=True, slots=True)
class Removed:
    """What a server says once the panel's things were taken off: of each, whether it is gone."""

    gone: Mapping[str, bool]  # by THINGS


def setup_command(server_id: UUID, public_key: str, *, privilege: Privilege, username: str) -> str:
    """One line to paste on the server as root, of constants, base64 and the id alone.

    It makes the user, puts the panel's key in its place, gives it its rights, and prints the line
    that `parse_ready` reads.
    """
    words = f"{server_id} {privilege.value} {_plain(username)} {_encoded(public_key)}"
    return _as_root("setup.sh", words)


def uninstall_command(server_id: UUID, *, username: str, keep: bool, roots: Sequence[str]) -> str:
    """One line of the same kind, which takes all of it off again; see `parse_removed`.

    keep   archives stay, and become root's
    roots  the directories that hold, or have held, archives
    """
    return _as_root("uninstall.sh", " ".join(_uninstall_words(server_id, username, keep, roots)))


def uninstall(server_id: UUID, *, username: str, keep: bool, roots: Sequence[str]) -> Program:
    """The same, through sudo."""
    script = b64encode(source("uninstall.sh")).decode()
    return Program("become_root", (script, *_uninstall_words(server_id, username, keep, roots)))


def parse_ready(text: str) -> Ready:
    """The last line of what the set-up command printed; raises InvalidConfig.

    >>> parse_ready(f"cloudpilot-ready {UUID(int=0)} read-all SHA256:" + "a" * 43).privilege
    <Privilege.READ_ALL: 'read-all'>
    """
    server_id, words = _words_after(READY, text)
    levels = [level for level in Privilege if words[:1] == [level.value]]
    keys = words[1:]
    if not levels or not keys or not all(_FINGERPRINT.fullmatch(word) for word in keys):
        raise InvalidConfig(_NOT_WHOLE)
    return Ready(server_id, levels[0], tuple(dict.fromkeys(keys)))


def parse_removed(text: str, server_id: UUID) -> Removed:
    """The last line of what the removing command printed on that server; raises InvalidConfig."""
    said_by, words = _words_after(REMOVED, text)
    if said_by != server_id:
        raise InvalidConfig("This line is of another server.")
    said = dict(word.split("=", 1) for word in words if "=" in word)
    if sorted(said) != sorted(THINGS) or not set(said.values()) <= {"gone", "kept"}:
        raise InvalidConfig(_NOT_WHOLE)
    return Removed({thing: said[thing] == "gone" for thing in THINGS})


def parse_fingerprints(text: str, server_id: UUID) -> tuple[str, ...]:
    """The host keys in that server's line, or in what `ssh-keygen -lf` prints.

    Raises InvalidConfig, also for the line of another server.

    >>> parse_fingerprints("256 SHA256:" + "a" * 43 + " root@web (ED25519)", UUID(int=0))
    ('SHA256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',)
    """
    if READY in text:
        ready = parse_ready(text)
        if ready.server_id != server_id:
            raise InvalidConfig("This line is another server's.")
        return ready.host_keys
    words = [word for word in text.split() if word.startswith("SHA256:")]
    if not words or not all(_FINGERPRINT.fullmatch(word) for word in words):
        raise InvalidConfig("Paste what `ssh-keygen -lf` prints: a fingerprint is SHA256:…")
    return tuple(dict.fromkeys(words))


def _words_after(beginning: str, text: str) -> tuple[UUID, list[str]]:
    found = [line.split() for line in text.splitlines()]
    words = next((line[1:] for line in reversed(found) if line[:1] == [beginning]), [])
    if not words:
        raise InvalidConfig(f"Paste the last line that it printed; it begins with {beginning}.")
    if not _UUID.fullmatch(words[0]):
        raise InvalidConfig(_NOT_WHOLE)
    return UUID(words[0]), words[1:]


def _as_root(script: str, words: str) -> str:
    become_root = '$([ "$(id -u)" = 0 ] || echo sudo)'
    # Packed: a terminal that edits no lines takes 4,095 characters of one.
    packed = b64encode(gzip.compress(_without_comments(source(script)), mtime=0)).decode()
    return f"echo {packed} | base64 -d | gzip -d | {become_root} bash -s -- {words}"


def _without_comments(script: bytes) -> bytes:
    return re.sub(rb"(?m)^ *#.*\n|^\n", b"", script)


def _uninstall_words(
    server_id: UUID, username: str, keep: bool, roots: Sequence[str]
) -> tuple[str, ...]:
    archives = "keep" if keep else "empty"
    return str(server_id), _plain(username), archives, _encoded("\n".join((*roots, ".")))


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def _plain(username: str) -> str:
    if not _USERNAME.fullmatch(username):
        raise InvalidConfig("A user name has lower-case letters, digits, - and _, like cloudpilot.")
    return username
