"""What a run takes of the machine that it is on: memory of its processes, room on the disk."""

import re
from dataclasses import dataclass
from pathlib import Path

_MEMORY = re.compile(r"^(?:Rss|Pss):\s+(\d+) kB", re.MULTILINE)


@dataclass
class Watched:
    """The most that was seen.

    memory         kB of one process, all of it; `largest` is its command
    memory_of_all  kB of all that are there at once, shared pages divided
    disk           bytes below the folder; what has no name any more counts, too
    archive        bytes that are left
    """

    memory: int = 0
    largest: str = ""
    memory_of_all: int = 0
    disk: int = 0
    archive: int = 0


def watched(seen: Watched, mark: str, folder: Path) -> None:
    """Look once at all processes that have this mark."""
    of_all = 0
    unnamed: dict[int, int] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"CLOUDPILOT_RUN={mark}".encode() not in (process / "environ").read_bytes():
                continue
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:40]
            whole, shared = map(int, _MEMORY.findall((process / "smaps_rollup").read_text())[:2])
            unnamed |= _unnamed(process)
        except (OSError, ValueError):
            continue  # it has ended
        of_all += shared
        if whole > seen.memory:
            seen.memory, seen.largest = whole, command
    seen.memory_of_all = max(seen.memory_of_all, of_all)
    seen.disk = max(seen.disk, _size(folder / "root") + sum(unnamed.values()))


def _unnamed(process: Path) -> dict[int, int]:
    """Files that it has open and that have no name: bytes by inode."""
    found = {}
    for link in (process / "fd").iterdir():
        if str(link.readlink()).endswith(" (deleted)"):
            state = link.stat()
            found[state.st_ino] = state.st_blocks * 512
    return found


def _size(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.lstat().st_blocks * 512
        except OSError:
            continue  # it has gone
    return total
