"""What a server runs, put together from files and quoted words. Pure: bytes in, bytes out."""

import re
from dataclasses import dataclass

from cloudpilot.engine.logins import Login
from cloudpilot.engine.program import quoted_words, source
from cloudpilot.errors import InvalidConfig, InvalidPath
from cloudpilot.excludes import distinct, filters, is_inside, merged, options
from cloudpilot.kinds import Compression, Privilege
from cloudpilot.secrets import Secret

__all__ = ["Chain", "Contents", "Dump", "Tree", "backup", "merged"]

# Of which scripts a backup is made, and what they call; those of the dumps stand before the last.
SCRIPTS = ("words", "ending", "prelude", "publish", "rights", "room", "measure", "judge")
DUMP_SCRIPTS = (
    "clients",
    "asking",
    "mysql_asking",
    "postgresql_asking",
    "databases",
    "mysql",
    "mysql_connections",
    "postgresql",
)
CHAIN_SCRIPTS = ("chain",)
STREAM_SCRIPTS = ("parts", "stream")
LAST = ("packing", "archive")
TREE_SCRIPTS = ("rsync", "tree_lists", "judge_rsync", "tree")
TREE_PROGRAMS = ("tree.pl", "progress.pl")
PROGRAMS = ("pack.pl", "entry.pl", "stream.pl")
CHAIN_PROGRAMS = ("state.pl",)
DUMP_PROGRAMS = ("members.pl", "rows.pl", "archive.pl", "grants.pl", "events.pl", "census.pl")
LOCK_SECONDS = 60  # for so long a dump waits for a lock that somebody holds on a table

_UPLOAD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_BASE = re.compile(r"[0-9a-f-]{36}")
_ARCHIVE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")


@dataclass(frozen=True, slots=True)
class Dump:
    """What is dumped with one login.

    names    these databases, or with all_but all that there are without these
    known    what the last backup held of them: what is not there any more is told
    """

    login: Login
    where: str  # in words
    names: tuple[str, ...]
    all_but: bool = False
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """A place in a chain of increments; docs/increments.md.

    key         names the folder of its states on the server
    base        the backup that this one continues; None: it is full and begins a chain
    base_state  the SHA-256 of what that backup has left there
    level       0 for a full one, else one more than its base's
    """

    key: str
    base: str | None = None
    base_state: str = ""
    level: int = 0


