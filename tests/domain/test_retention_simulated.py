"""domain.retention over 400 days, beside a slow model that is written from the rules alone.

The model asks of each backup by itself whether it stays, in the words of the documentation, and
knows nothing of how `decide` goes about it.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from cloudpilot.domain import retention
from cloudpilot.domain.restorable import SERVER, Item, Outcome, good, usual
from cloudpilot.domain.retention import Rules

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DAYS = 400
VAULT = "vault"
Policy = Mapping[UUID | None, Rules]


@dataclass
class Model:
    """What stays, said backup by backup."""

    items: list[Item]
    rules: Policy
    now: datetime

    def __post_init__(self) -> None:
        """What is asked again and again is noted, so that 400 days take seconds."""
        newest_first = sorted(self.items, key=lambda one: one.created_at, reverse=True)
        self.completed = [one for one in newest_first if one.outcome == "completed"]
        self.there = {
            (one.chain, one.level, place) for one in self.completed for place in one.places
        }
        self.small = {one.chain or one.id for one in self.items if is_small(one)}
        self.whole = {one.id: self.restores_from(one) for one in self.completed}
        self.sound = [one for one in self.completed if self.is_sound(one)]
        self.sound_ids = {one.id for one in self.sound}
        self.periods = {one.id: self.periods_of(one) for one in self.sound}
        self.latest = self.latest_attempt()
        self.shielded = {one.id for one in self.items if self.is_shielded(one)}
        self.chains = {
            one.chain for one in self.items if one.id in self.shielded and not is_empty(one)
        } - {None}

    def stays(self, one: Item) -> bool:
        """For its own sake, its chain's, or because the latest attempt has failed."""
        if one.id in self.shielded or (one.chain in self.chains and not is_empty(one)):
            return True
        has_failed = self.latest is not None and self.latest.outcome == "failed"
        return has_failed and (not is_empty(one) or one is self.latest)

    def latest_attempt(self) -> Item | None:
        """The newest that is over, those not counted that a person has stopped."""
        over = [one for one in self.items if one.outcome != "active" and not one.stopped]
        return max(over, key=lambda one: (one.created_at, one.id.int), default=None)

    def is_shielded(self, one: Item) -> bool:
        """Whatever becomes of the others of its chain."""
        if one.outcome == "active" or one.pinned or one.expires_at > self.now:
            return True
        if one.outcome == "failed":
            return False
        for place in self.whole[one.id]:
            here = [other for other in self.sound if place in self.whole[other.id]]
            here = here or [other for other in self.completed if place in self.whole[other.id]]
            # (Where there are good ones, one that is not good is nothing.)
            is_here = one.id in self.sound_ids or here[0].id not in self.sound_ids
            if is_here and not any(newer(other, one) for other in here):
                return True
        if self.whole[one.id] and not one.seriously_warned:
            clean = [other for other in self.completed if not other.seriously_warned]
            if not any(newer(other, one) and self.whole[other.id] for other in clean):
                return True
        return one.id in self.sound_ids and self.is_ruled(one)

    def is_ruled(self, one: Item) -> bool:
        """Kept by its schedule: fewer than so many newer ones, or newer days and so on."""
        rule = self.rules.get(one.schedule_id, Rules())
        own = [other for other in self.sound if other.schedule_id == one.schedule_id]
        after = [other for other in own if newer(other, one)]
        if len(after) < rule.last:
            return True
        kept = (rule.daily, rule.weekly, rule.monthly, rule.yearly)
        for index, count in enumerate(kept):
            if not count:
                continue
            names = {self.periods[other.id][index] for other in after}
            if self.periods[one.id][index] not in names and len(names) < count:
                return True
        return False

    def periods_of(self, one: Item) -> list[str]:
        """Its day, week, month and year, where its schedule is."""
        zone = ZoneInfo(self.rules.get(one.schedule_id, Rules()).zone)
        local = one.created_at.astimezone(zone)
        return [local.strftime(form) for form in ("%Y-%m-%d", "%G-%V", "%Y-%m", "%Y")]

    def is_sound(self, one: Item) -> bool:
        """Good: nothing serious is known of it, and it can be restored from somewhere."""
        if one.seriously_warned or one.required_offsite_missing:
            return False
        return (one.chain or one.id) not in self.small and bool(self.whole[one.id])

    def restores_from(self, one: Item) -> set[str]:
        """Places with a copy of it, and with one of each that it builds on."""
        return {
            place
            for place in one.places
            if all((one.chain, level, place) in self.there for level in range(one.level))
        }


def newer(one: Item, other: Item) -> bool:
    return (one.created_at, one.id.int) > (other.created_at, other.id.int)


def is_empty(one: Item) -> bool:
    return one.outcome == "failed" and not one.places


def is_small(one: Item) -> bool:
    """A full backup of less than half of what is usual."""
    known = one.level == 0 and one.size is not None and one.usual is not None
    return known and (one.size or 0) < (one.usual or 0) / 2


