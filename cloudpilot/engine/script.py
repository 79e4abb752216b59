"""What a server runs, put together from files and quoted words. Pure: bytes in, bytes out."""

import re
from base64 import b64encode
from dataclasses import dataclass
from uuid import UUID

from cloudpilot.engine.excludes import distinct, is_inside, merged, options
from cloudpilot.engine.program import quoted_words, source
from cloudpilot.errors import InvalidConfig, InvalidPath
from cloudpilot.kinds import Compression

__all__ = ["FilesBackup", "files_backup", "merged", "parse_host_keys", "setup_command"]

HOST_KEYS = "cloudpilot-host-keys"  # what the set-up command's last line begins with

_ARCHIVE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


@dataclass(frozen=True, slots=True)
class FilesBackup:
    """Everything that a backup of files is made from."""

    paths: tuple[str, ...]
    excludes: tuple[str, ...]  # see excludes.options
    compression: Compression
    archive: str  # the file's name, e.g. files-20261123-053000Z.tar.gz
    backup_root: str
    plan: bytes  # JSON: becomes manifest.json, the archive's first member
    expected_ratio: int = 100  # percent of the tar that the archive is expected to take


def files_backup(what: FilesBackup) -> dict[str, bytes]:
    """The files of the run directory: `script`, `pack.pl` and `manifest.json`.

    Raises InvalidPath, and InvalidConfig for a pattern that would exclude a path itself or for
    patterns that are too long in all.
    """
    return {"script": _script(what), "pack.pl": source("pack.pl"), "manifest.json": what.plan}


def setup_command(server_id: UUID, public_key: str) -> str:
    """One line to paste on the server as root, of constants, base64 and the id alone.

    It makes the user, puts the panel's key in its place and prints the host keys' fingerprints.
    """
    script, key = b64encode(source("setup.sh")).decode(), b64encode(public_key.encode()).decode()
    become_root = '$([ "$(id -u)" = 0 ] || echo sudo)'
    return f"echo {script} | base64 -d | {become_root} bash -s -- {server_id} {key}"


def parse_host_keys(text: str) -> tuple[str, ...]:
    """The fingerprints in what the set-up command printed; raises InvalidConfig.

    >>> parse_host_keys("cloudpilot-host-keys SHA256:" + "a" * 43)
    ('SHA256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',)
    """
    found = [line.split() for line in text.splitlines() if line.strip().startswith(HOST_KEYS)]
    words = found[-1][1:] if found else []
    if not words:
        raise InvalidConfig(f"Paste the last line that it printed; it begins with {HOST_KEYS}.")
    if not all(_FINGERPRINT.fullmatch(word) for word in words):
        raise InvalidConfig("The line is not whole: copy all of it, from first word to last.")
    return tuple(dict.fromkeys(words))


def _script(what: FilesBackup) -> bytes:
    """All inside one function: of a script that was cut off nothing runs."""
    parts = (
        b"main() {",
        *_settings(what),
        *(source(f"{name}.sh") for name in ("prelude", "measure", "judge", "files")),
        b'}\nmain "$@"; exit\n',
    )
    return b"\n".join(parts)


def _settings(what: FilesBackup) -> tuple[bytes, ...]:
    paths = distinct(what.paths)
    inside = next((path for path in paths if is_inside(path, what.backup_root)), None)
    if inside:
        raise InvalidPath(f"{inside} is where backups are kept: it cannot be backed up to itself.")
    if not _ARCHIVE.fullmatch(what.archive):
        raise InvalidConfig("The archive's name has letters, digits, dots, - and _ only.")
    return (
        _array("paths", paths),
        _array("user_excludes", options(what.excludes, paths)),
        *(
            quoted_words("declare", (f"{name}={value}",))
            for name, value in (
                ("archive", what.archive),
                ("backup_root", what.backup_root),
                ("compression", what.compression.value),
                ("expected_ratio", str(int(what.expected_ratio))),
            )
        ),
    )


def _array(name: str, words: tuple[str, ...]) -> bytes:
    return quoted_words(f"{name}=(", words) + b" )"
