"""The archive of a snapshot tree, which an upload makes and sends at once; tree_pack.sh."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cloudpilot.engine.program import quoted_words, source
from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import Compression, Privilege

__all__ = ["PROGRAMS", "Packed", "packing"]

SCRIPTS = ("publish", "rights", "room", "measure", "judge", "stream", "packing", "tree_lists")
LAST = "tree_pack"
PROGRAMS = ("pack.pl", "entry.pl", "stream.pl")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Packed:
    """A tree and how it is packed.

    name    of its folder
    size    bytes of all its files
    sha256  of its index
    paths   that it is of
    plan    JSON: becomes manifest.json, the archive's first member
    """

    name: str
    size: int
    sha256: str
    paths: tuple[str, ...]
    backup_root: str
    compression: Compression
    privilege: Privilege
    plan: bytes


def packing(what: Packed) -> Iterable[bytes]:
    """The function that makes the archive, among those of an upload; raises InvalidConfig."""
    if not (_NAME.fullmatch(what.name) and _SHA256.fullmatch(what.sha256)):
        raise InvalidConfig("A tree has a name and a SHA-256.")
    yield quoted_words("paths=(", what.paths) + b" )"
    values = {
        "tree": what.name,
        "tree_size": str(int(what.size)),
        "tree_sha256": what.sha256,
        "backup_root": what.backup_root,
        "compression": what.compression.value,
        "privilege": what.privilege.value,
    }
    for name, value in values.items():
        yield quoted_words("declare", (f"{name}={value}",))
    # Defined when it is called, in a process of its own: an upload has others of these names.
    yield b"packing() {"
    yield b'tiers=("${tiers_archive[@]}")'
    yield from (source(f"{name}.sh") for name in (*SCRIPTS, LAST))
    yield b"pack_tree\n}"
