"""Names by which a snapshot is found again, and what people type made fit for a provider."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cloudpilot import clock
from cloudpilot.errors import InvalidConfig, SnapshotMissing
from cloudpilot.text import decode

PREFIX = "cloudpilot-"
GRACE = timedelta(minutes=10)  # after which what a provider does not list is surely not there
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TAG = re.compile(_UUID)
_OURS = re.compile(rf"{PREFIX}({_UUID})(?:-\d{{1,3}})?")
_MORE = re.compile(r"[A-Za-z0-9,._-]{0,700}", re.ASCII)
_REF = re.compile(
    rf"({_UUID})\|([^|\x00-\x1f]{{0,200}})\|(\d{{1,11}})\|({_MORE.pattern})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Ref:
    """A snapshot's ref, taken apart.

    tag       with which it was started
    instance  of which machine
    at        when it was started, seconds of the epoch: who has just been made may not be listed
    more      what else the provider has said about it: ids, an operation, a count
    """

    tag: str
    instance: str
    at: int
    more: str = ""

    def __str__(self) -> str:
        return "|".join((self.tag, self.instance, str(self.at), self.more))

    @classmethod
    def of(cls, text: str) -> "Ref":
        """Raises SnapshotMissing for what no cloud has ever said.

        >>> Ref.of("3f0c9b1e-7a52-4c1d-9d0e-2b6f8a4c5d6e|i-0a1b2c3d|1764417600|snap-1").more
        'snap-1'
        """
        if found := _REF.fullmatch(text):
            tag, instance, at, more = found.groups()
            return cls(tag, instance, int(at), more)
        raise SnapshotMissing("This is no snapshot's ref.")

    @property
    def is_young(self) -> bool:
        """Whether the provider may have it without listing it."""
        return clock.now() - self.started < GRACE

    @property
    def started(self) -> datetime:
        """When it was started."""
        return datetime.fromtimestamp(self.at, UTC)


def ordered(tag: str, instance: str) -> str:
    """The ref of what is about to be ordered: by it whatever comes of the order is taken back,
    should its answer get lost."""
    return str(Ref(judge_tag(tag), instance, now()))


def now() -> int:
    """The present instant, as refs say it."""
    return int(clock.now().timestamp())


def fit(told: object) -> str:
    """A word of a provider's for a ref's `more`; "" for one that does not fit in."""
    return str(told) if _MORE.fullmatch(str(told)) else ""


def judge_tag(tag: str) -> str:
    """Itself; raises InvalidConfig for what is no UUID in small letters."""
    if not _TAG.fullmatch(tag):
        raise InvalidConfig("A snapshot's tag is a UUID in small letters.")
    return tag


def name_of(tag: str) -> str:
    """What a snapshot is called where names find it.

    >>> tag_in(name_of("3f0c9b1e-7a52-4c1d-9d0e-2b6f8a4c5d6e") + "-1")
    '3f0c9b1e-7a52-4c1d-9d0e-2b6f8a4c5d6e'
    """
    return f"{PREFIX}{judge_tag(tag)}"


def tag_in(name: object) -> str:
    """The tag in such a name; "" if it is not one of ours."""
    found = _OURS.fullmatch(str(name))
    return found.group(1) if found else ""


def is_tag(text: object) -> bool:
    """Whether it is one of ours."""
    return bool(_TAG.fullmatch(str(text)))


def plain(title: str, longest: int) -> str:
    """A title on one line, of letters that every provider takes, no longer than that.

    >>> plain("Shop \\n“Zürich” <b>", 12)
    'Shop Zurich'
    """
    ascii_only = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9 ._:/=+@-]", " ", ascii_only).split()
    return " ".join(words)[:longest].strip()


def host_name(name: str, tag: str) -> str:
    """A name as machines and disks have them, that no other restore has: letters, digits, dashes.

    >>> host_name("Web 1 (Zürich)", "3f0c9b1e-7a52-4c1d-9d0e-2b6f8a4c5d6e")
    'web-1-zurich-3f0c9b1e'
    """
    words = re.sub(r"[^a-z0-9]+", "-", plain(name, 200).lower()).strip("-")
    if not words[:1].isalpha():
        words = f"restored-{words}".strip("-")
    return f"{words[:40].rstrip('-')}-{judge_tag(tag)[:8]}"


def sentence(told: str) -> str:
    """A provider's words as one sentence on one line.

    >>> sentence(" The disk \\n broke. ")
    'The disk broke.'
    """
    return " ".join(decode(told.encode("utf-8", "replace")).split())[:300].rstrip(" .") + "."
