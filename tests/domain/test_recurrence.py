"""domain.recurrence: when slots are, where clocks change, and what is refused."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import perf_counter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from cloudpilot.domain import cron, recurrence
from cloudpilot.domain.recurrence import Slots
from cloudpilot.errors import InvalidConfig

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
ZONES = (
    "Europe/Vienna",
    "America/New_York",
    "America/Santiago",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "UTC",
)
# Two days before clocks change, somewhere; and at no time in particular.
SWITCHES = ("2026-03-27", "2026-10-23", "2026-03-06", "2026-10-30", "2026-04-03", "2026-10-02")
SWITCHES += ("2026-09-04", "2026-04-22", "2026-10-28", "2026-09-25", "2026-02-14", "2026-07-01")


def at(text: str) -> datetime:
    """That moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# In UTC, by hand from the rules of each zone. In brackets what clocks on the wall show.
AROUND_A_SWITCH = [
    # Vienna: from 02:00 to 03:00 on 29 March, from 03:00 to 02:00 on 25 October, at 01:00 UTC.
    ("Europe/Vienna", "30 2 * * *", "2026-03-28 12:00", "03-29 01:00, 03-30 00:30"),
    (
        "Europe/Vienna",
        "0,30 2,3 * * *",
        "2026-03-28 12:00",
        "03-29 01:00, 03-29 01:30, 03-30 00:00",
    ),
    ("Europe/Vienna", "30 2 * * *", "2026-10-24 12:00", "10-25 00:30, 10-26 01:30"),
    ("Europe/Vienna", "30 2 * * *", "2026-10-25 00:30", "10-26 01:30"),
    ("Europe/Vienna", "*/15 * * * *", "2026-03-29 00:30", "03-29 00:45, 03-29 01:00, 03-29 01:15"),
    ("Europe/Vienna", "*/15 * * * *", "2026-10-25 00:30", "10-25 00:45, 10-25 01:00, 10-25 01:15"),
    ("Europe/Vienna", "0 * * * *", "2026-10-24 23:00", "10-25 00:00, 10-25 01:00, 10-25 02:00"),
    ("Europe/Vienna", "0 * * * *", "2026-03-29 00:00", "03-29 01:00, 03-29 02:00"),
    ("Europe/Vienna", "*/30 2 * * *", "2026-03-28 02:00", "03-30 00:00, 03-30 00:30"),
    (
        "Europe/Vienna",
        "*/30 2 * * *",
        "2026-10-24 23:00",
        "10-25 00:00, 10-25 00:30, 10-25 01:00, 10-25 01:30, 10-26 01:00",
    ),
    ("Europe/Vienna", "0 0-23 * * *", "2026-10-24 23:30", "10-25 00:00, 10-25 02:00"),
    # New York: from 02:00 to 03:00 on 8 March, from 02:00 to 01:00 on 1 November.
    ("America/New_York", "30 2 * * *", "2026-03-07 12:00", "03-08 07:00, 03-09 06:30"),
    ("America/New_York", "30 1 * * *", "2026-10-31 12:00", "11-01 05:30, 11-02 06:30"),
    ("America/New_York", "0 */2 * * *", "2026-03-08 04:00", "03-08 05:00, 03-08 08:00"),
    ("America/New_York", "0 */2 * * *", "2026-11-01 03:00", "11-01 04:00, 11-01 07:00"),
    # Lord Howe: by half an hour. From 02:00 to 01:30 on 5 April, from 02:00 to 02:30 on 4 October.
    ("Australia/Lord_Howe", "0 2 * * *", "2026-04-04 00:00", "04-04 15:30, 04-05 15:30"),
    ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04 00:00", "04-04 14:45, 04-05 15:15"),
    ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03 00:00", "10-03 15:30, 10-04 15:15"),
    ("Australia/Lord_Howe", "*/15 2 * * *", "2026-04-04 14:00", "04-04 15:30, 04-04 15:45"),
    ("Australia/Lord_Howe", "*/30 * * * *", "2026-04-04 14:00", "04-04 14:30, 04-04 15:00"),
    ("Australia/Lord_Howe", "0 */6 * * *", "2026-04-04 13:30", "04-04 19:30, 04-05 01:30"),
    ("Australia/Lord_Howe", "0 */6 * * *", "2026-10-03 14:00", "10-03 19:00, 10-04 01:00"),
    ("Australia/Lord_Howe", "0 * * * *", "2026-10-03 14:00", "10-03 14:30, 10-03 16:00"),
    # Santiago: at midnight, from 24:00 to 23:00 on 4 April, from 00:00 to 01:00 on 6 September.
    ("America/Santiago", "0 0 * * *", "2026-09-05 12:00", "09-06 04:00, 09-07 03:00"),
    ("America/Santiago", "*/30 0 * * *", "2026-09-05 12:00", "09-07 03:00, 09-07 03:30"),
    ("America/Santiago", "30 23 * * *", "2026-04-04 12:00", "04-05 02:30, 04-06 03:30"),
    (
        "America/Santiago",
        "*/30 * * * *",
        "2026-04-05 02:00",
        "04-05 02:30, 04-05 03:00, 04-05 03:30",
    ),
    # Cairo: at midnight, from 00:00 to 01:00 on 24 April, from 24:00 to 23:00 on 29 October.
    ("Africa/Cairo", "0 0 * * *", "2026-04-23 12:00", "04-23 22:00, 04-24 21:00"),
    ("Africa/Cairo", "30 23 * * *", "2026-10-29 12:00", "10-29 20:30, 10-30 21:30"),
    ("Africa/Cairo", "*/30 * * * *", "2026-10-29 20:00", "10-29 20:30, 10-29 21:00, 10-29 21:30"),
    # Auckland: from 03:00 to 02:00 on 5 April, from 02:00 to 03:00 on 27 September.
    ("Pacific/Auckland", "30 2 * * *", "2026-04-04 00:00", "04-04 13:30, 04-05 14:30"),
    ("Pacific/Auckland", "30 2 * * *", "2026-09-26 00:00", "09-26 14:00, 09-27 13:30"),
    ("Pacific/Auckland", "0 * * * *", "2026-04-04 12:00", "04-04 13:00, 04-04 14:00, 04-04 15:00"),
]


