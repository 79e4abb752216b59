"""domain.retention, and domain.restorable: what goes, what stays, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudpilot.domain import retention
from cloudpilot.domain.restorable import SERVER, Item, Outcome, good, usual, whole
from cloudpilot.domain.retention import Reason, Rules, Verdict

DAY = timedelta(days=1)
START = datetime(2026, 1, 1, 3, tzinfo=UTC)
NOW = START + 400 * DAY
NIGHTLY, WEEKLY = UUID(int=1001), UUID(int=1002)
OFFSITE = "0ff51te"
BOTH = frozenset({SERVER, OFFSITE})
NO_RULES: Mapping[UUID | None, Rules] = {}


def item(day: float, *, days: float = 30, number: int | None = None, **also: Any) -> Item:
    """A good backup of that day, on the server; its id is the day's number."""
    at = START + day * DAY
    known: dict[str, Any] = {"outcome": Outcome.COMPLETED, "places": frozenset({SERVER})}
    row_id = UUID(int=int(day) + 1 if number is None else number)
    return Item(row_id, at, at + days * DAY, **(known | also))


def failed(day: float, **also: Any) -> Item:
    return item(day, **({"outcome": Outcome.FAILED, "places": frozenset()} | also))


def verdicts(
    items: Iterable[Item], rules: Mapping[UUID | None, Rules] = NO_RULES, now: datetime = NOW
) -> dict[int, Verdict]:
    """By the day's number."""
    found = retention.decide(list(items), rules, now, {OFFSITE: "in Offsite"})
    return {verdict.id.int - 1: verdict for verdict in found}


def stay(
    items: Iterable[Item], rules: Mapping[UUID | None, Rules] = NO_RULES, now: datetime = NOW
) -> dict[int, Reason]:
    found = verdicts(items, rules, now).items()
    return {day: verdict.reason for day, verdict in found if verdict.keep}


def test_nothing_is_decided_of_nothing() -> None:
    assert retention.decide([], {}, NOW) == []


def test_days_are_over_at_the_moment_they_end() -> None:
    items = [item(0), item(1)]
    just_before = START + 30 * DAY - timedelta(microseconds=1)
    assert stay(items, now=just_before) == {0: Reason.DAYS, 1: Reason.DAYS}
    assert stay(items, now=START + 30 * DAY) == {1: Reason.DAYS}
    found = verdicts(items, now=START + 30 * DAY)
    assert found[0].detail == "Goes: its 30 days were over on 2026-01-31."
    assert found[1].detail == "Kept until its 30 days are over on 2026-02-01."
    found = verdicts([item(0, days=1), item(1, days=0.1), item(2)])
    assert found[0].detail == "Goes: its 1 day was over on 2026-01-02."
    assert found[1].detail == "Goes: its time was over on 2026-01-02."


def test_what_is_under_way_or_pinned_stays() -> None:
    active = item(1, outcome=Outcome.ACTIVE, places=frozenset())
    items = [item(0, pinned=True), active, item(2)]
    assert stay(items) == {0: Reason.PINNED, 1: Reason.ACTIVE, 2: Reason.NEWEST_GOOD}
    said = [verdict.detail for verdict in verdicts(items).values()]
    assert said[1:] == ["Kept: it is under way.", "Kept because it is pinned."]


def test_the_newest_good_copy_of_each_place_stays() -> None:
    items = [item(0, places=BOTH), item(1, places=BOTH), item(2), item(3)]
    assert stay(items) == {1: Reason.NEWEST_GOOD, 3: Reason.NEWEST_GOOD}
    found = verdicts(items)
    assert found[1].detail == "Kept because it is the newest good copy in Offsite."
    assert found[3].detail == "Kept because it is the newest good copy on the server."
    both = verdicts([item(0, places=BOTH)])[0]
    assert both.detail == "Kept because it is the newest good copy in Offsite and on the server."
    (unnamed,) = retention.decide([item(0, places=BOTH)], {}, NOW)
    assert unnamed.detail == "Kept because it is the newest good copy in a vault and on the server."


