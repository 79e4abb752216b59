"""Cron expressions: what a schedule's five fields mean, and when its slots are. Pure.

Days follow Debian's cron: with both a day of the month and a day of the week, either is enough,
but both are needed where one of the two begins with *. Clocks that change:

- An expression of fixed hours has each of its slots once. In an hour that comes twice it is the
  first occurrence; slots in an hour that is left out come together, at the moment after the gap.
- With * or steps in the minute or the hour, real time is followed: each moment is a slot whose
  local time fits. Every 15 minutes, and hourly, thus lose none and gain none; what fits only
  within the hour that is left out (*/15 2 * * *) has none that day.

Only the calendar is cronsim's. It moves by whole hours, which are not those of Lord Howe, yields
midnights that do not exist, and two slots at once; so here it is given local times without a zone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from cloudpilot.domain import cron
from cloudpilot.errors import InvalidConfig

PRESETS: Mapping[str, str] = {
    "Every hour": "0 * * * *",
    "Every six hours": "0 */6 * * *",
    "Every day at 03:00": "0 3 * * *",
    "Monday to Friday at 03:00": "0 3 * * 1-5",
    "Every Sunday at 03:00": "0 3 * * 0",
    "The first of each month at 03:00": "0 3 1 * *",
}
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
WEEK = timedelta(days=7)  # no zone changes its clocks twice within it
_APART = timedelta(days=2)  # more than local times of one moment are apart
_NO_PLACE = {"localtime", "Factory"}  # another zone on each machine, and none at all
_OLD = ("Etc/", "SystemV/", "US/", "Brazil/", "Canada/", "Chile/", "Mexico/")


@dataclass(frozen=True, slots=True)
class Slots:
    """Of a stretch of time: its newest slot, its first one, and how many there are.

    is_exact  False: there are more than `count`
    """

    newest: datetime | None
    first: datetime | None
    count: int
    is_exact: bool


def valid_cron(text: str) -> str:
    """An expression, normalised: five fields, single blanks, names in capitals, no leading zeros,
    macros such as @daily written out. Raises InvalidConfig, which names the field at fault.

    >>> valid_cron(" 05  3 * *  mon-fri "), valid_cron("@daily")
    ('5 3 * * MON-FRI', '0 0 * * *')
    """
    expression = cron.normalised(text)
    try:
        CronSim(expression, datetime(2026, 1, 1))  # noqa: DTZ001  (the calendar has no zone)
    except CronSimError:
        raise InvalidConfig("That day never comes: none of these months is so long.") from None
    return expression


def valid_zone(text: str) -> str:
    """The name of an IANA time zone, as it is spelled; raises InvalidConfig.

    >>> valid_zone(" europe/vienna "), valid_zone("UTC")
    ('Europe/Vienna', 'UTC')
    """
    name = _spelled().get(text.strip().casefold())
    if name is None:
        raise InvalidConfig(f"“{text.strip()[:80]}” is no time zone, such as Europe/Vienna or UTC.")
    return name


def zones() -> list[str]:
    """Time zones to choose from: places, and UTC; `valid_zone` takes others, too."""
    names = _spelled().values()
    return [*sorted(name for name in names if "/" in name and not name.startswith(_OLD)), "UTC"]


def described(expression: str) -> str:
    """A valid expression in plain English.

    >>> described("30 3 * * 1-5"), described("0 3 1-7 * */7")
    ('At 03:30, Monday through Friday', \
'At 03:00, between day 1 and 7 of the month if it is Sunday')
    """
    return cron.described(expression)


def following(expression: str, zone: str, after: datetime) -> datetime:
    """The first slot after that moment; aware and UTC, as all moments here.

    expression, zone  as `valid_cron` and `valid_zone` return them

    >>> following("30 3 * * *", "Europe/Vienna", datetime(2026, 7, 1, 1, 30, tzinfo=UTC))
    datetime.datetime(2026, 7, 2, 1, 30, tzinfo=datetime.timezone.utc)
    """
    return next(_slots(expression, zone, after))


def upcoming(expression: str, zone: str, after: datetime, count: int) -> list[datetime]:
    """The first `count` slots after that moment, in their order."""
    return list(islice(_slots(expression, zone, after), count))


def gap_after(expression: str, zone: str, slot: datetime) -> timedelta:
    """From that slot to the next one: on Friday three days, if there are none at weekends.

    >>> gap_after("0 3 * * 1-5", "UTC", datetime(2026, 7, 3, 3, tzinfo=UTC)).days
    3
    """
    return following(expression, zone, slot) - slot


def slots_between(expression: str, zone: str, after: datetime, until: datetime, most: int) -> Slots:
    """Slots after `after`, up to and with `until`.

    most  1 or more; so many are counted, and no more than that is worked through however long
          the stretch is. The newest is right in any case.
    """
    found = []
    for slot in islice(_slots(expression, zone, after), most + 1):
        if slot > until:
            break
        found.append(slot)
    if not found:
        return Slots(None, None, 0, is_exact=True)
    if len(found) <= most:
        return Slots(found[-1], found[0], len(found), is_exact=True)
    return Slots(_newest(expression, zone, found[most], until), found[0], most, is_exact=False)


def _newest(expression: str, zone: str, slot: datetime, until: datetime) -> datetime:
    """The last slot up to `until`, by halves. `slot` is one before; two are a minute apart."""
    while until - slot >= MINUTE:
        middle = slot + (until - slot) / 2
        later = following(expression, zone, middle)
        if later <= until:
            slot = later
        else:
            until = middle
    return slot


def _slots(expression: str, zone: str, after: datetime) -> Iterator[datetime]:
    """Slots after that moment, without end."""
    where, after = ZoneInfo(zone), after.astimezone(UTC)
    times = "".join(expression.split()[:2])
    walk = _in_real_time if "*" in times or "/" in times else _at_fixed_hours
    return walk(expression, where, after)


def _at_fixed_hours(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    calendar = CronSim(expression, after.astimezone(zone).replace(tzinfo=None))
    while True:
        slot = _moment(next(calendar), zone)
        if slot > after:
            yield slot
            after = slot


def _moment(local: datetime, zone: ZoneInfo) -> datetime:
    """When the clocks show that first; if they never do, when they have been put forward."""
    before, later = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if before > later:  # so it is in a gap only
        return _turn(zone, later, before)
    return before


def _in_real_time(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Week by week, and cut where clocks change: within each stretch they go on steadily."""
    begin = after.replace(microsecond=0) + SECOND
    while True:
        end = _turn(zone, begin, begin + WEEK)
        calendar = CronSim(expression, begin.astimezone(zone).replace(tzinfo=None) - SECOND)
        ahead = begin.astimezone(zone).utcoffset() or timedelta()
        while (slot := (next(calendar) - ahead).replace(tzinfo=UTC)) < end:
            yield slot
        begin = max(end, slot - _APART)  # what is rare is not looked for week by week


def _turn(zone: ZoneInfo, begin: datetime, end: datetime) -> datetime:
    """From when on, after `begin`, clocks are ahead of UTC by another time; `end` if not before."""
    ahead = begin.astimezone(zone).utcoffset()
    if end.astimezone(zone).utcoffset() == ahead:
        return end
    while end - begin > SECOND:
        middle = begin + (end - begin) // (2 * SECOND) * SECOND
        if middle.astimezone(zone).utcoffset() == ahead:
            begin = middle
        else:
            end = middle
    return end


@lru_cache(maxsize=1)
def _spelled() -> Mapping[str, str]:
    """Names of zones by their small letters; files are read for it."""
    return {name.casefold(): name for name in available_timezones() - _NO_PLACE}
