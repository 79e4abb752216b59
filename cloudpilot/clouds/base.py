"""What CloudPilot asks of a cloud that makes snapshots."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol

from cloudpilot.kinds import CloudKind
from cloudpilot.reports import CheckLine


class State(StrEnum):
    """How a snapshot stands at its provider."""

    PENDING = "pending"
    DONE = "done"  # of every disk
    FAILED = "failed"  # of any disk; `why` says so


@dataclass(frozen=True, slots=True)
class Instance:
    """A machine at the provider."""

    id: str  # all that is needed to find it again; where they have zones, the zone included
    name: str
    addresses: tuple[str, ...]  # public ones first
    region: str  # or zone, as people there call it
    disks: int  # that a snapshot would hold
    size: int | None  # bytes of all of them; None if the provider does not say


@dataclass(frozen=True, slots=True)
class Part:
    """The snapshot of one disk, or of the machine where the provider keeps one for all."""

    id: str
    disk: str  # as the provider calls it
    size: int | None  # bytes of the disk


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All disks of one machine at one time."""

    ref: str  # for `look`, `delete` and `restore`; one snapshot may have several, and one tag
    tag: str  # with which it was started
    instance: str  # id of its machine, "" if nobody knows any more
    state: State
    percent: int | None  # of all of it, 0 to 100, where the provider says
    parts: tuple[Part, ...]
    size: int | None  # bytes that it takes at the provider, or of its disks, where it says
    created_at: datetime
    why: str = ""  # if it has failed: the provider's words, one sentence


@dataclass(frozen=True, slots=True)
class Restored:
    """What was made of a snapshot, beside what there was."""

    kind: str  # "volume", "droplet", "instance", "disk"
    id: str
    name: str
    url: str  # of the provider's console


@dataclass(frozen=True, slots=True)
class Step:
    """How a person goes on by hand: a sentence, and a command to paste if there is one."""

    sentence: str
    command: str = ""


class Cloud(Protocol):
    """A provider's snapshots. Nothing here waits: whoever wants to know looks again.

    Every snapshot carries its tag (the backup's id, a UUID in small letters), and the word
    CloudPilot: by that it is found again, whoever started it and lost the answer.

    Every method may raise CloudDenied (the credentials do not allow it), CloudUnreachable and
    CloudThrottled (transient; the second with `seconds`, after which to come again), CloudRefused
    (no for another reason, in the provider's words) and AddressRefused; they are not repeated
    below. No exception of a provider's library leaves a cloud, no secret is in any message. Calls
    take seconds and are given up by themselves. tests/clouds/contract.py is this docstring in
    executable form.
    """

    kind: ClassVar[CloudKind]

    def instances(self) -> Iterator[Instance]:
        """Every machine that the credentials show; pages lazily."""

    def start(self, instance: str, tag: str, title: str) -> str:
        """Begin a snapshot of all disks of the machine and return its ref at once.

        Started twice with one tag it finds itself, also while the provider does not list it yet,
        as far as that provider makes it possible: docs/clouds.md says which does not.

        title  shown at the provider, any text

        Raises InstanceMissing.
        """

    def look(self, ref: str) -> Snapshot:
        """How it stands; raises SnapshotMissing once the provider surely does not have it."""

    def delete(self, ref: str) -> None:
        """Have all of it removed and see that it is gone; what is not there is gone.

        A snapshot that is still being made is given up. Raises SnapshotStillThere (a StillThere,
        transient) while the provider shows any of it.
        """

    def list(self) -> Iterator[Snapshot]:
        """Every snapshot of ours, whoever made it; nobody is asked before the first is wanted."""

    def restore(self, ref: str, part: str, name: str, tag: str) -> Restored:
        """Make something new of a part, beside what there is; nothing is overwritten or replaced.

        It returns as soon as the provider has taken the order. Asked twice with one tag it is made
        once. Raises SnapshotMissing, and InvalidState where this provider offers no one call that
        does it: `by_hand` says how.
        """

    def by_hand(self, snapshot: Snapshot) -> Sequence[Step]:
        """How a person restores it at the provider, ids filled in; asks nobody."""

    def check(self) -> Sequence[CheckLine]:
        """What the credentials may do, tried without making anything; raises nothing: what fails
        is a line."""

    def policy(self) -> str:
        """The least that the credentials must be allowed, as text to paste at the provider."""

    def price(self, snapshot: Snapshot) -> str:
        """What it costs a month by the provider's list, about, as a sentence that says where the
        figure is from; "" where size or price is not known."""