@pytest.mark.parametrize(
    "bad",
    [
        {"seriously_warned": True},
        {"required_offsite_missing": True},
        {"size": 49, "usual": 100},
        {"places": frozenset()},
        {"level": 1, "chain": UUID(int=77)},  # its full backup is gone
        {"level": 1},
    ],
)
def test_what_is_not_good_replaces_nothing(bad: dict[str, Any]) -> None:
    items = [item(0), item(1), item(2, days=500, **bad)]
    found = stay(items)
    assert found[1] is Reason.NEWEST_GOOD
    assert 0 not in found
    assert [one.id.int for one in good(items)] == [2, 1]


@pytest.mark.parametrize(
    "fine",
    [
        {"size": 50, "usual": 100},
        {"size": 49, "usual": None},
        {"size": None, "usual": 100},
        {"size": 0, "usual": 0},
    ],
)
def test_half_of_what_is_usual_is_good(fine: dict[str, Any]) -> None:
    assert stay([item(0), item(1, **fine)]) == {1: Reason.NEWEST_GOOD}


def test_the_newest_without_serious_warnings_stays() -> None:
    items = [
        item(0),
        item(1, size=1, usual=100),
        item(2, size=1, usual=100),
        item(3, seriously_warned=True),
    ]
    assert stay(items) == {0: Reason.NEWEST_GOOD, 2: Reason.NEWEST_CLEAN}


def test_where_nothing_is_good_the_newest_stays() -> None:
    bad = {"seriously_warned": True}
    items = [item(0, places=BOTH, **bad), item(1, places=BOTH, **bad), item(2, **bad)]
    assert stay(items) == {1: Reason.NEWEST_THERE, 2: Reason.NEWEST_THERE}
    said = verdicts(items)[1].detail
    assert said == "Kept because it is the newest copy in Offsite: there is no good one."


def test_while_the_latest_attempt_failed_nothing_goes_that_holds_anything() -> None:
    items = [
        item(0),
        failed(1),
        failed(2, places=frozenset({SERVER})),
        item(3, places=frozenset()),
        item(4),
        failed(5),
        failed(6, stopped=True),
        item(7, outcome=Outcome.ACTIVE, places=frozenset()),
    ]
    assert stay(items) == {
        0: Reason.FROZEN,
        2: Reason.FROZEN,
        3: Reason.FROZEN,
        4: Reason.NEWEST_GOOD,
        5: Reason.FROZEN,  # what says so does not go either
        7: Reason.ACTIVE,
    }
    said = "Kept because the latest attempt, of 2026-01-06 03:00 UTC, failed."
    assert verdicts(items)[0].detail == f"{said} Until one succeeds, nothing goes."
    assert stay([*items, item(8)]) == {7: Reason.ACTIVE, 8: Reason.NEWEST_GOOD}
    assert stay([item(0), item(1), failed(2, stopped=True)]) == {1: Reason.NEWEST_GOOD}
    assert stay([failed(2, stopped=True)]) == {}


def test_equal_moments_are_told_apart_by_the_id() -> None:
    items = [item(0, number=2), item(0, number=3), item(0, number=1)]
    assert stay(items) == {2: Reason.NEWEST_GOOD}
    assert list(verdicts(items)) == [2, 1, 0]
    assert stay([item(0, number=2), failed(0, number=1)]) == {1: Reason.NEWEST_GOOD}


NIGHTS = [item(day, schedule_id=NIGHTLY) for day in range(400)]


@pytest.mark.parametrize(
    ("rules", "days", "reason"),
    [
        (Rules(last=3), {397, 398}, Reason.LAST),
        (Rules(daily=3), {397, 398}, Reason.DAILY),
        # 2027-02-04 is the last night, a Thursday: Sundays are 395, 388.
        (Rules(weekly=3), {395, 388}, Reason.WEEKLY),
        (Rules(monthly=3), {395, 364}, Reason.MONTHLY),  # 31 January, 31 December
        (Rules(yearly=5), {364}, Reason.YEARLY),
    ],
)
def test_a_rule_keeps_the_newest_of_each(rules: Rules, days: set[int], reason: Reason) -> None:
    found = stay(NIGHTS, {NIGHTLY: rules}, NOW + 100 * DAY)
    assert found == {399: Reason.NEWEST_GOOD} | dict.fromkeys(days, reason)


