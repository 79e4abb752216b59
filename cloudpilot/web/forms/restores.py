"""Forms about restores."""

from collections.abc import Sequence
from uuid import UUID

from wtforms import BooleanField, RadioField, SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types
from wtforms.form import BaseForm

from cloudpilot.domain.backups import Backup
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import valid_paths
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import InvalidPath
from cloudpilot.web.forms import Form, Lines, Text, checked

HERE, THERE = "here", "there"
EXACT, ADDED = "exact", "added"


class Folder(Text):
    """A folder, if that is what was chosen."""

    def pre_validate(self, form: BaseForm) -> None:
        """Ask the domain."""
        is_wanted = form["where"].data == THERE
        self.value = checked(lambda: folder(self.data or "")) if is_wanted else ""


def folder(text: str) -> str:
    """One whole path; raises InvalidPath."""
    found = valid_paths(text)
    if len(found) != 1:
        raise InvalidPath("Give one folder, such as /srv/restored.")
    return found[0]


class RestoreForm(Form):
    """From where, to where, and what of it."""

    place = RadioField("From")
    server_id = SelectField("To the server")
    paths = Lines(
        "What", valid_paths, hint="Whole paths, one a line: those of the backup, or parts of them."
    )
    where = RadioField(
        "Where",
        choices=[
            SelectChoice(HERE, "Where it was"),
            SelectChoice(THERE, "Into a folder, beside what is there"),
        ],
        default=HERE,
    )
    into = Folder("The folder", str, hint="It is made. /srv/www then goes to FOLDER/srv/www.")
    extent = RadioField(
        "What was added since",
        choices=[
            SelectChoice(EXACT, "Goes: afterwards all is exactly as it was"),
            SelectChoice(ADDED, "Stays: only what the backup holds is put back"),
        ],
        default=EXACT,
    )
    safe = BooleanField("Back up what is there now first (safe mode)", default=True)

    def offer(
        self,
        backup: Backup,
        places: Sequence[tuple[UUID | None, Vault | None]],
        servers: Sequence[Server],
    ) -> None:
        """Let these be chosen."""
        self.place.choices = [
            SelectChoice(
                str(vault_id or ""), vault.name if vault else f"The copy on {backup.server_name}"
            )
            for vault_id, vault in places
        ]
        self.server_id.choices = [SelectChoice(str(one.id), one.name) for one in servers]
        if not self.is_submitted():
            self.place.data = str(places[0][0] or "") if places else None
            self.server_id.data = str(backup.server_id)
            self.paths.data = "\n".join(backup.paths)


class NameForm(Form):
    """The name of what is restored, to be sure."""

    name = Text("Name", str)
