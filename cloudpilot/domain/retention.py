"""Retention: which backups of one subject go, and why each of them goes or stays. Pure.

Whatever the policy says, backups stay while they are under way, pinned or within their days; so do
the newest good copy in each place, and the newest without serious warnings. In a place without a
good one the newest stays that could be restored from there. Rules of schedules come beside days,
never instead. While the latest attempt has failed, nothing goes that holds anything.

A chain is one unit: it goes as a whole, or stays as a whole. What follows the member that is kept
is not needed for it, but the next increment may be about to build on it, and increments are small.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import chain
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from cloudpilot.domain.restorable import SERVER, Item, Outcome, good, whole


class Reason(StrEnum):
    """Why a backup stays, the first that holds; or why it goes."""

    ACTIVE = "active"
    PINNED = "pinned"
    DAYS = "days"
    NEWEST_GOOD = "newest_good"  # in a place
    NEWEST_THERE = "newest_there"  # in a place that has no good one
    NEWEST_CLEAN = "newest_clean"  # without serious warnings
    LAST = "last"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"
    CHAIN = "chain"
    FROZEN = "frozen"
    EXPIRED = "expired"  # it goes


@dataclass(frozen=True, slots=True)
class Rules:
    """What is kept beside days, of good ones: so many of the last, and the newest of each of so
    many days, ISO weeks, months and years that have one at all. Each is 0 or more.

    zone  where a day begins and ends: the schedule's, an IANA name
    """

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a backup; `detail` is a sentence for the page."""

    id: UUID
    keep: bool
    reason: Reason
    detail: str


_PERIODS: Mapping[Reason, tuple[str, Callable[[datetime], Any]]] = {
    Reason.DAILY: ("day", lambda local: local.date()),
    Reason.WEEKLY: ("week", lambda local: local.isocalendar()[:2]),
    Reason.MONTHLY: ("month", lambda local: (local.year, local.month)),
    Reason.YEARLY: ("year", lambda local: local.year),
}
_LENGTHS = {"day": 1, "week": 7, "month": 30, "year": 365}  # days, about
_Found = tuple[Item, Reason, str]


def decide(
    kept: Sequence[Item],
    rules: Mapping[UUID | None, Rules],
    now: datetime,
    called: Mapping[str, str] | None = None,
) -> list[Verdict]:
    """A verdict for each of one subject's backups, the newest first.

    kept    all that were not deleted, in any order, each id once
    rules   of each schedule by its id, and by None of what no schedule has asked for; who is not
            in it has days only
    called  places as a sentence ends with them, e.g. {"<id>": "in Offsite"}

    It is stable: to decide again without those that go keeps all the others.

    >>> first, second, third = (datetime(2026, 1, day, 3, tzinfo=UTC) for day in (1, 2, 3))
    >>> good = {"outcome": Outcome.COMPLETED, "places": frozenset({SERVER})}
    >>> items = [Item(UUID(int=1), first, third, **good), Item(UUID(int=2), second, third, **good)]
    >>> for verdict in decide(items, {}, third): print(verdict.detail)
    Kept because it is the newest good copy on the server.
    Goes: its 2 days were over on 2026-01-03.
    """
    items = sorted(kept, key=lambda item: item.age, reverse=True)
    stays: dict[UUID, tuple[Reason, str]] = {}
    own = chain(_as_they_are(items, now), _newest(items, called or {}), _by_rules(items, rules))
    for item, reason, detail in own:
        stays.setdefault(item.id, (reason, detail))
    for item, reason, detail in chain(_chained(items, set(stays)), _frozen(items)):
        stays.setdefault(item.id, (reason, detail))
    verdicts = []
    for item in items:
        why = stays.get(item.id) or (Reason.EXPIRED, f"Goes: its {_days(item, 'was', 'were')}.")
        verdicts.append(Verdict(item.id, item.id in stays, *why))
    return verdicts


def policy_sentence(days: int, rules: Rules) -> str:
    """A policy in plain language.

    >>> policy_sentence(30, Rules(monthly=12)), policy_sentence(7, Rules(last=3, daily=1))
    ('For 30 days; then one a month for 12 months.', \
'For 7 days, and in any case the last 3 and one a day for 1 day.')
    """
    within = [_last(rules.last).removeprefix("one of ")] if rules.last else []
    then: list[str] = []
    for reason, (period, _) in _PERIODS.items():
        if count := getattr(rules, reason.value):
            is_longer = count * _LENGTHS[period] > days
            said = f"one a {period} for {_counted(count, period)}"
            (then if is_longer else within).append(said)
    sentence = f"For {_counted(days, 'day')}"
    sentence += f", and in any case {_listed(within)}" if within else ""
    return f"{sentence}; then {_listed(then)}." if then else f"{sentence}."


