"""Where backups go: a part of the forms of sites and of backups."""

from collections.abc import Sequence
from typing import Any

from wtforms import RadioField, SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types
from wtforms.form import BaseForm

from cloudpilot.domain import destinations
from cloudpilot.domain.destinations import Destination
from cloudpilot.domain.vaults import Vault
from cloudpilot.web.forms import Form, Text, checked

STAYS, GOES, STREAMED = "stays", "goes", "streamed"


class Days(Text):
    """Days after the upload, if that is what was chosen."""

    def pre_validate(self, form: BaseForm) -> None:
        """Ask the domain."""
        if form["local"].data == GOES:
            self.value = checked(lambda: destinations.valid_days(self.data or ""))


class DestinationForm(Form):
    """A vault, what stays on the server, and how fast the upload may be."""

    vault_id = SelectField("Vault")
    local = RadioField(
        "On the server",
        choices=[
            SelectChoice(STAYS, "Keep the archive there as long as the backup"),
            SelectChoice(GOES, "Remove it there so many days after the upload"),
            SelectChoice(STREAMED, "Do not store it there: the vault's copy is the only one"),
        ],
        default=STAYS,
    )
    local_days = Days("Days after the upload", str, hint="0 is at once.")
    rate = Text(
        "Upload at most, in MB/s",
        destinations.valid_rate,
        hint="Blank: as fast as it goes.",
    )

    def offer(self, vaults: Sequence[Vault], now: Destination) -> None:
        """Let these be chosen, beginning with what is said now; without any nobody is asked."""
        if not vaults:
            del self.vault_id, self.local, self.local_days, self.rate
            return
        nowhere = SelectChoice("", "No vault: on its server only")
        self.vault_id.choices = [nowhere, *choices(vaults)]
        if self.is_submitted():
            return
        self.vault_id.data = str(now.vault.id) if now.vault else ""
        self.local.data = STREAMED if now.streamed else STAYS if now.local_days is None else GOES
        self.local_days.data = "" if now.local_days is None else str(now.local_days)
        self.rate.data = destinations.rate_text(now.rate)

    def destination(self, vaults: Sequence[Vault]) -> Destination:
        """What was chosen; raises InvalidConfig."""
        if self.vault_id is None:
            return Destination()
        by_id: dict[str, Vault] = {str(vault.id): vault for vault in vaults}
        return Destination(
            vault=by_id.get(self.vault_id.data or ""),
            streamed=self.local.data == STREAMED,
            local_days=self.local_days.value if self.local.data == GOES else None,
            rate=self.rate.value,
        ).judged()


def choices(vaults: Sequence[Vault]) -> list[SelectChoice]:
    """As a person chooses among them: of one whose last check failed that is said."""
    return [
        SelectChoice(str(vault.id), vault.name + (": does not work" if vault.failed else ""))
        for vault in vaults
    ]


def without_destination(values: dict[str, Any]) -> dict[str, Any]:
    """A form's values without those of this part."""
    return {name: value for name, value in values.items() if name not in {"local_days", "rate"}}
