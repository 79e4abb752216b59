"""Canaries: values that must stay secret, looked for ten times a second wherever they could sing.

A test names the places: command lines and environments of all processes of this machine, which is
panel and server at once, files and folders, and whatever else it can turn into bytes.
"""

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import psycopg

from tests.support import postgres

EVERY = 0.1  # seconds
SQLITE = re.compile(r"\.db(-wal|-shm|-journal)?$")
FILE_AT_MOST = 4 * 2**20  # bytes of one file that are looked through
Places = Callable[[], Mapping[str, bytes]]


@dataclass
class Sightings:
    """What was seen where, and how often somebody looked."""

    canaries: dict[str, bytes] = field(default_factory=dict)  # by name
    seen: set[tuple[str, str]] = field(default_factory=set)  # of a canary's name and a place
    rounds: int = 0

    def plant(self, name: str, value: str) -> None:
        """From now on `value` is looked for."""
        assert len(value) >= 8, f"{name} would be found in innocent words"
        self.canaries[name] = value.encode()

    def look_through(self, place: str, content: bytes, *, but: tuple[str, ...] = ()) -> None:
        """Remember which canaries are in `content`; `but` are allowed there."""
        for name, value in list(self.canaries.items()):
            if value in content and name not in but:
                self.seen.add((name, place))

    def saw(self, name: str, place: str) -> bool:
        """Whether that canary was seen in a file or place whose name begins so."""
        return any(seen == name and Path(at).name.startswith(place) for seen, at in self.seen)


@contextmanager
def watching(sightings: Sightings, *places: Places) -> Iterator[None]:
    """Look through all places again and again until the block ends; an error in it is raised."""
    over = Event()

    def look() -> None:
        while not over.wait(EVERY):
            for contents in places:
                for place, content in contents().items():
                    sightings.look_through(place, content)
            sightings.rounds += 1

    with ThreadPoolExecutor(1, "canaries") as executor:
        looking = executor.submit(look)
        try:
            yield
        finally:
            over.set()
        looking.result()


def processes(configured: Callable[[], set[int]]) -> Places:
    """Command lines and environments of all processes.

    configured  those that a platform configures by their environment: theirs, and those of the
                processes below them, are places of another name, "configuration of …"
    """

    def contents() -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                line = _line(int(process.name))
            except OSError:
                continue  # it has ended
            command, environ = (_read(process / file) for file in ("cmdline", "environ"))
            given = line & configured()  # asked late: who has just begun is known by now
            name = _name(process)  # asked once: it may end at any moment
            for kind, content in (
                ("cmdline", command),
                ("configuration" if given else "environ", environ),
            ):
                place = f"{kind} of {name}"
                found[place] = found.get(place, b"") + content
        return found

    return contents


def files(*folders: Path) -> Places:
    """Whatever lies below these folders, and files that are named themselves."""

    def contents() -> dict[str, bytes]:
        found = {}
        for folder in folders:
            for file in [folder] if folder.is_file() else _below(folder):
                try:
                    if file.is_file() and not file.is_symlink():
                        found[str(file)] = _content(file)
                except OSError:
                    continue  # it was removed meanwhile
        return found

    return contents


def _content(file: Path) -> bytes:
    """The beginning of it. Who closes a file gives up all locks that the process has on it: those
    of SQLite would be lost, and another process would cut off the memory that it shares with us."""
    if SQLITE.search(file.name):
        command = ["head", "-c", str(FILE_AT_MOST), file]
        return subprocess.run(command, check=False, capture_output=True).stdout
    with file.open("rb") as opened:
        return opened.read(FILE_AT_MOST)


def _below(folder: Path) -> Iterator[Path]:
    """All that is there but the databases of the panels of all tests, see `tables`; what is renamed
    or removed meanwhile is seen the next time."""
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(postgres.PREFIX)]
        yield from (Path(path, name) for name in names)


def tables(url: str) -> Places:
    """Every row of every table of a PostgreSQL database, as text."""
    found = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"

    def contents() -> dict[str, bytes]:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as database:
            names = [name for (name,) in database.execute(found)]
            rows = (f"SELECT string_agg(t::text, ' ') FROM {name} t" for name in names)
            said = (database.execute(query.encode()).fetchone() for query in rows)
            return {"the database": b" ".join(row[0].encode() for row in said if row and row[0])}

    return contents


def _line(pid: int) -> set[int]:
    """It and whom it descends from, by field 4 of stat; raises OSError if one has ended."""
    found = set()
    while pid > 1:
        found.add(pid)
        stat = Path(f"/proc/{pid}/stat").read_text()
        pid = int(stat.rpartition(") ")[2].split()[1])
    return found


def _read(file: Path) -> bytes:
    """Nothing of what has ended, is the kernel's, or another's."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "a process that has ended"