def test_what_rules_say() -> None:
    items = [item(day, schedule_id=NIGHTLY) for day in (0, 1, 31, 32)]
    said = {day: found.detail for day, found in verdicts(items, {NIGHTLY: Rules(last=3)}).items()}
    assert said[31] == "Kept by its schedule as one of the last 3."
    said = {
        day: found.detail for day, found in verdicts(items, {NIGHTLY: Rules(monthly=2)}).items()
    }
    assert said[1] == ("Kept by its schedule as the newest of its month, one a month for 2 months.")
    others = [item(5, schedule_id=WEEKLY)]
    found = verdicts([*items, *others], {WEEKLY: Rules(last=1)})[5]
    assert found.detail == "Kept by its schedule as the last one."


def test_rules_count_only_good_backups_of_their_own_schedule() -> None:
    rules: Mapping[UUID | None, Rules] = {NIGHTLY: Rules(last=2), None: Rules(daily=1)}
    items = [
        item(0, schedule_id=NIGHTLY),
        item(1, schedule_id=NIGHTLY),
        item(2, schedule_id=NIGHTLY, seriously_warned=True),
        failed(3, schedule_id=NIGHTLY),
        item(4, schedule_id=WEEKLY),
        item(5),
        item(6),
        item(7, schedule_id=WEEKLY),
    ]
    found = stay(items, rules)
    assert found == {
        0: Reason.LAST,
        1: Reason.LAST,
        6: Reason.DAILY,
        7: Reason.NEWEST_GOOD,
    }


def test_days_begin_where_the_schedule_is() -> None:
    """At 23:30 UTC it is the next day in Vienna, and at 04:30 the day before in New York."""
    late = [item(0, days=1), item(20.5 / 24, days=1, number=2), item(25.5 / 24, days=1, number=3)]

    def kept(zone: str) -> set[int]:
        return set(stay(late, {None: Rules(daily=9, zone=zone)}))

    assert kept("UTC") == {1, 2}  # 03:00 and 23:30; 04:30 of the next day
    assert kept("Europe/Vienna") == {0, 2}  # 04:00; 00:30 and 05:30
    assert kept("America/New_York") == {0, 2}  # 22:00 of the day before; 18:30 and 23:30


def test_weeks_are_iso_weeks() -> None:
    """2027-01-03 is a Sunday of the last week of 2026, 2026-12-31 the Thursday before."""
    items = [item(364), item(367), item(368)]
    assert set(stay(items, {None: Rules(weekly=2)}, NOW + 60 * DAY)) == {367, 368}


def chain(start: int, *places: frozenset[str], **also: Any) -> list[Item]:
    """A full backup and increments, a day apart."""
    unit = UUID(int=start + 1)
    return [
        item(start + level, chain=unit, level=level, places=there, **also)
        for level, there in enumerate(places)
    ]


def test_a_chain_goes_and_stays_as_one() -> None:
    old, new = chain(0, *[BOTH] * 4), chain(10, *[BOTH] * 3)
    found = verdicts([*old, *new])
    assert {day for day, verdict in found.items() if verdict.keep} == {10, 11, 12}
    assert (found[12].reason, found[10].reason) == (Reason.NEWEST_GOOD, Reason.CHAIN)
    assert found[10].detail == (
        "Kept as a part of the same chain as the backup of 2026-01-13 03:00 UTC."
    )
    old[1] = replace(old[1], pinned=True)
    found = verdicts([*old, *new])
    assert all(verdict.keep for verdict in found.values())
    assert [found[day].reason for day in range(4)] == [
        Reason.CHAIN,
        Reason.PINNED,
        Reason.CHAIN,
        Reason.CHAIN,
    ]


def test_an_increment_under_way_keeps_what_it_builds_on() -> None:
    new = item(3, chain=UUID(int=1), level=2, outcome=Outcome.ACTIVE, places=frozenset())
    found = stay([*chain(0, BOTH, BOTH), new, item(2, places=BOTH)])
    assert found == {
        0: Reason.CHAIN,
        1: Reason.CHAIN,
        2: Reason.NEWEST_GOOD,
        3: Reason.ACTIVE,
    }


def test_an_attempt_that_holds_nothing_is_no_part_of_a_chain() -> None:
    attempt = failed(2, chain=UUID(int=1), level=2, days=500)
    assert stay([*chain(0, BOTH, BOTH), attempt, item(3, places=BOTH)]) == {
        2: Reason.DAYS,
        3: Reason.NEWEST_GOOD,
    }
    attempt = failed(2, chain=UUID(int=1), level=2)
    assert stay([*chain(0, BOTH, BOTH), attempt, item(3)]) == {
        0: Reason.CHAIN,
        1: Reason.NEWEST_GOOD,
        3: Reason.NEWEST_GOOD,
    }


