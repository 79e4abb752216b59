"""Uploads, seen from a server: what it is told, by which requests it sends, what it has sent.

Each part is sent by a request that was signed elsewhere; docs/remote-protocol.md says how.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from cloudpilot.engine.detached import Place
from cloudpilot.engine.packed import PROGRAMS, Packed, packing
from cloudpilot.engine.program import Program, quoted_words, source
from cloudpilot.engine.reaching import Reached, reach
from cloudpilot.engine.requests import NAMES, Request, secrets
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed, InvalidConfig
from cloudpilot.text import decode, lines

__all__ = [
    "Item", "Reached", "Request", "Sending", "Sent", "feed", "files", "reach", "secrets", "sent",
]  # fmt: skip

SCRIPTS = (
    "words", "ending", "prelude", "curl", "requests", "send", "senders", "follow", "maker", "free",
    "parts", "upload",
)  # fmt: skip
TREE_SCRIPTS = tuple("tree_follow" if name == "maker" else name for name in SCRIPTS)
PATIENCE = 6 * 3600  # seconds in which a part is sent again and again
MARGIN = 150  # seconds, five of the slowest looks
MOST_PARTS = 10_000
LARGEST = 10**15 - 1  # bytes

_NAME = re.compile(r"(?:upload-[A-Za-z0-9_-]{1,64}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,150}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NUMBER = r"(?:0|[1-9][0-9]{0,14})"
_PART = re.compile(
    rf"([1-9][0-9]{{0,4}}) ({_NUMBER}) ([0-9a-f]{{32}}) ([A-Za-z0-9+/=_.:-]{{1,64}})"
)
_WHOLE = re.compile(rf"= ({_NUMBER}) ([0-9a-f]{{64}}) ([0-9a-f]{{32}}|-)")


@dataclass(frozen=True, slots=True)
class Item:
    """One object that is sent."""

    name: str  # one of NAMES
    file: str  # its file's name in the backup's directory
    tiers: tuple[tuple[int, int], ...]  # bytes of a part, how many parts of that size


@dataclass(frozen=True, slots=True)
class Sending:
    """What one run sends."""

    upload_id: str  # the same for all runs that go on with this upload: names its receipts
    items: tuple[Item, ...]  # in order, the archive first
    following: str | None  # id of the run that makes the archive; None: it is finished
    size: int | None = None  # of the archive; known if nothing is followed
    sha256: str | None = None
    parallel: int = 4  # parts at once, at most
    whole_md5: bool = False  # the MD5 of each whole object is needed
    in_clear: bool = False  # http:// is allowed
    rate: int | None = None  # bytes a second, at most, in all
    streamed: bool = False  # there will be no local file
    patience: int = PATIENCE
    margin: int = MARGIN  # seconds in which nobody may come with more requests
    tree: Packed | None = None  # the archive is made of a tree, by this very run, and freed


@dataclass(frozen=True, slots=True)
class Sent:
    """What a server says that it has sent of an item. Judged, never believed.

    parts  number, size, MD5 in hexadecimal digits, and the store's Content-MD5 or ETag ("": none)
    """

    size: int
    md5: str  # "" if it was not asked for
    sha256: str
    parts: tuple[tuple[int, int, str, str], ...]


def files(what: Sending) -> dict[str, bytes]:
    """The files of the run directory; raises InvalidConfig."""
    _judge(what)
    parts = (
        b"main() {",
        *_settings(what),
        *(packing(what.tree) if what.tree else ()),
        *(source(f"{name}.sh") for name in (TREE_SCRIPTS if what.tree else SCRIPTS)),
        b'}\nmain "$@"; exit\n',
    )
    beside = {name: source(name) for name in PROGRAMS} if what.tree else {}
    plan = {"manifest.json": what.tree.plan} if what.tree else {}
    return {"script": b"\n".join(parts)} | beside | plan


def feed(
    session: Session, place: Place, requests: Mapping[str, Sequence[Request]], *, seconds: int
) -> None:
    """Hand more requests to a run that is at work; to one that is not, nothing is done.

    May be repeated. What still is missing is in the next report's `wants`.
    """
    words = (place.root, place.backup_id, place.run_id)
    session.run(Program("feed", words, secrets=secrets(requests, seconds=seconds)), timeout=30)


def sent(session: Session, place: Place, upload_id: str) -> Mapping[str, Sent]:
    """The receipts of all items that were sent to their ends; raises CommandFailed."""
    if not _ID.fullmatch(upload_id):
        raise InvalidConfig("An upload's id has only letters, digits, - and _.")
    words = (place.root, place.backup_id, upload_id)
    return parse(session.run(Program("receipts", words), timeout=30))


def parse(answer: bytes) -> Mapping[str, Sent]:
    """What receipts.sh has answered; raises CommandFailed unless every line of it is understood.

    >>> parts, whole = b"1 7 0cc175b9c0f1b6a831c399e269772661 -", b"= 7 " + b"0" * 64 + b" -"
    >>> parse(b"\\n".join((b"item index", parts, whole, b"end")))["index"].parts
    ((1, 7, '0cc175b9c0f1b6a831c399e269772661', ''),)
    """
    found: dict[str, list[str]] = {}
    *said, end = lines(decode(answer, limit=len(answer))) or [""]
    if end != "end":
        raise CommandFailed("The server's receipts are not whole.")
    for line in said:
        word, _, name = line.partition(" ")
        if word == "item":
            if name not in NAMES or name in found:
                raise CommandFailed("The server has receipts of something else.")
            found[name] = []
        elif not found:
            raise CommandFailed("The server's receipts cannot be understood.")
        else:
            found[next(reversed(found))].append(line)
    return MappingProxyType({name: _sent(text) for name, text in found.items()})


def _sent(said: Sequence[str]) -> Sent:
    *parts, whole = said or [""]
    told = _WHOLE.fullmatch(whole)
    receipts = [_PART.fullmatch(line) for line in parts]
    if not told or not all(receipts) or len(parts) > MOST_PARTS:
        raise CommandFailed("The server's receipts cannot be understood.")
    size, sha256, md5 = told.groups()
    read = tuple(
        (int(number), int(bytes_), digest, "" if answer == "-" else answer)
        for number, bytes_, digest, answer in (match.groups() for match in receipts if match)
    )
    return Sent(int(size), "" if md5 == "-" else md5, sha256, read)


def _judge(what: Sending) -> None:
    names = tuple(item.name for item in what.items)
    numbers = [number for item in what.items for tier in item.tiers for number in tier]
    finished = what.following is None
    for wrong, sentence in (
        (
            names[:1] != ("archive",) or names != tuple(name for name in NAMES if name in names),
            "An upload has an archive, and then an index and a manifest.",
        ),
        (
            not all(_NAME.fullmatch(item.file) for item in what.items),
            "A file's name has letters, digits, dots, - and _ only.",
        ),
        (
            not all(_ID.fullmatch(one) for one in (what.upload_id, what.following or "x")),
            "An id has only letters, digits, - and _.",
        ),
        (
            finished and (what.size is None or what.sha256 is None),
            "Of an archive that is finished size and SHA-256 are known.",
        ),
        (finished and what.streamed, "A streamed archive is sent while it is made."),
        (
            what.sha256 is not None and not _SHA256.fullmatch(what.sha256),
            "A SHA-256 is 64 hexadecimal digits.",
        ),
        (
            not all(item.tiers for item in what.items)
            or not all(0 < number <= LARGEST for number in numbers),
            "A plan has parts.",
        ),
        (what.rate is not None and what.rate < 1, "A rate is at least one byte a second."),
    ):
        if wrong:
            raise InvalidConfig(sentence)


def _settings(what: Sending) -> Iterable[bytes]:
    yield quoted_words("items=(", tuple(item.name for item in what.items)) + b" )"
    for item in what.items:
        yield quoted_words("declare", (f"file_{item.name}={item.file}",))
        tiers = tuple(str(int(number)) for tier in item.tiers for number in tier)
        yield quoted_words(f"tiers_{item.name}=(", tiers) + b" )"
    values = {
        "upload_id": what.upload_id,
        "following": what.following,
        "archive_size": _number(what.size),
        "archive_sha256": what.sha256,
        "parallel": _number(max(1, min(what.parallel, 16))),
        "whole_md5": "yes" if what.whole_md5 else "",
        "in_clear": "yes" if what.in_clear else "",
        "rate": _number(what.rate),
        "streamed": "yes" if what.streamed else "",
        "patience": _number(what.patience),
        "margin": _number(what.margin),
    }
    for name, value in values.items():
        yield quoted_words("declare", (f"{name}={value or ''}",))


def _number(value: int | None) -> str:
    return "" if value is None else str(int(value))
