"""Backups of one subject as retention sees them, and which of them could be relied upon. Pure.

A subject is one site, or the paths of one server, with one type of backup: what may stand in for
each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from statistics import median
from uuid import UUID

COMPARED = 5  # earlier good backups that a size is compared with
SERVER = "server"  # the place that is no vault and no cloud


class Outcome(StrEnum):
    """How far a backup has come."""

    ACTIVE = "active"  # pending or running
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Item:
    """A backup that has not been deleted; moments are aware.

    places   where a verified copy lies: SERVER, or a vault's or cloud's id; none: it holds nothing
    size     bytes
    usual    bytes that were usual when it ended, see `usual`; None: nothing to compare with
    chain    the id of the full backup that it builds on, its own if it is one; None: no chain
    level    how many it needs to be unpacked before it; 0 is a full backup
    stopped  it failed because a person stopped it
    """

    id: UUID
    created_at: datetime
    expires_at: datetime
    outcome: Outcome
    schedule_id: UUID | None = None
    places: frozenset[str] = frozenset()
    size: int | None = None
    usual: int | None = None
    chain: UUID | None = None
    level: int = 0
    stopped: bool = False
    pinned: bool = False
    seriously_warned: bool = False
    required_offsite_missing: bool = False

    @property
    def age(self) -> tuple[datetime, UUID]:
        """What they are ordered by; equal moments by the id."""
        return self.created_at, self.id

    @property
    def unit(self) -> UUID:
        """What goes or stays as one: its chain, or itself."""
        return self.chain or self.id

    @property
    def holds_nothing(self) -> bool:
        """A failed attempt that left nothing: no chain needs it, and nobody misses it."""
        return self.outcome is Outcome.FAILED and not self.places

    @property
    def is_shrunken(self) -> bool:
        """Less than half of what is usual. Only full backups are compared: how much changed since
        yesterday says nothing of an increment, and it is as good as what it builds on."""
        if self.level or self.size is None or self.usual is None:
            return False
        return self.size * 2 < self.usual


def whole(items: Sequence[Item]) -> Mapping[UUID, frozenset[str]]:
    """Of each by its id, the places from which it could be restored: where a verified copy of it
    lies, and one of each that it builds on. What was not completed is nowhere whole."""
    done = [item for item in items if item.outcome is Outcome.COMPLETED]
    there: dict[tuple[UUID, int], frozenset[str]] = {}
    for item in done:
        step = item.unit, item.level
        there[step] = there.get(step, frozenset()) | item.places
    found = dict.fromkeys((item.id for item in items), frozenset[str]())
    for item in done:
        below = (there.get((item.unit, level), frozenset()) for level in range(item.level))
        found[item.id] = item.places.intersection(*below)
    return found


def good(items: Sequence[Item]) -> list[Item]:
    """Those that could be relied upon, the newest first: whole somewhere, without serious
    warnings, not shrunken, and not without the offsite copy that is required.

    items  all that are left of one subject
    """
    places = whole(items)
    small = {item.unit for item in items if item.is_shrunken}
    found = [
        item
        for item in items
        if places[item.id]
        and item.unit not in small
        and not (item.seriously_warned or item.required_offsite_missing)
    ]
    return sorted(found, key=lambda item: item.age, reverse=True)


def usual(before: Sequence[Item]) -> int | None:
    """The median size of the last five good full backups, in bytes; None if there is none.

    It is noted with a full backup when that ends, and not looked up later: when those that it was
    compared with have gone, a shrunken one would count as good, and let the last whole one go.
    One without `usual` is a beginning; what was before it is not compared with any more. So a
    person who says that a smaller size is right has it forgotten.

    before  what is left of the subject, without the one that ends
    """
    sizes: list[int] = []
    for item in good(before):
        if item.level == 0 and item.size is not None:
            sizes.append(item.size)
            if item.usual is None or len(sizes) == COMPARED:
                break
    return int(median(sizes)) if sizes else None