def test_a_copy_counts_where_all_that_it_builds_on_lies() -> None:
    here, there = frozenset({SERVER}), frozenset({OFFSITE})
    items = [item(0), *chain(1, there, BOTH, BOTH, here)]
    places = whole(items)
    assert [places[UUID(int=n)] for n in (1, 2, 3, 4, 5)] == [
        here,
        there,
        there,
        there,
        frozenset(),
    ]
    assert stay(items) == {
        0: Reason.NEWEST_GOOD,
        1: Reason.CHAIN,
        2: Reason.CHAIN,
        3: Reason.NEWEST_GOOD,
        4: Reason.CHAIN,
    }


def test_an_increment_is_as_good_as_its_full_backup() -> None:
    small = chain(1, BOTH, BOTH, size=1, usual=100)
    assert stay([item(0, places=BOTH), *small]) == {
        0: Reason.NEWEST_GOOD,
        1: Reason.CHAIN,
        2: Reason.NEWEST_CLEAN,
    }
    tiny = [*chain(1, BOTH), *chain(1, BOTH, BOTH, size=1, usual=100)[1:]]
    assert stay([item(0, places=BOTH), *tiny])[2] is Reason.NEWEST_GOOD


def test_what_is_usual() -> None:
    assert usual([]) is None
    assert usual([item(0, size=None)]) is None
    sized = [item(day, size=size, usual=1) for day, size in enumerate([999, 10, 20, 30, 40, 50])]
    assert usual(sized) == 30  # of the last five
    assert usual(sized[::-1]) == 30
    assert usual(sized[:2]) == 504
    assert usual([*sized, item(6, size=1, usual=30), failed(7, size=1)]) == 30  # they are not good
    assert usual([*sized, *chain(6, BOTH, BOTH, size=40, usual=1)]) == 40
    # Somebody has said of one that its size is right: it is a beginning.
    assert usual([*sized, item(6, size=5, usual=None)]) == 5
    assert usual([*sized, item(6, size=5, usual=None), item(7, size=8, usual=5)]) == 6


@pytest.mark.parametrize(
    ("days", "rules", "said"),
    [
        (30, Rules(), "For 30 days."),
        (1, Rules(yearly=1), "For 1 day; then one a year for 1 year."),
        (30, Rules(monthly=12), "For 30 days; then one a month for 12 months."),
        (
            7,
            Rules(daily=9, weekly=1),
            "For 7 days, and in any case one a week for 1 week; then one a day for 9 days.",
        ),
        (
            30,
            Rules(last=1, yearly=3),
            "For 30 days, and in any case the last one; then one a year for 3 years.",
        ),
        (
            30,
            Rules(last=5, daily=7),
            "For 30 days, and in any case the last 5 and one a day for 7 days.",
        ),
    ],
)
def test_a_policy_in_plain_language(days: int, rules: Rules, said: str) -> None:
    assert retention.policy_sentence(days, rules) == said


# Whatever a subject looks like.

units = st.sampled_from([None, None, UUID(int=900), UUID(int=901)])
built = st.builds(
    Item,
    id=st.uuids(),
    created_at=st.integers(0, 40).map(lambda n: START + n * DAY / 2),
    expires_at=st.integers(0, 60).map(lambda n: START + n * DAY),
    outcome=st.sampled_from([*Outcome, Outcome.COMPLETED, Outcome.COMPLETED]),
    schedule_id=st.sampled_from([None, NIGHTLY, WEEKLY]),
    places=st.frozensets(st.sampled_from([SERVER, OFFSITE, "other"])),
    size=st.sampled_from([None, 10, 40, 100]),
    usual=st.sampled_from([None, 60, 100]),
    chain=units,
    level=st.integers(0, 3),
    stopped=st.integers(0, 5).map(lambda n: n == 0),
    pinned=st.integers(0, 9).map(lambda n: n == 0),
    seriously_warned=st.integers(0, 3).map(lambda n: n == 0),
    required_offsite_missing=st.integers(0, 3).map(lambda n: n == 0),
)
subjects = st.lists(built, max_size=14, unique_by=lambda one: one.id)
counts = st.integers(0, 4)
policies = st.builds(
    Rules, counts, counts, counts, counts, counts, st.sampled_from(["UTC", "Pacific/Apia"])
)
ruled = st.dictionaries(st.sampled_from([None, NIGHTLY, WEEKLY]), policies)
whenever = st.integers(0, 60).map(lambda n: START + n * DAY)


