"""The five fields of a cron expression: as people write them, and as people read them. Pure.

What Debian's cron takes is taken, and nothing else: no seconds, no L, W, # or ?, no step behind a
single number, which other programs read as from there on.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cron_descriptor import ExpressionDescriptor, Options

from cloudpilot.errors import InvalidConfig

LENGTH_AT_MOST = 200
MACROS: Mapping[str, str] = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_TERM = re.compile(
    r"(?P<first>\*|[0-9]{1,2}|[A-Z]{3})(?:-(?P<last>[0-9]{1,2}|[A-Z]{3}))?(?:/(?P<step>[0-9]{1,2}))?"
)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_ONLY = re.compile(r"^, (?:only on )?")


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five.

    names  what may be written for its numbers, from the least on
    size   how many there are, if steps that divide it come evenly; 0: they never do
    """

    name: str
    least: int
    most: int
    example: str
    names: tuple[str, ...] = ()
    size: int = 0

    def refused(self, why: str = "") -> InvalidConfig:
        """
        >>> print(FIELDS[1].refused())
        The hour is not one: give 0 to 23, a range (8-18), several with commas, or * for each; \
steps are */2 or 8-18/2.
        """
        names = f", {self.names[0]} to {self.names[-1]}" if self.names else ""
        return InvalidConfig(
            f"The {self.name} {why or 'is not one'}: give {self.least} to {self.most}{names}, a "
            f"range ({self.example}), several with commas, or * for each; steps are */2 or "
            f"{self.example}/2."
        )

    def number(self, text: str) -> int:
        """Raises InvalidConfig."""
        if text in self.names:
            return self.names.index(text) + self.least
        if not text.isdigit() or not self.least <= int(text) <= self.most:
            raise self.refused()
        return int(text)

    def normalised(self, text: str) -> str:
        """Raises InvalidConfig."""
        terms = [self._term(term) for term in text.split(",")]
        if len(terms) > 1 and "*" in terms:
            raise self.refused("has * beside others")
        return ",".join(terms)

    def _term(self, text: str) -> str:
        parts = self._parts(text)
        if parts["first"] == "*":
            first = "*"
        else:
            ends = [parts["first"], parts["last"] or parts["first"]]
            low, high = map(self.number, ends)
            if low > high:
                raise self.refused("has a range that ends before it begins")
            if parts["step"] and not parts["last"]:
                raise self.refused("has a step behind a single number")
            ends = [str(int(end)) if end.isdigit() else end for end in ends]
            first = "-".join(ends) if low < high else ends[0]
        if not parts["step"]:
            return first
        step = int(parts["step"])
        if not 0 < step <= self.most:
            raise self.refused(f"has a step that is not from 1 to {self.most}")
        # A step behind one number is cronsim's "from there on".
        return f"{first}/{step}" if step > 1 and (first == "*" or "-" in first) else first

    def values(self, text: str) -> list[int]:
        """The numbers that a normalised field stands for.

        >>> FIELDS[4].values("FRI-7,MON"), FIELDS[0].values("*/25")
        ([1, 5, 6, 7], [0, 25, 50])
        """
        found: set[int] = set()
        for term in text.split(","):
            parts = self._parts(term)
            low, high = self.least, self.most
            if parts["first"] != "*":
                low = self.number(parts["first"])
                high = self.number(parts["last"] or parts["first"])
            found.update(range(low, high + 1, int(parts["step"] or 1)))
        return sorted(found)

    def spoken(self, text: str) -> str:
        """A normalised field as it can be described truly: steps that do not come evenly, such as
        each 40 minutes, are written out."""
        step = text.removeprefix("*/")
        is_even = (
            text.startswith("*/") and step.isdigit() and self.size and not self.size % int(step)
        )
        if is_even or "/" not in text:
            return text
        return ",".join(map(str, self.values(text)))

    def _parts(self, text: str) -> dict[str, str]:
        match = _TERM.fullmatch(text)
        if not match or (match["first"] == "*" and match["last"]):
            raise self.refused()
        return match.groupdict(default="")


FIELDS = (
    Field("minute", 0, 59, "10-50", size=60),
    Field("hour", 0, 23, "8-18", size=24),
    Field("day of the month", 1, 31, "1-15"),
    Field("month", 1, 12, "3-10", _MONTHS, size=12),
    Field("day of the week", 0, 7, "1-5", _DAYS),
)


def normalised(text: str) -> str:
    """Five fields as recurrence.valid_cron says; raises InvalidConfig. Whether such a day ever
    comes is not asked."""
    if len(text) > LENGTH_AT_MOST:
        raise InvalidConfig(f"A schedule's expression has {LENGTH_AT_MOST} characters at most.")
    parts = text.split()
    if len(parts) == 1 and parts[0].startswith("@"):
        return _of_macro(parts[0].lower())
    if len(parts) != len(FIELDS):
        names = ", ".join(field.name for field in FIELDS)
        raise InvalidConfig(f"A schedule has five fields ({names}); there are {len(parts)}.")
    pairs = zip(FIELDS, parts, strict=True)
    return " ".join(field.normalised(part.upper()) for field, part in pairs)


def _of_macro(name: str) -> str:
    if name not in MACROS:
        raise InvalidConfig(f"Give five fields, or one of {', '.join(MACROS)}.")
    return MACROS[name]


@lru_cache(maxsize=1000)
def described(expression: str) -> str:
    """A normalised expression in plain English, with hours to 24.

    How the two kinds of days go together is said here: cron-descriptor has them as an either-or
    where Debian's cron wants both, and says nothing of it where days are a range.

    >>> described("0 3 10 * 1-5"), described("*/40 * * 2 *")
    ('At 03:00, on day 10 of the month or on Monday through Friday', \
'At 0 and 40 minutes past the hour, only in February')
    """
    parts = expression.split()
    is_both = parts[2].startswith("*") or parts[4].startswith("*")
    spoken = [field.spoken(part) for field, part in zip(FIELDS, parts, strict=True)]
    weekday = spoken[4] = _weekdays(spoken[4])
    if "*" in (spoken[2], weekday):
        return str(_teller(spoken).get_description())
    named = _teller(["0", "0", "*", "*", weekday]).get_day_of_week_description()
    joined = (" if it is " if is_both else " or on ") + _ONLY.sub("", named)
    rest = _teller([*spoken[:4], "*"])
    day = rest.get_day_of_month_description()
    return str(rest.get_description()).replace(day, day + joined)


def _weekdays(text: str) -> str:
    """Sunday once, which has two numbers."""
    numbers = FIELDS[4].values(text)
    has_both = text != "*" and {0, 7} <= set(numbers)
    return ",".join(map(str, sorted({number % 7 for number in numbers}))) if has_both else text


def _teller(parts: Sequence[str]) -> ExpressionDescriptor:
    options = Options(locale_code="en_US", use_24hour_time_format=True)
    return ExpressionDescriptor(" ".join(parts), options)
