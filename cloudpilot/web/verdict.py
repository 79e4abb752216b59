"""What the overview says in sentences: how everything stands, a day's backups, a site's growth."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypedDict, Unpack

from cloudpilot.domain.history import Day, Growth
from cloudpilot.domain.protection import FRESH_FOR, State
from cloudpilot.web.words import plural

HOURS = FRESH_FOR // timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the panel stands: `level` is ok, warn or bad; `rest` may be empty."""

    level: str
    first: str
    rest: str


class Counts(TypedDict, total=False):
    """What else there is to say; what is not given is none.

    failed     how many other backups failed lately: of paths of a server
    not_offsite  how many backups failed lately to get to their vault
    missing    how many archives that were stored are not where they were
    unreached  how many servers do not let us in, or must not
    unchecked  how many servers answer, but their Check could not be done
    worse      on how many more servers a Check found something worse than yesterday
    vaults     how many vaults do not work, as their last check says
    clouds     how many clouds do not
    overdue    how many deletions have waited for longer than a day
    ahead      how many schedules have a next backup that will fail
    late       how many schedules have had no good backup for longer than they should
    """

    failed: int
    missing: int
    not_offsite: int
    unreached: int
    unchecked: int
    worse: int
    vaults: int
    clouds: int
    late: int
    ahead: int
    overdue: int


def verdict(sites: Mapping[State, int], fresh: int, **counts: Unpack[Counts]) -> Verdict:
    """What is true of all sites, servers and vaults.

    sites      how many stand how
    fresh      how many have a fresh good backup without a doubt, whatever has failed since
    """
    failed, missing = counts.get("failed", 0), counts.get("missing", 0)
    offsite = counts.get("not_offsite", 0)
    unreached, unchecked = counts.get("unreached", 0), counts.get("unchecked", 0)
    worse, vaults, clouds = counts.get("worse", 0), counts.get("vaults", 0), counts.get("clouds", 0)
    late, overdue = counts.get("late", 0), counts.get("overdue", 0)
    ahead = counts.get("ahead", 0)
    count = sum(sites.values())
    lost, never, old = sites[State.LOST], sites[State.NEVER], sites[State.OLD]
    broken, changed = sites[State.FAILED], sites[State.CHANGED]
    unkept = sites[State.UNKEPT]
    parts = [
        f"{broken:,} failed at the last attempt" if broken else "",
        f"{never:,} {_has(never)} never been backed up" if never else "",
        f"{lost:,} {_has(lost)} no good backup left" if lost else "",
        f"{changed:,} {_has(changed)} paths or databases not backed up yet" if changed else "",
        f"{unkept:,} {_has(unkept)} backups where files do not stay" if unkept else "",
        f"{old:,} {_has(old)} only older backups" if old else "",
        f"{plural(failed, 'other backup')} failed" if failed else "",
        f"{plural(offsite, 'backup')} did not get to {_its(offsite)} vault" if offsite else "",
        f"{plural(late, 'schedule')} {_is(late)} late" if late else "",
        f"the next backup of {plural(ahead, 'schedule')} will fail" if ahead else "",
        f"{plural(missing, 'archive')} {_is(missing)} missing" if missing else "",
        f"{plural(overdue, 'deletion')} {_has(overdue)} waited for over a day" if overdue else "",
        f"{plural(unreached, 'server')} cannot be reached" if unreached else "",
        f"{plural(unchecked, 'server')} could not be checked" if unchecked else "",
        f"{plural(vaults, 'vault')} {_does(vaults)} not work" if vaults else "",
        f"{plural(clouds, 'cloud')} {_does(clouds)} not work" if clouds else "",
        f"{plural(worse, 'server')} {_has(worse)} got worse since yesterday" if worse else "",
    ]
    bad = broken or failed or never or lost or missing or unreached or unchecked or vaults
    bad = bad or clouds or late or offsite
    soon = changed or unkept or old or worse or overdue or ahead
    level = "bad" if bad else "warn" if soon else "ok"
    return Verdict(level, _first(count, fresh), _sentence([part for part in parts if part]))


def _first(count: int, fresh: int) -> str:
    when = f"backed up in the last {HOURS} hours."
    if count == 1:
        return f"The only site was {when}" if fresh else f"The only site was not {when}"
    if fresh == count:
        return f"All {count:,} sites were {when}"
    return f"{fresh:,} of {count:,} sites {'was' if fresh == 1 else 'were'} {when}"


def _has(count: int) -> str:
    return "has" if count == 1 else "have"


def _its(count: int) -> str:
    return "its" if count == 1 else "their"


def _does(count: int) -> str:
    return "does" if count == 1 else "do"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _sentence(parts: list[str]) -> str:
    """
    >>> _sentence([]), _sentence(["1 failed"]), _sentence(["1 failed", "2 wait", "3 are old"])
    ('', '1 failed.', '1 failed, 2 wait and 3 are old.')
    """
    if not parts:
        return ""
    *most, last = parts
    return f"{', '.join(most)} and {last}." if most else f"{last}."


def day_words(day: Day) -> str:
    """
    >>> day_words(Day(completed=2, warned=1, failed=1)), day_words(Day())
    ('2 completed, 1 with warnings, 1 failed', 'no backup')
    """
    counts = ((day.completed, "completed"), (day.warned, "with warnings"), (day.failed, "failed"))
    return ", ".join(f"{count:,} {what}" for count, what in counts if count) or "no backup"


def growth_words(growth: Growth | None) -> str:
    """
    >>> growth_words(Growth(12, timedelta(days=30, hours=5))), growth_words(Growth(0, timedelta(1)))
    ('Grew 12 % in 30 days', 'As large as 1 day ago')
    """
    if growth is None:
        return "Nothing to compare yet"
    days = plural(growth.over.days, "day")
    if growth.percent == 0:
        return f"As large as {days} ago"
    how = "Grew" if growth.percent > 0 else "Shrank"
    return f"{how} {abs(growth.percent):,} % in {days}"