@pytest.mark.parametrize(("zone", "expression", "after", "slots"), AROUND_A_SWITCH)
def test_slots_when_clocks_change(zone: str, expression: str, after: str, slots: str) -> None:
    wanted = [at(f"2026-{slot}") for slot in slots.split(", ")]
    assert recurrence.upcoming(expression, zone, at(after), len(wanted)) == wanted


@st.composite
def terms(draw: st.DrawFn, field: cron.Field) -> str:
    """A number, a range, or one with steps."""
    low = draw(st.integers(field.least, field.most))
    high = draw(st.integers(low, field.most))
    step = draw(st.integers(1, min(9, field.most)))
    steps = f"*/{max(2, step)}"
    return draw(st.sampled_from([f"{low}", f"{low}-{high}", f"{low}-{high}/{step}", steps]))


def fields(field: cron.Field) -> st.SearchStrategy[str]:
    """What may stand there."""
    listed = st.lists(terms(field), min_size=1, max_size=3).map(",".join)
    return st.one_of(st.just("*"), st.just("*"), listed)


expressions = st.tuples(*map(fields, cron.FIELDS)).map(" ".join)
often = st.tuples(*map(fields, cron.FIELDS[:2])).map(" ".join)
zones = st.sampled_from(ZONES)
moments = st.builds(
    lambda day, seconds: at(day) + timedelta(seconds=seconds),
    st.sampled_from(SWITCHES),
    st.integers(0, 4 * 86400).map(lambda n: n / 2),
)


def normal(expression: str) -> str:
    """That expression, unless its day never comes."""
    try:
        return recurrence.valid_cron(expression)
    except InvalidConfig as error:
        assume("never comes" not in str(error))
        raise


def numbers(text: str, least: int, most: int) -> set[int]:
    """What a field stands for, read as the manual of cron says."""
    found: set[int] = set()
    for term in text.split(","):
        span, _, step = term.partition("/")
        low, _, high = (f"{least}-{most}" if span == "*" else span).partition("-")
        found |= set(range(int(low), int(high or low) + 1, int(step or 1)))
    return found


