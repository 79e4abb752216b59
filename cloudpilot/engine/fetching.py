"""Bytes of a backup that lies on its server, while they come; see fetch.sh."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from secrets import token_hex

from cloudpilot.engine.program import Program, quoted_words, source
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed
from cloudpilot.kinds import Compression, Privilege

SILENCE = 50  # seconds without a byte; a router of a PaaS waits for 55
_GREETING = 64 * 1024  # bytes that a login shell may print before

# In the archive: from which byte, how many; in what comes out: how many to pass over, how many.
Cut = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of a backup: `size` is what it has to be in bytes, None if nobody knows."""

    root: str
    backup_id: str
    name: str
    size: int | None = None

    def words(self) -> tuple[str, str, str, str]:
        """As fetch.sh takes them."""
        return self.root, self.backup_id, self.name, "-" if self.size is None else str(self.size)


@dataclass(frozen=True)
class OfTree(Program):
    """Asks for a tar of `members` of a snapshot tree; see tree_fetch.sh.

    sha256   of the tree's index
    entries  how many names all members have together; None: whatever there are
    packed   with gzip
    """

    name: str = "tree_fetch"
    word: str = ""
    root: str = "/"
    backup_id: str = ""
    tree: str = ""
    sha256: str = ""
    members: Sequence[str] = ()
    entries: int | None = None
    packed: bool = False
    privilege: Privilege = Privilege.PLAIN

    def text(self) -> bytes:
        """As Program.text: all of it in one function."""
        values = {
            "word": self.word,
            "root": self.root,
            "backup_id": self.backup_id,
            "tree": self.tree,
            "sha256": self.sha256,
            "entries": "" if self.entries is None else str(self.entries),
            "packed": "yes" if self.packed else "",
            "privilege": self.privilege.value,
        }
        parts = (
            b"cloudpilot_main() {",
            quoted_words("members=(", tuple(self.members)) + b" )",
            *(quoted_words("declare", (f"{name}={text}",)) for name, text in values.items()),
            *(source(f"{name}.sh") for name in ("words", "common", "rights", self.name)),
            b"}\ncloudpilot_main </dev/null\nexit\n",
        )
        return b"\n".join(parts)


def read(
    session: Session, file: Stored, first: int = 0, length: int | None = None, sha256: str = ""
) -> Iterator[bytes]:
    """Its bytes from `first` on, `length` of them or all; the last piece is held back until the
    server has said that it has given all of them.

    sha256  what the whole file's has to be, hashed by the server meanwhile; "": do not ask

    Raises NoBackupDir, ArchiveMissing (it is not there, or of another size), IndexMissing,
    ChecksumMismatch, ReadFailed, PermissionDenied; SshUnreachable.
    """
    words = (str(first), "-" if length is None else str(length), sha256)
    return _fetched(session, (*file.words(), *words))


def read_tar(
    session: Session, file: Stored, compression: Compression, cuts: Sequence[Cut]
) -> Iterator[bytes]:
    """Bytes of the tar inside an archive, unpacked there; raises what `read` does, and
    ChecksumMismatch if a piece cannot be unpacked to its end."""
    numbers = tuple(str(number) for cut in cuts for number in cut)
    return _fetched(session, (*file.words(), "tar", compression.value, *numbers))


def read_tree(session: Session, asked: OfTree) -> Iterator[bytes]:
    """The tar that is asked for, made there while it passes.

    Raises NoBackupDir, ArchiveMissing, ChecksumMismatch (it is not the tree that was made),
    ReadFailed, PermissionDenied, PrivilegeMissing; SshUnreachable.
    """
    mark = token_hex(16)
    return _after_greeting(session, replace(asked, word=mark), mark)


def _fetched(session: Session, words: tuple[str, ...]) -> Iterator[bytes]:
    mark = token_hex(16)
    return _after_greeting(session, Program("fetch", (mark, *words)), mark)


def _after_greeting(session: Session, program: Program, mark: str) -> Iterator[bytes]:
    """What follows the line that begins with `mark`, a word which nothing else can know."""
    said, begun = b"", False
    for piece in session.stream(program, silence=SILENCE):
        if begun:
            yield piece
            continue
        said += piece
        _, found, after = said.partition(f"\n{mark} ".encode())
        _, end, rest = after.partition(b"\n")
        begun = bool(found and end)
        if begun and rest:
            yield rest
        if not begun and len(said) > _GREETING + len(piece):
            raise CommandFailed("The server does not say what it gives.")