def _as_they_are(items: Sequence[Item], now: datetime) -> Iterator[_Found]:
    for item in items:
        if item.outcome is Outcome.ACTIVE:
            yield item, Reason.ACTIVE, "Kept: it is under way."
        elif item.pinned:
            yield item, Reason.PINNED, "Kept because it is pinned."
        elif now < item.expires_at:
            yield item, Reason.DAYS, f"Kept until its {_days(item, 'is', 'are')}."


def _newest(items: Sequence[Item], called: Mapping[str, str]) -> Iterator[_Found]:
    """Of each place the newest good one, or else the newest; and the newest without warnings."""
    places, seen = whole(items), set[str]()
    good_ones = good(items)
    good_ids = {item.id for item in good_ones}
    for item in chain(good_ones, items):
        new = places[item.id] - seen
        seen |= new
        where = _listed(sorted(_called(place, called) for place in new))
        if new and item.id in good_ids:
            yield item, Reason.NEWEST_GOOD, f"Kept because it is the newest good copy {where}."
        elif new:
            detail = f"Kept because it is the newest copy {where}: there is no good one."
            yield item, Reason.NEWEST_THERE, detail
    for item in items:
        if places[item.id] and not item.seriously_warned:
            detail = "Kept because it is the newest without serious warnings."
            yield item, Reason.NEWEST_CLEAN, detail
            break


def _by_rules(items: Sequence[Item], rules: Mapping[UUID | None, Rules]) -> Iterator[_Found]:
    by_schedule: dict[UUID | None, list[Item]] = {}
    for item in good(items):
        by_schedule.setdefault(item.schedule_id, []).append(item)
    for schedule_id, its in by_schedule.items():
        rule = rules.get(schedule_id, Rules())
        zone = ZoneInfo(rule.zone)
        for item in its[: rule.last]:
            yield item, Reason.LAST, f"Kept by its schedule as {_last(rule.last)}."
        for reason, (period, key) in _PERIODS.items():
            newest: dict[Any, Item] = {}
            for item in its:
                newest.setdefault(key(item.created_at.astimezone(zone)), item)
            count = getattr(rule, reason.value)
            how = f"the newest of its {period}, one a {period} for {_counted(count, period)}"
            for item in list(newest.values())[:count]:
                yield item, reason, f"Kept by its schedule as {how}."


def _chained(items: Sequence[Item], stays: Collection[UUID]) -> Iterator[_Found]:
    """Those of whose chain another one stays; the newest such one is named."""
    named: dict[UUID, Item] = {}
    for item in items:
        if item.id in stays and not item.holds_nothing:
            named.setdefault(item.unit, item)
    for item in items:
        if (other := named.get(item.unit)) and not item.holds_nothing:
            detail = f"Kept as a part of the same chain as the backup of {_moment(other)}."
            yield item, Reason.CHAIN, detail


def _frozen(items: Sequence[Item]) -> Iterator[_Found]:
    """All, if the latest attempt failed that nobody stopped; but for older ones of no use. That
    attempt itself is what tells so, and stays as well."""
    ended = [item for item in items if item.outcome is not Outcome.ACTIVE and not item.stopped]
    if not ended or ended[0].outcome is not Outcome.FAILED:
        return
    detail = f"Kept because the latest attempt, of {_moment(ended[0])}, failed."
    for item in items:
        if item is ended[0] or not item.holds_nothing:
            yield item, Reason.FROZEN, f"{detail} Until one succeeds, nothing goes."


def _called(place: str, called: Mapping[str, str]) -> str:
    return called.get(place) or ("on the server" if place == SERVER else "in a vault")


def _days(item: Item, one: str, many: str) -> str:
    """
    >>> at = datetime(2026, 1, 1, tzinfo=UTC)
    >>> _days(Item(UUID(int=1), at, at + timedelta(days=3), Outcome.FAILED), "was", "were")
    '3 days were over on 2026-01-04'
    """
    days = round((item.expires_at - item.created_at) / timedelta(days=1))
    span = f"{_counted(days, 'day')} {one if days == 1 else many}" if days > 0 else f"time {one}"
    return f"{span} over on {item.expires_at.astimezone(UTC):%Y-%m-%d}"


def _moment(item: Item) -> str:
    return f"{item.created_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _last(count: int) -> str:
    return f"one of the last {count}" if count > 1 else "the last one"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _listed(parts: Sequence[str]) -> str:
    """
    >>> _listed(["a"]), _listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