def fits(expression: str, local: datetime) -> bool:
    """Whether cron would start something then, if clocks never changed."""
    minute, hour, day, month, weekday = expression.split()
    is_day = local.day in numbers(day, 1, 31)
    is_weekday = bool({local.isoweekday(), local.isoweekday() % 7} & numbers(weekday, 0, 7))
    both = day.startswith("*") or weekday.startswith("*")
    return (
        local.minute in numbers(minute, 0, 59)
        and local.hour in numbers(hour, 0, 23)
        and local.month in numbers(month, 1, 12)
        and ((is_day and is_weekday) if both else (is_day or is_weekday))
    )


def is_fixed(expression: str) -> bool:
    return not set("*/") & set("".join(expression.split()[:2]))


def minute_by_minute(
    expression: str, zone: str, after: datetime, until: datetime
) -> Iterator[datetime]:
    """Slots as the rules say, by a look at each minute. Times that clocks leave out count as the
    minute after them, and those that come again do not count, if hours are fixed."""
    where, seen = ZoneInfo(zone), set()
    moment = after.replace(second=0, microsecond=0) - 4 * HOUR
    last = moment.astimezone(where).replace(tzinfo=None)
    while moment <= until:
        local = moment.astimezone(where).replace(tzinfo=None)
        left_out = [last + MINUTE * n for n in range(1, max(1, (local - last) // MINUTE))]
        times = [local] if not is_fixed(expression) else [*left_out, local]
        new = [time for time in times if not is_fixed(expression) or time not in seen]
        if any(fits(expression, time) for time in new) and moment > after:
            yield moment
        seen.update(times)
        last, moment = local, moment + MINUTE


@settings(max_examples=25, deadline=None)
@given(often, zones, moments, st.integers(1, 200))
@example("0,30 2,3", "Europe/Vienna", at("2026-03-28 12:00"), 2)
@example("*/15 2", "Australia/Lord_Howe", at("2026-04-04 12:00"), 100)
def test_slots_are_those_of_a_look_at_each_minute(
    times: str, zone: str, after: datetime, most: int
) -> None:
    expression, until = normal(f"{times} * * *"), after + timedelta(hours=30)
    wanted = list(minute_by_minute(expression, zone, after, until))
    assert recurrence.upcoming(expression, zone, after, len(wanted)) == wanted
    assert recurrence.following(expression, zone, wanted[-1] if wanted else after) > until

    found = recurrence.slots_between(expression, zone, after, until, most)
    ends = (wanted[-1], wanted[0]) if wanted else (None, None)
    assert found == Slots(*ends, min(len(wanted), most), len(wanted) <= most)


@settings(max_examples=150, deadline=None)
@given(expressions, zones, moments)
def test_slots_follow_each_other_and_fit(expression: str, zone: str, after: datetime) -> None:
    expression = normal(expression)
    slots = recurrence.upcoming(expression, zone, after, 20)
    before = [after, *slots]
    assert [recurrence.following(expression, zone, slot) for slot in before[:5]] == slots[:5]
    assert all(earlier < later for earlier, later in zip(before, slots, strict=False))
    assert {slot.tzinfo for slot in slots} == {UTC}
    for slot in slots:
        local, earlier = (
            moment.astimezone(ZoneInfo(zone)) for moment in (slot, slot - timedelta(seconds=1))
        )
        left_out = local.replace(tzinfo=None) - earlier.replace(tzinfo=None) > MINUTE
        assert fits(expression, local) or (left_out and is_fixed(expression))
    gap = recurrence.gap_after(expression, zone, slots[0])
    assert gap == slots[1] - slots[0]


@settings(max_examples=30, deadline=None)
@given(expressions, zones, moments, st.integers(0, 400))
def test_the_newest_slot_is_found_however_many_there_are(
    expression: str, zone: str, after: datetime, days: int
) -> None:
    expression, until = normal(expression), after + timedelta(days=days)
    all_of_them = recurrence.slots_between(expression, zone, after, until, 3000)
    assume(all_of_them.is_exact)
    for most in (1, 7):
        found = recurrence.slots_between(expression, zone, after, until, most)
        assert (found.newest, found.first) == (all_of_them.newest, all_of_them.first)
        assert found.count == min(most, all_of_them.count)
        assert found.is_exact is (all_of_them.count <= most)


def test_both_ends_of_a_stretch() -> None:
    found = recurrence.slots_between(
        "0 3 * * *", "UTC", at("2026-05-01 03:00"), at("2026-05-03 03:00"), 9
    )
    assert found == Slots(at("2026-05-03 03:00"), at("2026-05-02 03:00"), 2, is_exact=True)
    found = recurrence.slots_between(
        "0 3 * * *", "UTC", at("2026-05-01 03:00"), at("2026-05-01 02:00"), 9
    )
    assert found == Slots(None, None, 0, is_exact=True)


@pytest.mark.parametrize("expression", ["* * * * *", "0-59 0-23 * * *", "*/15 * * * *"])
def test_a_month_without_us_is_looked_through_at_once(expression: str) -> None:
    after, until = at("2026-10-10 00:00"), at("2026-11-10 00:00")
    took = []
    for _ in range(3):
        began = perf_counter()
        found = recurrence.slots_between(expression, "Europe/Vienna", after, until, 200)
        took.append(perf_counter() - began)
        assert (found.newest, found.count, found.is_exact) == (until, 200, False)
    assert min(took) < 0.05


def test_days_that_are_rare_are_found() -> None:
    assert recurrence.upcoming("0 0 29 2 *", "Europe/Vienna", at("2026-01-01"), 2) == [
        at("2028-02-28 23:00"),
        at("2032-02-28 23:00"),
    ]
    # 29 February on a Sunday, and in real time.
    assert recurrence.following("*/30 4 29 2 */7", "UTC", at("2060-03-01")) == at(
        "2088-02-29 04:00"
    )
    assert recurrence.following("*/30 4 29 2 */7", "UTC", at("2088-03-01")) == at(
        "2128-02-29 04:00"
    )


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("30 3 * * 1-5", "30 3 * * 1-5"),
        ("  00\t03 *\n* sun ", "0 3 * * SUN"),
        ("*/1 */6 1-1 jan-MAR,12 fri-7", "* */6 1 JAN-MAR,12 FRI-7"),
        ("5-5/2 * * * *", "5 * * * *"),
        ("10-50/1 0-23/02 * * *", "10-50 0-23/2 * * *"),
        ("@hourly", "0 * * * *"),
        (" @Weekly", "0 0 * * 0"),
        ("0 0 29 2 *", "0 0 29 2 *"),
        ("0 0 30 2 1", "0 0 30 2 1"),  # every Monday of February
        ("0 0 31 1,2 *", "0 0 31 1,2 *"),
    ],
)
def test_an_expression_is_normalised(typed: str, kept: str) -> None:
    assert recurrence.valid_cron(typed) == kept
    assert recurrence.valid_cron(kept) == kept


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "five fields (minute, hour, day of the month, month, day of the week); there are 0"),
        ("* * * *", "there are 4"),
        ("0 30 3 * * *", "there are 6"),
        ("60 * * * *", "The minute is not one: give 0 to 59, a range (10-50)"),
        ("* 24 * * *", "The hour is not one"),
        ("* * 0 * *", "The day of the month is not one"),
        ("* * * 13 *", "The month is not one: give 1 to 12, JAN to DEC"),
        ("* * * * 8", "The day of the week is not one: give 0 to 7, SUN to SAT"),
        ("* * * MON *", "The month is not one"),
        ("JAN * * * *", "The minute is not one"),
        ("* 18-8 * * *", "The hour has a range that ends before it begins"),
        ("* * * * FRI-SUN", "The day of the week has a range that ends before it begins"),
        ("*/0 * * * *", "The minute has a step that is not from 1 to 59"),
        ("*/90 * * * *", "The minute has a step that is not from 1 to 59"),
        ("* */24 * * *", "The hour has a step that is not from 1 to 23"),
        ("0/15 * * * *", "The minute has a step behind a single number"),
        ("*,5 * * * *", "The minute has * beside others"),
        ("5,*/1 * * * *", "The minute has * beside others"),
        ("*-5 * * * *", "The minute is not one"),
        ("1,,2 * * * *", "The minute is not one"),
        ("1- * * * *", "The minute is not one"),
        ("-1 * * * *", "The minute is not one"),
        ("٣ * * * *", "The minute is not one"),
        ("0 0 L * *", "The day of the month is not one"),
        ("0 0 LW * *", "The day of the month is not one"),
        ("0 0 ? * *", "The day of the month is not one"),
        ("0 0 * * 1#2", "The day of the week is not one"),
        ("0 0 * * 5L", "The day of the week is not one"),
        ("0 0 30 2 *", "That day never comes"),
        ("0 0 31 4,6 *", "That day never comes"),
        ("0 0 30 2 */2", "That day never comes"),
        ("@reboot", "Give five fields, or one of @hourly, @daily"),
        ("@", "Give five fields"),
        (",".join(["0"] * 200) + " * * * *", "200 characters at most"),
    ],
)
def test_what_is_no_schedule_is_refused(typed: str, sentence: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        recurrence.valid_cron(typed)
    assert sentence in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789*/-, @LW#?jansun\t١\x00", max_size=30))
def test_anything_typed_is_refused_or_can_be_used(typed: str) -> None:
    try:
        expression = recurrence.valid_cron(typed)
    except InvalidConfig:
        return
    assert recurrence.valid_cron(expression) == expression
    assert recurrence.described(expression)
    recurrence.following(expression, "Europe/Vienna", at("2026-01-01"))


@settings(max_examples=300, deadline=None)
@given(expressions)
def test_each_expression_is_described(expression: str) -> None:
    said = recurrence.described(normal(expression))
    assert said[0].isupper()
    assert not set("*/{}") & set(said)
    assert "  " not in said
    assert ", ," not in said


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("* * * * *", "Every minute"),
        ("0 * * * *", "Every hour"),
        ("0 */6 * * *", "Every 6 hours"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("30 15 * * MON-FRI", "At 15:30, Monday through Friday"),
        ("0 3 * * 0", "At 03:00, only on Sunday"),
        ("0 3 * * 7", "At 03:00, only on Sunday"),
        ("0 3 * * 5-7", "At 03:00, Friday through Sunday"),
        ("0 3 * * 0,7", "At 03:00, only on Sunday"),
        ("0 3 * * */2", "At 03:00, only on Sunday, Tuesday, Thursday, and Saturday"),
        ("0 3 1 * *", "At 03:00, on day 1 of the month"),
        ("0 3 1 */3 *", "At 03:00, on day 1 of the month, every 3 months"),
        # Either day is enough; unless one begins with *.
        ("0 3 10 2 1", "At 03:00, on day 10 of the month or on Monday, only in February"),
        ("0 3 10 * 1-5", "At 03:00, on day 10 of the month or on Monday through Friday"),
        ("0 3 1-7 * */7", "At 03:00, between day 1 and 7 of the month if it is Sunday"),
        ("0 3 */30 * 1", "At 03:00, on day 1 and 31 of the month if it is Monday"),
        # What does not come evenly is not said to.
        ("*/40 * * * *", "At 0 and 40 minutes past the hour"),
        ("0 */9 * * *", "At 00:00, 09:00 and 18:00"),
        ("10-50/20 3 * * *", "At 10, 30, and 50 minutes past the hour, at 03:00"),
    ],
)
def test_what_an_expression_is_called(expression: str, said: str) -> None:
    assert recurrence.described(recurrence.valid_cron(expression)) == said


