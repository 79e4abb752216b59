"""How values are said on a page: sizes, times, durations; and where static files are."""

import hashlib
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from flask import Flask, current_app, g, url_for
from jinja2 import StrictUndefined

from cloudpilot import clock
from cloudpilot.catalogue import by_code
from cloudpilot.domain import goodness, index, pace, removals
from cloudpilot.domain.chains import WHY_FULL
from cloudpilot.domain.retention import policy_sentence
from cloudpilot.domain.runs import Run
from cloudpilot.domain.status import Status
from cloudpilot.domain.trees import WHY_WHOLE
from cloudpilot.kinds import RunKind
from cloudpilot.sizes import human_bytes
from cloudpilot.web import pictures, verdict, words

CLOUDS_PAUSE = timedelta(minutes=1)  # between two looks at what a cloud makes; see jobs.snapshot


def exact_bytes(count: int) -> str:
    """
    >>> exact_bytes(12345678)
    '12,345,678 bytes'
    """
    return f"{count:,} bytes"


def duration(seconds: int) -> str:
    """The two largest units.

    >>> [duration(n) for n in (0, 59, 61, 3600, 7384, 90000)]
    ['0 s', '59 s', '1 min 1 s', '1 h', '2 h 3 min', '1 d 1 h']
    """
    parts = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def relative(instant: datetime) -> str:
    """How long ago, or in how long, in one unit."""
    seconds = round((clock.now() - instant).total_seconds())
    if abs(seconds) < 5:
        return "just now"
    said = _one_unit(abs(seconds))
    return f"{said} ago" if seconds > 0 else f"in {said}"


def upcoming(instant: datetime) -> str:
    """When something that is due at `instant` will happen."""
    seconds = round((instant - clock.now()).total_seconds())
    return f"in {_one_unit(seconds)}" if seconds > 1 else "at any moment"


def _one_unit(seconds: int) -> str:
    """
    >>> [_one_unit(n) for n in (7, 119, 7200, 86400 * 13, 86400 * 80, 86400 * 800)]
    ['7 s', '1 min', '2 h', '13 days', '11 weeks', '2 years']
    """
    for size, unit in ((86400 * 365, "year"), (86400 * 7, "week"), (86400, "day")):
        count = seconds // size
        if count >= (2 if unit != "day" else 1) and not (unit == "week" and count < 3):
            return f"{count} {unit}{'s' if count > 1 else ''}"
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def local_time(instant: datetime, zone: str) -> str:
    """As the clocks of that time zone show it.

    >>> from datetime import UTC
    >>> local_time(datetime(2026, 7, 1, 1, 30, tzinfo=UTC), "Europe/Vienna")
    'Wed 2026-07-01 03:30 CEST'
    """
    return f"{instant.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M %Z}"


def exact_time(instant: datetime) -> str:
    """
    >>> from datetime import UTC
    >>> exact_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2026-01-02 03:04:05 UTC'
    """
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def as_of(run: Run) -> datetime | None:
    """When it was last seen at work, if that is no news any more; None while it is, or if it does
    not run. A speed of then is nobody's speed now."""
    if run.status is not Status.RUNNING:
        return None
    now, limits = clock.now(), current_app.extensions["settings"]
    begun = run.started_at or run.created_at
    seen = now - (run.seen_at or begun) if run.kind.goes_on_alone else None
    pause = pace.pause_before_next_look(
        now - begun,
        watched=False,
        fastest=timedelta(seconds=limits.look_seconds),
        slowest=timedelta(seconds=limits.look_seconds_at_most),
    )
    if run.kind is RunKind.SNAPSHOT:
        pause = CLOUDS_PAUSE
    return (run.seen_at or begun) if pace.is_old(seen, now - run.next_look_at, pause) else None


def percent(done: int, total: int) -> int:
    """Never more than 100, and 100 only when all of it is done.

    >>> percent(1, 3), percent(999, 1000), percent(5, 5), percent(0, 0)
    (33, 99, 100, 100)
    """
    return 100 if done >= total else done * 100 // total


def register(app: Flask) -> None:
    """Make these known to the templates of `app`."""
    env = app.jinja_env
    env.undefined = StrictUndefined
    env.trim_blocks = env.lstrip_blocks = True
    env.filters.update(
        human_bytes=human_bytes,
        exact_bytes=exact_bytes,
        duration=duration,
        relative=relative,
        upcoming=upcoming,
        exact_time=exact_time,
        local_time=local_time,
        plural=words.plural,
        day_words=verdict.day_words,
        growth=verdict.growth_words,
        why_full=lambda word: WHY_FULL.get(word, word),
        why_whole=lambda word: WHY_WHOLE.get(word, word),
        policy=lambda rules, days: policy_sentence(days, rules),
        share=pictures.share,
        serious=goodness.is_serious,
        stage=words.stage,
        as_of=as_of,
        kind=words.kind,
        brand=words.brand,
        holds=words.holds,
        proof=words.proof,
        provider=words.provider,
        pending=removals.pending,
        remedy_parts=words.remedy_parts,
        file_path=index.shown,
        advice=lambda code: by_code(code).remedy,
    )
    env.globals.update(asset=asset, percent=percent, now=lambda: round(clock.now().timestamp()))


def asset(name: str) -> str:
    """The address of a static file; it changes when the file does."""
    known: dict[str, str] = g.setdefault("assets", {})  # a page has a hundred icons of one file
    if name not in known:
        version = _version(f"{current_app.static_folder}/{name}")
        known[name] = url_for("static", filename=name, v=version)
    return known[name]


@cache
def _version(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:12]
