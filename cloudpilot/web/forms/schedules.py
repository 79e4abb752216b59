"""Forms about schedules."""

from collections.abc import Mapping, Sequence
from typing import Any

from wtforms import BooleanField, RadioField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types

from cloudpilot import clock
from cloudpilot.domain import plans, recurrence
from cloudpilot.domain.plans import NOTE_LENGTH, RETENTION_DAYS, RETENTION_DAYS_AT_MOST
from cloudpilot.domain.schedules import RULES, Schedule
from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import BackupType, Method
from cloudpilot.web.forms import Text
from cloudpilot.web.forms.backups import TYPES
from cloudpilot.web.forms.destination import DestinationForm
from cloudpilot.web.forms.method import MethodForm
from cloudpilot.web.forms.sites import PathsForm

UPCOMING_SHOWN = 5
NIGHTLY = "0 3 * * *"
NUMBERS = ("full_every", "full_days", "spread_minutes", "retries", "grace_minutes")
ONE_LINE = ("retention_days", *NUMBERS, "note")


def _kept(label: str) -> Text:
    return Text(label, plans.valid_kept, default="")


class ScheduleForm(DestinationForm, MethodForm):
    """What is said of every schedule."""

    type = RadioField("What")
    cron = Text(
        "When",
        recurrence.valid_cron,
        default=NIGHTLY,
        hint="Five fields: minute, hour, day of the month, month, day of the week.",
    )
    zone = Text("Time zone", recurrence.valid_zone, default="UTC")
    retention_days = Text(
        "Days to keep a backup",
        plans.valid_retention,
        hint=f"1 to {RETENTION_DAYS_AT_MOST}; {RETENTION_DAYS} if left blank.",
    )
    keep_last = _kept("Last")
    keep_daily = _kept("Daily")
    keep_weekly = _kept("Weekly")
    keep_monthly = _kept("Monthly")
    keep_yearly = _kept("Yearly")
    incremental = BooleanField("Back up only what has changed since the last time")
    full_every = Text(
        "A full one every so many backups",
        plans.valid_full_every,
        default=str(plans.FULL_EVERY),
        hint="2 to 100. A restore needs the full one and all that continue it.",
    )
    full_days = Text(
        "And after so many days",
        plans.valid_full_days,
        hint="Blank: however old the full one is.",
    )
    spread_minutes = Text(
        "Spread the start over, in minutes",
        plans.valid_spread,
        hint="Blank: it begins on time. Else up to so many minutes later, so that many servers"
        " do not begin at once.",
    )
    retries = Text(
        "Tries after a failure",
        plans.valid_retries,
        default="2",
        hint="Only of what may pass by itself: a server that could not be reached, a lock.",
    )
    grace_minutes = Text(
        "Late after, in minutes",
        plans.valid_grace,
        hint="Blank: half the time between two backups, 1 to 12 hours.",
    )
    note = Text("Note", plans.valid_note, hint=f"Optional, up to {NOTE_LENGTH} characters.")

    def offer_types(self, types: Sequence[BackupType]) -> None:
        """Let these be chosen; where there is no choice, nobody is asked."""
        if len(types) < 2:
            del self.type
            return
        self.type.choices = [SelectChoice(kind.value, TYPES[kind]) for kind in types]
        if not self.is_submitted() and self.type.data not in set(types):
            self.type.data = types[0].value

    @property
    def has_more(self) -> bool:
        """Whether something is said, or wrong, in the part that is folded at first."""
        folded = (*(f"keep_{name}" for name in RULES), *NUMBERS)
        usual = {"retries": str(plans.RETRIES), "full_every": str(plans.FULL_EVERY)}
        return any(self[n].errors or (self[n].data or "") != usual.get(n, "") for n in folded)

    def plan(self, types: Sequence[BackupType]) -> dict[str, Any]:
        """What the form means, as columns, but for where backups go and what is in them."""
        kept = {f"keep_{name}": self[f"keep_{name}"].value for name in RULES}
        kind = BackupType(self.type.data) if self.type is not None else types[0]
        named = {name: self[name].value for name in ("cron", "zone", *ONE_LINE)}
        wanted = bool(self.incremental.data)
        if wanted and not kind.has_files:
            raise InvalidConfig("Increments are of files: a database is dumped whole each time.")
        method = self.chosen_method()
        if wanted and method is Method.TREE:
            raise InvalidConfig("Choose one: a snapshot tree takes room for changes alone anyway.")
        return named | kept | {"type": kind, "incremental": wanted, "method": method}


class SchedulePathsForm(PathsForm, ScheduleForm):
    """A schedule of paths that belong to no site."""

    def contents(self) -> dict[str, Any]:
        """What is backed up, as columns."""
        found = self.chosen()
        return {name: found[name] for name in ("paths", "excludes", "compression")}


def typed(schedule: Schedule) -> dict[str, Any]:
    """The form of what is there."""
    numbers = [*(f"keep_{name}" for name in RULES), "spread_minutes"]
    optional = {name: getattr(schedule, name) for name in ("grace_minutes", "full_days")}
    return {
        "type": schedule.type.value,
        "paths": "\n".join(schedule.paths),
        "excludes": "\n".join(schedule.excludes),
        "compression": schedule.compression.value,
        "incremental": schedule.incremental,
        "method": schedule.method.value,
        **{name: "" if number is None else str(number) for name, number in optional.items()},
        **{name: str(getattr(schedule, name) or "") for name in numbers},
        **{name: getattr(schedule, name) for name in ("cron", "zone", "note")},
        **{
            name: str(getattr(schedule, name))
            for name in ("retention_days", "retries", "full_every")
        },
    }


def read(said: Mapping[str, Any]) -> dict[str, Any]:
    """An expression in words and its next slots, or what is wrong with it."""
    try:
        cron = recurrence.valid_cron(said.get("cron") or "")
        zone = recurrence.valid_zone(said.get("zone") or "")
    except InvalidConfig as wrong:
        return {"wrong": str(wrong), "described": "", "slots": [], "zone": "UTC"}
    return {
        "wrong": "",
        "described": recurrence.described(cron),
        "slots": recurrence.upcoming(cron, zone, clock.now(), UPCOMING_SHOWN),
        "zone": zone,
    }
