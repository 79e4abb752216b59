"""A restore as a server does it: put together from files and quoted words. Pure.

Three scripts, for runs of one restore that share a folder on the server: `restore`; `undo`, which
puts back what was there before; `forget`, after which that is gone. docs/restore.md
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cloudpilot.engine import restored_databases
from cloudpilot.engine.program import quoted_words, source
from cloudpilot.engine.restored_databases import Target
from cloudpilot.errors import InvalidConfig, InvalidPath
from cloudpilot.excludes import distinct, is_inside, options
from cloudpilot.kinds import Privilege
from cloudpilot.secrets import Secret

SCRIPTS = ("words", "ending", "prelude", "rights", "rootly")
OF_ARCHIVES = ("room", "measure", "curl", "requests", "archives", "unpack", "untar", "swap")
OF_TREE = ("room", "measure", "unpack", "rsync", "tree_lists", "tree_restore", "swap")
DATABASES = ("clients", *restored_databases.SCRIPTS, "members")
PROGRAMS = ("swap.pl",)
DATABASE_PROGRAMS = (*restored_databases.PROGRAMS, "extract.pl")
TREE_PROGRAMS = ("tree.pl", "progress.pl")

_ID = re.compile(r"[0-9a-f-]{36}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive of a restore.

    path  where it lies on the server that restores; "": it is read from a vault, by a signed
          request whose number is its place in the row, counted from 1
    """

    name: str
    size: int  # bytes
    sha256: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Tree:
    """A snapshot tree on the server that restores; docs/trees.md.

    path    its folder; its index lies beside it
    paths   all that it is of
    sha256  of its index
    """

    path: str
    paths: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class Restoration:
    """What one restore does.

    archives  the full one first, then the increments that continue it
    tree      in place of archives
    paths     whole paths that the archives hold; none, if only databases are restored
    databases those of the last archive
    tops      the paths of the backup, in which those lie
    into      a folder below which they go; "": where they were
    excludes  the site's patterns: what they leave out stays
    exact     what the archives do not hold goes; else it stays
    foreign   they are of another server: they bring no devices and no rights
    needed    bytes that they take unpacked; needed_files: and how many files they are
    is_part   that is at most, since they are less than the archives hold
    """

    restore_id: str
    privilege: Privilege
    archives: tuple[Archive, ...]
    paths: tuple[str, ...]
    tops: tuple[str, ...]
    needed: int
    needed_files: int = 0
    is_part: bool = False
    into: str = ""
    excludes: tuple[str, ...] = ()
    exact: bool = True
    foreign: bool = False
    in_clear: bool = False  # http:// is allowed
    databases: tuple[Target, ...] = ()
    tree: Tree | None = None

    def secrets(self) -> dict[str, Secret]:
        """What goes to the run beside the files, besides requests."""
        return restored_databases.secrets(self.databases)


def restore(what: Restoration) -> dict[str, bytes]:
    """The files of the run directory; raises InvalidPath, InvalidConfig."""
    _judge(what)
    scripts = OF_TREE if what.tree else OF_ARCHIVES
    files = _files(_settings(what), scripts, "restore", what.restore_id, what.databases)
    return files | {name: source(name) for name in (TREE_PROGRAMS if what.tree else ())}


def undo(
    restore_id: str, privilege: Privilege, databases: Sequence[Target] = ()
) -> dict[str, bytes]:
    """All as it was before, however far the restore of these databases came."""
    return _files(_common(restore_id, privilege), ("swap",), "undo", restore_id, databases)


def forget(
    restore_id: str, privilege: Privilege, databases: Sequence[Target] = ()
) -> dict[str, bytes]:
    """What was there before goes for good."""
    return _files(_common(restore_id, privilege), ("swap",), "forget", restore_id, databases)


def _files(
    settings: tuple[bytes, ...],
    scripts: tuple[str, ...],
    last: str,
    restore_id: str,
    databases: Sequence[Target],
) -> dict[str, bytes]:
    """All inside one function: of a script that was cut off nothing runs."""
    key = restore_id.replace("-", "")
    its_own = restored_databases.settings(databases, key) if databases else ()
    names = (*SCRIPTS, *scripts, *(DATABASES if databases else ()), last)
    sources = (source(f"{name}.sh") for name in names)
    parts = (b"main() {", *settings, *its_own, *sources, b'}\nmain "$@"; exit\n')
    programs = (*PROGRAMS, *(DATABASE_PROGRAMS if databases else ()))
    return {"script": b"\n".join(parts)} | {name: source(name) for name in programs}


def _judge(what: Restoration) -> None:
    for path in distinct(what.paths) if what.paths else ():
        if path == "/" and not what.into:
            raise InvalidPath("The whole of / can only be restored into a folder.")
    if what.into and (distinct([what.into]) == ("/",)):
        raise InvalidPath("Choose a folder that is not / itself.")
    if bool(what.archives) is bool(what.tree) or (what.tree and what.databases):
        raise InvalidConfig("Files come from archives or from a tree; databases from archives.")
    if any(not _NAME.fullmatch(one.name) for one in what.archives):
        raise InvalidConfig("An archive's name has letters, digits, dots, - and _ only.")
    hashes = [one.sha256 for one in what.archives] + ([what.tree.sha256] if what.tree else [])
    if not all(map(_SHA256.fullmatch, hashes)) or any(one.size <= 0 for one in what.archives):
        raise InvalidConfig("What is restored has a size and a SHA-256.")


def _settings(what: Restoration) -> tuple[bytes, ...]:
    paths = distinct(what.paths) if what.paths else ()
    return (
        *_common(what.restore_id, what.privilege),
        _array("archives", tuple(one.name for one in what.archives)),
        _array("archive_sizes", tuple(str(int(one.size)) for one in what.archives)),
        _array("archive_hashes", tuple(one.sha256 for one in what.archives)),
        _array("archive_places", tuple(one.path for one in what.archives)),
        *(_of_tree(what.tree) if what.tree else ()),
        _array("paths", paths),
        _array("tops", tuple(_top(path, what.tops) for path in paths)),
        _array("user_excludes", options(what.excludes, what.tops) if paths else ()),
        *_values(
            into=what.into,
            exact="yes" if what.exact else "no",
            foreign="yes" if what.foreign else "",
            needed=str(int(what.needed)),
            needed_files=str(int(what.needed_files)),
            is_part="yes" if what.is_part else "",
            in_clear="yes" if what.in_clear else "",
        ),
    )


def _of_tree(tree: Tree) -> tuple[bytes, ...]:
    return (
        _array("tree_paths", distinct(tree.paths)),
        *_values(tree=tree.path, tree_sha256=tree.sha256),
    )


def _top(path: str, tops: tuple[str, ...]) -> str:
    """The innermost of the backup's own paths that it lies in; raises InvalidPath."""
    inside = [top for top in tops if is_inside(path, top)]
    if not inside:
        raise InvalidPath(f"{path} is not in this backup.")
    return max(inside, key=len)


def _common(restore_id: str, privilege: Privilege) -> tuple[bytes, ...]:
    if not _ID.fullmatch(restore_id):
        raise InvalidConfig("A restore is named by its id.")
    return _values(restore_id=restore_id, privilege=privilege.value)


def _values(**values: str) -> tuple[bytes, ...]:
    return tuple(quoted_words("declare", (f"{name}={text}",)) for name, text in values.items())


def _array(name: str, words: tuple[str, ...]) -> bytes:
    return quoted_words(f"{name}=(", words) + b" )"