def test_what_is_offered_is_valid() -> None:
    for label, expression in recurrence.PRESETS.items():
        assert recurrence.valid_cron(expression) == expression, label
        assert recurrence.following(expression, "UTC", at("2026-01-01"))


def test_zones_are_places_that_all_machines_know() -> None:
    offered = recurrence.zones()
    assert {"Europe/Vienna", "America/Argentina/Ushuaia", "UTC"} <= set(offered)
    assert not {"localtime", "Factory", "US/Eastern", "Etc/GMT+5", "EST5EDT"} & set(offered)
    assert len(offered) == len(set(offered)) > 300
    for zone in offered[::20]:
        assert recurrence.valid_zone(zone) == zone
    assert recurrence.valid_zone(" AMERICA/new_york\n") == "America/New_York"
    assert recurrence.valid_zone("US/Eastern") == "US/Eastern"


@pytest.mark.parametrize(
    "typed",
    ["", "Vienna", "../etc/passwd", "/etc/localtime", "localtime", "Factory", "Europe", "x" * 999],
)
def test_what_is_no_zone_is_refused(typed: str) -> None:
    with pytest.raises(InvalidConfig, match="is no time zone, such as Europe/Vienna") as caught:
        recurrence.valid_zone(typed)
    assert len(str(caught.value)) < 150
