"""How often a run is looked at, and how long we wait before we try again."""

from datetime import timedelta

BACK_OFF_AT_MOST = timedelta(hours=1)
SILENCE_AT_MOST = timedelta(minutes=5)
FARTHEST = timedelta(minutes=30)  # work on a server is never left alone for so long
FARTHEST_OF_ALL = timedelta(hours=2)  # nor is anything, by us: we back off, and lease, for an hour
NEWS = timedelta(minutes=1)  # so long what was seen is taken for how it stands
YOUNG = timedelta(seconds=60)
RATE_AT_MOST = 2**50  # bytes a second: faster than anything, and a column holds it
RATE_WINDOW = 5  # looks over which a rate is smoothed


def pause_before_next_look(
    age: timedelta, *, watched: bool, fastest: timedelta, slowest: timedelta
) -> timedelta:
    """How long to leave a run alone: young or watched ones hardly, old ones longer.

    >>> second, minute = timedelta(seconds=1), timedelta(minutes=1)
    >>> pause_before_next_look(minute * 60, watched=True, fastest=second, slowest=minute).seconds
    1
    >>> pause_before_next_look(minute * 10, watched=False, fastest=second, slowest=minute).seconds
    30
    """
    if watched or age < YOUNG:
        return fastest
    return max(fastest, min(slowest, age / 20))


def is_old(seen: timedelta | None, overdue: timedelta, pause: timedelta) -> bool:
    """Whether what is known of work that goes on is no news any more: nobody has looked.

    seen     how long ago it was seen at work; None of what nobody looks at
    overdue  since when somebody should have looked
    pause    between two looks, as a rule

    >>> second, minute = timedelta(seconds=1), timedelta(minutes=1)
    >>> is_old(61 * second, -minute, second), is_old(61 * second, -minute, minute)
    (True, False)
    >>> is_old(None, 61 * second, second), is_old(None, second, second)
    (True, False)
    """
    return overdue > NEWS or (seen is not None and seen > max(NEWS, 2 * pause))


def ends_within(done: int, total: int | None, rate: int, seconds: float) -> bool:
    """Whether work at that rate is over by then; False while nobody can say.

    >>> ends_within(90, 100, 10, 1.5), ends_within(50, 100, 10, 1.5), ends_within(9, None, 10, 1.5)
    (True, False, False)
    """
    return total is not None and rate > 0 and total - done <= rate * seconds


def back_off(attempts: int, first: timedelta, *, running: bool = False) -> timedelta:
    """How long to wait after that many failures in a row: doubled each time, up to an hour.

    running  somebody waits for news of work that goes on: up to five minutes

    >>> [back_off(n, timedelta(seconds=5)).seconds for n in (0, 1, 2, 20)]
    [5, 10, 20, 3600]
    >>> back_off(20, timedelta(seconds=5), running=True).seconds
    300
    """
    doubled: timedelta = first * (1 << min(attempts, 20))
    return min(SILENCE_AT_MOST if running else BACK_OFF_AT_MOST, doubled)


def rate(before: int, more: int, seconds: float | None) -> int:
    """Bytes a second, smoothed: `before` until now, then `more` bytes in so many seconds.

    seconds  None: nothing can be said yet

    >>> rate(0, 500, 5.0), rate(100, 1000, 5.0), rate(100, 1000, None)
    (100, 120, 0)
    """
    if seconds is None:
        return 0
    latest = min(more / max(seconds, 0.001), RATE_AT_MOST)
    if before == 0:
        return int(latest)
    weight = 1 / RATE_WINDOW
    return int(before * (1 - weight) + latest * weight)
