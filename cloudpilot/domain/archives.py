"""What a finished archive is, from the server's own words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudpilot.domain import census
from cloudpilot.errors import CommandFailed

_COUNTS = ("entries", "files", "directories", "symlinks", "hardlinks", "others", "unreadable")
_LATER = (
    "databases",  # how many were dumped
    "measured",  # how many bytes were expected to be packed; see ratios
)
_TOOLS = ("compressor", "hash_tool", "tar", "rsync")
_OF_TREES = ("compared", "whole_because")
NUMBER_AT_MOST = 2**63 - 1
WARNINGS_AT_MOST = 2**31 - 1
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Made:
    """A whole archive: sizes in bytes, its hash, entries by kind, the tools that made it, and what
    is in its dumps (see census.read).

    Or a whole snapshot tree: then `own` are the bytes that no other tree has, the hash is that of
    its index, and `base` is the backup whose tree it links to.
    """

    size: int
    sha256: str
    tar_size: int | None
    counts: Mapping[str, int]
    warnings: int
    tools: Mapping[str, str]
    census: Sequence[Mapping[str, Any]] = ()
    level: int = 0  # of an increment; see chains
    base: str = ""  # the id of the backup that it continues
    state: str = ""  # the SHA-256 of what the next one continues; "": nothing is to continue it
    full_because: str = ""  # a word, if it was to be an increment
    own: int | None = None

    @classmethod
    def parse(cls, result: Mapping[str, str], counted: Sequence[str] = ()) -> "Made":
        """Raises CommandFailed if what the server wrote is not what a whole archive has."""
        is_tree = "tree" in result
        try:
            made = cls(
                size=_number(result["size"]),
                sha256=result["sha256"],
                tar_size=None if is_tree else _number(result["tar_bytes"]),
                counts={key: _number(result[key]) for key in _counted(result)},
                warnings=min(_number(result["warnings"]), WARNINGS_AT_MOST),
                tools=_tools(result, _TOOLS + _OF_TREES if is_tree else _TOOLS),
                census=census.read(counted),
                level=_number(result.get("level", "0")),
                base=result.get("base", ""),
                state=_hash(result.get("state_sha256", "")),
                full_because=result.get("full_because", "")[:50],
                own=_number(result["own"]) if is_tree else None,
            )
        except (KeyError, ValueError) as error:
            raise CommandFailed(f"The server's result cannot be read: {error}.") from error
        if (made.size <= 0 and not is_tree) or not _SHA256.fullmatch(made.sha256):
            raise CommandFailed("The server's result has no size or no SHA-256.")
        return made


def _tools(result: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    return {name: result[name][:200] for name in names if result.get(name)}


def _counted(result: Mapping[str, str]) -> Sequence[str]:
    return (*_COUNTS, *(name for name in _LATER if name in result))


def _hash(text: str) -> str:
    """A SHA-256, or nothing; raises ValueError."""
    if text and not _SHA256.fullmatch(text):
        raise ValueError(f"{text[:30]!r} is no SHA-256")
    return text


def _number(text: str) -> int:
    """Digits as a column of the database can hold them; raises ValueError."""
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= NUMBER_AT_MOST):
        raise ValueError(f"{text[:30]!r} is no number")
    return int(text)
