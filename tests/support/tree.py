"""Comparing trees of files: everything that a backup has to keep.

Names are bytes, since a name need not be text; pathlib knows only text.
"""

# ruff: noqa: PTH115, PTH118, PTH123

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BLOCK = 64 * 1024


@dataclass(frozen=True)
class Entry:
    """What one name stands for. Times in nanoseconds; access and change times are not kept."""

    kind: str
    mode: int
    owner: tuple[int, int]
    modified: int
    size: int
    content: str  # SHA-256, a link's target or a device's numbers
    has_holes: bool
    same_file: tuple[bytes, ...]  # all names of it in this tree, if there are several
    attributes: tuple[tuple[str, bytes], ...]  # ACLs and capabilities are among them


def entries(top: Path) -> dict[bytes, Entry]:
    """Every name below `top`, relative, with "." for itself."""
    names = sorted(_names(os.fsencode(top)))
    by_inode: dict[tuple[int, int], list[bytes]] = {}
    for name in names:
        found = os.lstat(os.path.join(os.fsencode(top), name))
        if not stat.S_ISDIR(found.st_mode):
            by_inode.setdefault((found.st_dev, found.st_ino), []).append(name)
    return {name: _entry(os.path.join(os.fsencode(top), name), by_inode) for name in names}


def assert_same(one: Path, other: Path) -> None:
    """Fails with the names that differ, and how."""
    left, right = entries(one), entries(other)
    assert sorted(left) == sorted(right)
    for name, entry in left.items():
        assert entry == right[name], name


def _names(top: bytes) -> list[bytes]:
    found = [b"."]
    for folder, folders, files in os.walk(top):
        found += [os.path.relpath(os.path.join(folder, name), top) for name in folders + files]
    return found


def _entry(path: bytes, by_inode: dict[tuple[int, int], list[bytes]]) -> Entry:
    found = os.lstat(path)
    kind = stat.S_IFMT(found.st_mode)
    is_file = stat.S_ISREG(found.st_mode)
    names = by_inode.get((found.st_dev, found.st_ino), [])
    return Entry(
        kind=f"{kind:o}",
        mode=stat.S_IMODE(found.st_mode),
        owner=(found.st_uid, found.st_gid),
        modified=found.st_mtime_ns,
        size=found.st_size if is_file else 0,
        content=_content(path, found),
        has_holes=is_file and found.st_blocks * 512 + 4096 < found.st_size,
        same_file=tuple(names) if len(names) > 1 else (),
        attributes=tuple(
            (name, os.getxattr(path, name, follow_symlinks=False))
            for name in sorted(os.listxattr(path, follow_symlinks=False))
        ),
    )


def _content(path: bytes, found: os.stat_result) -> str:
    if stat.S_ISREG(found.st_mode):
        with open(path, "rb") as file:
            if found.st_blocks * 512 < found.st_size:
                return _between_holes(file)
            return hashlib.file_digest(file, "sha256").hexdigest()
    if stat.S_ISLNK(found.st_mode):
        return os.fsdecode(os.readlink(path))
    return str(found.st_rdev)


def _between_holes(file: BinaryIO) -> str:
    """Of a file with holes: its blocks that are not zero, each with its place, wherever the file
    system has put the holes. To read gigabytes of nothing takes long."""
    digest, end = hashlib.sha256(), file.seek(0, os.SEEK_END)
    at = 0
    while at < end:
        try:
            at = os.lseek(file.fileno(), at, os.SEEK_DATA) // BLOCK * BLOCK
        except OSError:  # only a hole follows
            break
        block = os.pread(file.fileno(), BLOCK, at)
        if block.strip(b"\0"):
            digest.update(b"%d " % at + block)
        at += BLOCK
    return digest.hexdigest()