@dataclass(frozen=True, slots=True)
class Tree:
    """A snapshot tree in place of an archive; docs/trees.md.

    name         of its folder, e.g. files-20261123-053000Z.tree
    base         the backup whose tree it links to; None: everything is copied
    base_name    what that one's is called
    base_sha256  of its index
    compare      all contents are compared, not only sizes and times
    """

    name: str
    base: str | None = None
    base_name: str = ""
    base_sha256: str = ""
    compare: bool = False


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that a backup is made from: files, databases, or both."""

    paths: tuple[str, ...]
    excludes: tuple[str, ...]  # see excludes.options
    compression: Compression
    archive: str  # the file's name, e.g. files-20261123-053000Z.tar.gz
    backup_root: str
    plan: bytes  # JSON: becomes manifest.json, the archive's first member
    expected_ratio: int = 100  # percent of the tar that the archive is expected to take
    packs_as_before: bool = False  # whether that is what the last one took; else it is what is safe
    privilege: Privilege = Privilege.PLAIN  # what the server was set up for
    dumps: tuple[Dump, ...] = ()
    lock_seconds: int = LOCK_SECONDS
    streamed: bool = False  # no archive stays: the upload of this id frees what it has sent
    upload_id: str = ""
    tiers: tuple[tuple[int, int], ...] = ()  # of that upload
    chain: Chain | None = None
    tree: Tree | None = None  # files only

    def secrets(self) -> dict[str, Secret]:
        """What goes to the run beside the files: the option file of each login."""
        return {f"login_{number}": dump.login.file() for number, dump in enumerate(self.dumps)}


def backup(what: Contents) -> dict[str, bytes]:
    """The files of the run directory: `script`, what it calls, and `manifest.json`.

    Raises InvalidPath, and InvalidConfig for a pattern that would exclude a path itself or for
    patterns that are too long in all.
    """
    if what.tree:
        names = SCRIPTS + TREE_SCRIPTS
        programs = {name: source(name) for name in TREE_PROGRAMS}
        return {"script": _function(_settings(what), names), "manifest.json": what.plan} | programs
    called = PROGRAMS + (DUMP_PROGRAMS if what.dumps else ())
    called += CHAIN_PROGRAMS if what.chain else ()
    programs = {name: source(name) for name in called}
    return {"script": _script(what), "manifest.json": what.plan} | programs


def _script(what: Contents) -> bytes:
    names = SCRIPTS + (DUMP_SCRIPTS if what.dumps else ())
    names += CHAIN_SCRIPTS if what.chain else ()
    names += (STREAM_SCRIPTS if what.streamed else ()) + LAST
    return _function(_settings(what), names)


def _function(settings: tuple[bytes, ...], names: tuple[str, ...]) -> bytes:
    """All inside one function: of a script that was cut off nothing runs."""
    parts = (
        b"main() {",
        *settings,
        *(source(f"{name}.sh") for name in names),
        b'}\nmain "$@"; exit\n',
    )
    return b"\n".join(parts)


def _settings(what: Contents) -> tuple[bytes, ...]:
    paths = distinct(what.paths) if what.paths or not what.dumps else ()
    inside = next((path for path in paths if is_inside(path, what.backup_root)), None)
    if inside:
        raise InvalidPath(f"{inside} is where backups are kept: it cannot be backed up to itself.")
    if not _ARCHIVE.fullmatch(what.archive):
        raise InvalidConfig("The archive's name has letters, digits, dots, - and _ only.")
    if what.streamed and not (_UPLOAD.fullmatch(what.upload_id) and what.tiers):
        raise InvalidConfig("What is streamed goes to an upload that has an id and parts.")
    return (
        _array("paths", paths),
        _array("user_excludes", options(what.excludes, paths)),
        _array("engines", tuple(dump.login.engine.value for dump in what.dumps)),
        _array("tiers", tuple(str(int(size)) for tier in what.tiers for size in tier)),
        *(line for number, dump in enumerate(what.dumps) for line in _dump(number, dump)),
        *_values(
            archive=what.archive,
            backup_root=what.backup_root,
            compression=what.compression.value,
            expected_ratio=str(int(what.expected_ratio)),
            packs_as_before="yes" if what.packs_as_before else "",
            privilege=what.privilege.value,
            lock_seconds=str(int(what.lock_seconds)),
            streamed="yes" if what.streamed else "",
            upload_id=what.upload_id,
        ),
        *(_chain(what.chain) if what.chain else ()),
        *(_tree(what, what.tree) if what.tree else ()),
    )


def _tree(what: Contents, tree: Tree) -> tuple[bytes, ...]:
    if what.dumps or what.chain or what.streamed:
        raise InvalidConfig("A snapshot tree is of files alone, and stays on its server.")
    named = all(_ARCHIVE.fullmatch(name) for name in (tree.name, tree.base_name or "none"))
    if not named or not (tree.base is None or _BASE.fullmatch(tree.base)):
        raise InvalidConfig("A tree's name has letters, digits, dots, - and _ only.")
    return (
        _array("filters", filters(what.excludes, distinct(what.paths), what.backup_root)),
        *_values(
            tree=tree.name,
            base_id=tree.base or "",
            base_tree=tree.base_name,
            base_sha256=tree.base_sha256,
            compare="yes" if tree.compare else "",
        ),
    )


def _chain(chain: Chain) -> tuple[bytes, ...]:
    if not _KEY.fullmatch(chain.key) or not (chain.base is None or _BASE.fullmatch(chain.base)):
        raise InvalidConfig("A chain is named by letters, digits and -.")
    return _values(
        chain_key=chain.key,
        chain_base=chain.base or "",
        chain_state=chain.base_state,
        chain_level=str(int(chain.level)),
    )


def _dump(number: int, dump: Dump) -> tuple[bytes, ...]:
    """The settings of one login, each with its number in its name."""
    return (
        _array(f"names_{number}", dump.names),
        _array(f"known_{number}", dump.known),
        *_values(
            **{f"all_but_{number}": "yes" if dump.all_but else "", f"where_{number}": dump.where}
        ),
    )


def _values(**values: str) -> tuple[bytes, ...]:
    return tuple(quoted_words("declare", (f"{name}={text}",)) for name, text in values.items())


def _array(name: str, words: tuple[str, ...]) -> bytes:
    return quoted_words(f"{name}=(", words) + b" )"
