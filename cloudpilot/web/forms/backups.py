"""Forms about backups."""

from wtforms import BooleanField

from cloudpilot.domain import requests
from cloudpilot.domain.backups import RETENTION_DAYS
from cloudpilot.domain.requests import NOTE_LENGTH, RETENTION_DAYS_AT_MOST
from cloudpilot.web.forms import Form, Text
from cloudpilot.web.forms.sites import PathsForm


class Asked(Form):
    """What is said of every backup."""

    retention_days = Text(
        "Days to keep it at least",
        requests.valid_retention,
        hint=f"1 to {RETENTION_DAYS_AT_MOST}; {RETENTION_DAYS} if left blank. Nothing is deleted by"
        " itself; a backup goes when somebody deletes it.",
    )
    note = Text("Note", requests.valid_note, hint=f"Optional, up to {NOTE_LENGTH} characters.")
    accept_trap = BooleanField("I know; keep it there.")


class BackUpSiteForm(Asked):
    """A site, as it is set up."""


class BackUpPathsForm(PathsForm, Asked):
    """Paths of a server that belong to no site."""