def kept(items: list[Item], rules: Mapping[UUID | None, Rules], now: datetime) -> set[UUID]:
    return {found.id for found in retention.decide(items, rules, now) if found.keep}


@settings(max_examples=150, deadline=None)
@given(subjects, ruled, whenever, st.randoms(use_true_random=False))
def test_each_is_judged_once_in_whatever_order_they_come(
    items: list[Item], rules: Mapping[UUID | None, Rules], now: datetime, chance: Any
) -> None:
    found = retention.decide(items, rules, now)
    newest_first = sorted(items, key=lambda one: (one.created_at, one.id), reverse=True)
    assert [verdict.id for verdict in found] == [one.id for one in newest_first]
    assert all(verdict.keep is (verdict.reason is not Reason.EXPIRED) for verdict in found)
    assert all(verdict.detail.endswith(".") for verdict in found)
    chance.shuffle(items)
    assert retention.decide(items, rules, now) == found


@settings(max_examples=200, deadline=None)
@given(subjects, ruled, whenever)
def test_what_stays_can_be_relied_upon_as_before(
    items: list[Item], rules: Mapping[UUID | None, Rules], now: datetime
) -> None:
    stays = kept(items, rules, now)
    left = [one for one in items if one.id in stays]
    assert kept(left, rules, now) == stays  # decided again, it is the same

    before, after = whole(items), whole(left)
    assert all(after[one.id] == before[one.id] for one in left)
    for place in (SERVER, OFFSITE, "other"):
        newest, still = (
            next((one for one in good(some) if place in before[one.id]), None)
            for some in (items, left)
        )
        assert newest is still
        assert any(place in where for where in after.values()) is any(
            place in where for where in before.values()
        )
    for one in items:
        is_over = one.outcome is not Outcome.ACTIVE and not one.pinned and one.expires_at <= now
        assert one.id in stays or is_over
    for unit in {one.chain for one in items} - {None}:
        members = {one.id for one in items if one.chain == unit and not one.holds_nothing}
        assert members <= stays or not members & stays


@settings(max_examples=200, deadline=None)
@given(subjects, ruled, whenever, st.data())
def test_to_keep_more_lets_nothing_go(
    items: list[Item], rules: dict[UUID | None, Rules], now: datetime, data: st.DataObject
) -> None:
    stays = kept(items, rules, now)
    assert stays <= kept(items, rules, now - data.draw(counts) * DAY)
    more = data.draw(policies)
    whose = data.draw(st.sampled_from([None, NIGHTLY, WEEKLY]))
    old = rules.get(whose, Rules(zone=more.zone))
    raised = {
        name: getattr(old, name) + getattr(more, name)
        for name in ("last", "daily", "weekly", "monthly", "yearly")
    }
    assert stays <= kept(items, rules | {whose: Rules(**raised, zone=old.zone)}, now)
    for index, one in enumerate(items):
        for changed in (
            replace(one, pinned=True),
            replace(one, expires_at=one.expires_at + 9 * DAY),
        ):
            assert stays <= kept([*items[:index], changed, *items[index + 1 :]], rules, now)


@settings(max_examples=150, deadline=None)
@given(subjects, ruled, whenever, built, st.booleans())
def test_what_is_older_or_has_failed_replaces_nothing(
    items: list[Item], rules: Mapping[UUID | None, Rules], now: datetime, new: Item, older: bool
) -> None:
    stays = kept(items, rules, now)
    if older:
        new = replace(new, created_at=START - DAY, chain=None)
        assert stays <= kept([*items, new], rules, now)
    else:
        new = replace(new, created_at=START + 50 * DAY, outcome=Outcome.FAILED, stopped=False)
        holding = {one.id for one in items if not one.holds_nothing}
        assert holding | {new.id} <= kept([*items, new], rules, now)