@dataclass
class World:
    """One subject through the days: what is asked for, and what befalls it."""

    rules: Policy
    chance: random.Random
    days: int = 30
    chained: int = 0  # increments behind each full backup
    offsite: bool = True
    measured: int = 1  # what is usual is looked up for each, or for each so many
    usual: int | None = None
    items: list[Item] = field(default_factory=list)
    made: int = 0
    deleted: int = 0

    def back_up(self, schedule_id: UUID | None, at: datetime, outcome: str = "") -> None:
        """One attempt, which may fail, be stopped, be warned of, be small, or not be uploaded."""
        self.made += 1
        what = (
            outcome
            or self.chance.choices(
                ["good", "failed", "stopped", "warned", "small", "not uploaded", "half"],
                [80, 6, 2, 3, 3, 4, 2],
            )[0]
        )
        places = {SERVER, VAULT} if self.offsite else {SERVER}
        if what in {"failed", "stopped"}:
            places = set()
        elif what in {"not uploaded", "half"}:
            places = {SERVER}
        new = Item(
            id=UUID(int=self.made),
            created_at=at,
            expires_at=at + self.days * DAY,
            outcome=Outcome.FAILED if what in {"failed", "stopped", "half"} else Outcome.COMPLETED,
            schedule_id=schedule_id,
            places=frozenset(places),
            size=1 if what == "small" else self.chance.randint(80, 120),
            stopped=what == "stopped",
            pinned=self.chance.random() < 0.003,
            seriously_warned=what == "warned",
            required_offsite_missing=what == "not uploaded" and self.offsite,
        )
        new = self._in_chain(new)
        if new.level == 0 and self.made % self.measured == 0:
            self.usual = usual(self.items)
        self.items.append(replace(new, usual=None if new.level else self.usual))

    def _in_chain(self, new: Item) -> Item:
        """On the last completed one, if its chain is short enough."""
        done = [one for one in self.items if one.outcome is Outcome.COMPLETED and one.chain]
        if not self.chained:
            return new
        if not done or done[-1].level >= self.chained or not done[-1].places:
            return replace(new, chain=new.id)
        return replace(new, chain=done[-1].chain, level=done[-1].level + 1)

    def befall(self) -> None:
        """Copies are lost, of one in the vault or all on the server; a pin is taken out."""
        for index, one in enumerate(self.items):
            if self.chance.random() < 0.002:
                self.items[index] = replace(one, places=one.places - {VAULT})
            if one.pinned and self.chance.random() < 0.02:
                self.items[index] = replace(one, pinned=False)
        if self.chance.random() < 0.004:
            self.items = [replace(one, places=one.places - {SERVER}) for one in self.items]

    def expire(self, now: datetime) -> None:
        """Let go what may go, and look at what may not."""
        shuffled = self.chance.sample(self.items, len(self.items))
        stays = {found.id for found in retention.decide(shuffled, self.rules, now) if found.keep}
        model = Model(self.items, self.rules, now)
        assert stays == {one.id for one in self.items if model.stays(one)}, now
        left = [one for one in self.items if one.id in stays]
        if self.chance.random() < 0.2:
            assert newest_good(Model(left, {}, now)) == newest_good(model)
        self.deleted += len(self.items) - len(left)
        self.items = left


def newest_good(model: Model) -> dict[str, UUID]:
    """By place."""
    found: dict[str, UUID] = {}
    for one in sorted(model.sound, key=lambda one: (one.created_at, one.id.int)):
        found |= dict.fromkeys(model.whole[one.id], one.id)
    return found


NIGHTLY, HOURLY, SUNDAYS = (UUID(int=number) for number in (10_001, 10_002, 10_003))
START = datetime(2026, 1, 1, 3, tzinfo=UTC)


@pytest.mark.parametrize(("seed", "chained"), [(1, 0), (2, 6)])
def test_every_night_and_every_sunday(seed: int, chained: int) -> None:
    vienna = "Europe/Vienna"
    rules: Policy = {
        NIGHTLY: Rules(daily=7, weekly=4, zone=vienna),
        SUNDAYS: Rules(monthly=6, yearly=2, zone=vienna),
    }
    world = World(rules, random.Random(seed), days=10, chained=chained)
    for day in range(DAYS):
        at = START + day * DAY
        if 200 <= day < 230:
            world.back_up(NIGHTLY, at, outcome="failed")
        elif not 300 <= day < 320:  # nobody asks for anything
            world.back_up(NIGHTLY, at)
        if at.weekday() == 6:
            world.back_up(SUNDAYS, at + world.chance.choice([0, 1]) * HOUR)
        if world.chance.random() < 0.02:
            world.back_up(None, at + 5 * HOUR)
        world.befall()
        # The clock is wrong for a day: a month ahead would let go what should stay a month.
        world.expire(at + 12 * HOUR + (-40 * DAY if day == 100 else 0 * DAY))
    assert world.made - 150 < world.deleted < world.made
    assert len(world.items) < 150


def test_every_hour() -> None:
    rules: Policy = {HOURLY: Rules(last=12, daily=7, monthly=3, zone="America/New_York")}
    world = World(rules, random.Random(3), days=0, offsite=False, measured=24)
    for hour in range(DAYS * 24):
        at = START + hour * HOUR
        world.back_up(HOURLY, at)
        if hour % 24 == 5:
            world.befall()
            world.expire(at)
    assert world.made - 70 < world.deleted


def test_backups_that_turn_small_for_months_do_not_replace_the_last_whole_one() -> None:
    world = World({}, random.Random(4), days=5)
    for day in range(60):
        world.back_up(NIGHTLY, START + day * DAY, outcome="good")
        world.expire(START + day * DAY + HOUR)
    last = world.items[-1]
    for day in range(60, 200):
        world.back_up(NIGHTLY, START + day * DAY, outcome="small")
        world.expire(START + day * DAY + HOUR)
        assert last in world.items
        assert good(world.items)[0] == last
    # Somebody says that this is its size now: the next ones are measured by it.
    world.items[-1] = replace(world.items[-1], usual=None)
    world.back_up(NIGHTLY, START + 200 * DAY, outcome="small")
    assert world.items[-1].usual == 1
    world.expire(START + 300 * DAY)
    assert good(world.items)[0] == world.items[-1]
    assert last not in world.items
