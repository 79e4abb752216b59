"""Forms about backups."""

from collections.abc import Sequence
from typing import Any

from wtforms import BooleanField, RadioField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types

from cloudpilot.domain import plans
from cloudpilot.domain.plans import NOTE_LENGTH, RETENTION_DAYS, RETENTION_DAYS_AT_MOST
from cloudpilot.kinds import BackupType
from cloudpilot.web.forms import Form, Text
from cloudpilot.web.forms.destination import DestinationForm
from cloudpilot.web.forms.method import MethodForm
from cloudpilot.web.forms.sites import PathsForm


class Kept(Form):
    """What is said of every backup."""

    retention_days = Text(
        "Days to keep it",
        plans.valid_retention,
        hint=f"1 to {RETENTION_DAYS_AT_MOST}; {RETENTION_DAYS} if left blank. Then it goes by"
        " itself, unless it is the newest good one or pinned.",
    )
    note = Text("Note", plans.valid_note, hint=f"Optional, up to {NOTE_LENGTH} characters.")


class Asked(Kept, DestinationForm, MethodForm):
    """What is said of every backup that a server makes."""

    accept_trap = BooleanField("I know; keep it there.")

    def asked(self) -> dict[str, Any]:
        """What is said of every backup, but for where it goes."""
        said = {name: self[name].value for name in ("retention_days", "note")}
        return said | {"method": self.chosen_method()}


TYPES = {
    BackupType.FULL: "Files and databases, as one restore point",
    BackupType.FILES: "Files only",
    BackupType.DATABASE: "Databases only",
    BackupType.SNAPSHOT: "The whole machine, by its cloud",
}


class BackUpSiteForm(Asked):
    """A site, as it is set up: all of it, or a part."""

    type = RadioField("What")

    def offer_types(self, types: Sequence[BackupType]) -> None:
        """Let these be chosen; where there is no choice, nobody is asked."""
        if len(types) < 2:
            del self.type
            return
        self.type.choices = [SelectChoice(kind.value, TYPES[kind]) for kind in types]
        if not self.is_submitted():
            self.type.data = types[0].value

    def chosen_type(self, types: Sequence[BackupType]) -> BackupType:
        """What is to be made of a site of which these can be."""
        if self.type is not None:
            return BackupType(self.type.data)
        return types[0] if types else BackupType.FILES


class BackUpPathsForm(PathsForm, Asked):
    """Paths of a server that belong to no site."""
