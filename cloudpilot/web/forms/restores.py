"""Forms about restores."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from wtforms import BooleanField, PasswordField, RadioField, SelectField, SelectMultipleField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types
from wtforms.form import BaseForm
from wtforms.widgets import CheckboxInput

from cloudpilot.domain.backups import Backup
from cloudpilot.domain.restore_plans import valid_suffix
from cloudpilot.domain.servers import Server
from cloudpilot.domain.sites import valid_paths
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import InvalidConfig, InvalidPath
from cloudpilot.text import has_controls
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


class Password(Text, PasswordField):
    """A password; it is never shown again."""


def valid_text(text: str) -> str:
    """A name as it was typed; raises InvalidConfig for control characters."""
    if has_controls(text):
        raise InvalidConfig("A name has no control characters.")
    return text.strip()


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
    dumps = SelectMultipleField("Databases", coerce=int, option_widget=CheckboxInput())
    suffix = Text(
        "Added to their names",
        valid_suffix,
        hint="Blank: they take the place of those that are there. With _restored, shop becomes"
        " shop_restored, beside shop.",
    )
    user = Text(
        "Sign in to the database server as",
        valid_text,
        hint="Who backs up may only read. Blank: as the backup does.",
    )
    password = Password("With the password", str)
    safe = BooleanField("Back up what is there now first (safe mode)", default=True)
    knows = BooleanField(
        "I know that this backup is unverified: whoever can write to the bucket may have put"
        " programs and links into it that were never ours"
    )

    def offer(
        self,
        backup: Backup,
        places: Sequence[tuple[UUID | None, Vault | None]],
        servers: Sequence[Server],
        wanted: Sequence[str] = (),
        *,
        unverified: bool = False,
        dumps: bool = True,
    ) -> None:
        """Let these be chosen; of what it does not hold nobody is asked.

        wanted      the paths that it begins with; all, if there are none
        unverified  nobody has signed it
        dumps       whether its databases can be restored
        """
        dumped = list(enumerate(backup.census if dumps else (), 1))
        if not unverified:
            del self.knows
        self.dumps.choices = [SelectChoice(number, str(one["name"])) for number, one in dumped]
        if not dumped:
            del self.dumps, self.suffix, self.user, self.password
        if not backup.paths:
            del self.paths, self.where, self.into, self.extent
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
            if self.paths:
                self.paths.data = "\n".join(wanted or backup.paths)
            if self.dumps:
                self.dumps.data = [] if wanted else [number for number, _ in dumped]

    def asked(self) -> dict[str, Any]:
        """What was chosen, but for the server and the login."""
        return {
            "vault_id": UUID(self.place.data) if self.place.data else None,
            "paths": self.paths.value if self.paths else [],
            "into": self.into.value if self.into else "",
            "exact": not self.extent or self.extent.data == EXACT,
            "dumps": self.dumps.data if self.dumps else [],
            "suffix": self.suffix.value if self.dumps else "",
            "safe": self.safe.data,
            "knows": bool(self.knows and self.knows.data),
        }


class NameForm(Form):
    """The name of what is restored, to be sure."""

    name = Text("Name", str)
