"""What a server runs, put together from files and quoted words. Pure: bytes in, bytes out."""

import re
from dataclasses import dataclass

from cloudpilot.engine.program import quoted_words, source
from cloudpilot.errors import InvalidConfig, InvalidPath
from cloudpilot.excludes import distinct, is_inside, merged, options
from cloudpilot.kinds import Compression, Privilege

__all__ = ["FilesBackup", "files_backup", "merged"]

# Of which scripts a backup of files is made.
FILES = ("words", "ending", "prelude", "rights", "measure", "judge", "files")

_ARCHIVE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")


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
    privilege: Privilege = Privilege.PLAIN  # what the server was set up for


def files_backup(what: FilesBackup) -> dict[str, bytes]:
    """The files of the run directory: `script`, `pack.pl` and `manifest.json`.

    Raises InvalidPath, and InvalidConfig for a pattern that would exclude a path itself or for
    patterns that are too long in all.
    """
    return {"script": _script(what), "pack.pl": source("pack.pl"), "manifest.json": what.plan}


def _script(what: FilesBackup) -> bytes:
    """All inside one function: of a script that was cut off nothing runs."""
    parts = (
        b"main() {",
        *_settings(what),
        *(source(f"{name}.sh") for name in FILES),
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
                ("privilege", what.privilege.value),
            )
        ),
    )


def _array(name: str, words: tuple[str, ...]) -> bytes:
    return quoted_words(f"{name}=(", words) + b" )"
