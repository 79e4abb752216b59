"""Blocks: the members of an archive in the order of folders, cut so that a page needs one or two.

Pure. A line begins with its key, `FOLDER RNAME`, where R is 0 for a folder and 1 for anything else:
all that is in a folder is together, its folders first. All of it is ASCII, without other blanks.
"""

import heapq
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cloudpilot.domain.index import Entry

RUN_LINES = 100_000  # sorted at once: so much is in memory, the rest is compressed
SEGMENT_LINES = 2_000
BLOCK_BYTES = 64 * 1024  # of lines, before they are compressed
_LEVEL = 3
_ABSENT = "-"


@dataclass(frozen=True, slots=True)
class Block:
    """Lines one after the other, compressed; `first` is the key of the first one."""

    first: str
    count: int
    content: bytes


def cut(entries: Iterable[Entry]) -> Iterator[Block]:
    """Blocks of all entries and of the folders that only what is in them tells of, in order.

    Of several members of one name the last one counts, as it does for tar.
    """
    kept: list[str] = []
    size = 0
    for line in _sorted(_with_folders(entries)):
        kept.append(line)
        size += len(line) + 1
        if size >= BLOCK_BYTES:
            yield _block(kept)
            kept, size = [], 0
    if kept:
        yield _block(kept)


def lines(content: bytes) -> list[str]:
    """Those of a block."""
    return zlib.decompress(content).decode().split("\n")


def entry(line: str) -> Entry:
    """What a line says."""
    folder, name, start, end, kind, size, mode, modified, link = line.split(" ")
    return Entry(
        path=f"{folder}/{name[1:]}" if folder else name[1:],
        type=kind,
        start=0 if start == _ABSENT else int(start),
        end=int(end),
        size=int(size),
        mode=None if mode == _ABSENT else int(mode, 8),
        modified=None if modified == _ABSENT else int(modified),
        link=link,
    )


def key(path: str, *, is_folder: bool) -> str:
    """Where the line of that path is.

    >>> key("files/srv", is_folder=True), key("RESTORE.txt", is_folder=False)
    ('files 0srv', ' 1RESTORE.txt')
    """
    folder, _, name = path.rpartition("/")
    return f"{folder} {0 if is_folder else 1}{name}"


def key_of(line: str) -> str:
    """The first two of its words."""
    return " ".join(line.split(" ", 2)[:2])


def within(folder: str) -> tuple[str, str]:
    """The keys of what is in a folder: from the first of these on, before the second."""
    return f"{folder} ", f"{folder}!"


def below(folder: str) -> tuple[str, str]:
    """The keys of what is in the folders of a folder, at any depth."""
    return (f"{folder}/", f"{folder}0") if folder else ("!", "\x7f")


def _line(one: Entry) -> str:
    at = key(one.path, is_folder=one.is_folder)
    mode = _ABSENT if one.mode is None else f"{one.mode:o}"
    modified = _ABSENT if one.modified is None else one.modified
    start = f"{one.start:019d}" if one.end else _ABSENT  # before any that is in the archive
    return f"{at} {start} {one.end} {one.type} {one.size} {mode} {modified} {one.link}"


def _with_folders(entries: Iterable[Entry]) -> Iterator[str]:
    """Lines, with one for each folder above an entry that the entry before is not in."""
    before: list[str] = []
    for one in entries:
        yield _line(one)
        above = one.parent.split("/") if one.parent else []
        if above != before:
            yield from _folders_of(above, before)
            before = above


def _folders_of(above: list[str], before: list[str]) -> Iterator[str]:
    known = 0
    while known < min(len(above), len(before)) and above[known] == before[known]:
        known += 1
    for depth in range(known, len(above)):
        yield _line(Entry("/".join(above[: depth + 1]), "5"))


def _sorted(found: Iterable[str]) -> Iterator[str]:
    """In order, each key once: the last of it, which is the last in the archive."""
    runs: list[list[bytes]] = []
    kept: list[str] = []
    for line in found:
        kept.append(line)
        if len(kept) >= RUN_LINES:
            runs.append(_run(kept))
            kept = []
    kept.sort()
    last = ""
    for line in heapq.merge(kept, *map(_lines_of, runs)):
        if last and key_of(last) != key_of(line):
            yield last
        last = line
    if last:
        yield last


def _run(kept: list[str]) -> list[bytes]:
    """Sorted, and compressed until it is merged with the others."""
    kept.sort()
    return [
        _packed(kept[start : start + SEGMENT_LINES]) for start in range(0, len(kept), SEGMENT_LINES)
    ]


def _lines_of(run: list[bytes]) -> Iterator[str]:
    for segment in run:
        yield from lines(segment)


def _block(kept: list[str]) -> Block:
    return Block(key_of(kept[0]), len(kept), _packed(kept))


def _packed(kept: list[str]) -> bytes:
    return zlib.compress("\n".join(kept).encode(), _LEVEL)
