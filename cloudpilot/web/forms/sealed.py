"""Forms that take a secret, which is sealed and never shown again: those of vaults and clouds."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, ClassVar, Self, TypeVar

from flask import current_app, request
from wtforms import BooleanField, PasswordField
from wtforms.fields.core import UnboundField
from wtforms.form import BaseForm

from cloudpilot import keyfile
from cloudpilot.errors import InvalidConfig
from cloudpilot.secrets import Sealer, Secret
from cloudpilot.web.forms import Form, Lines, Text, checked

KEY_FILE = "All of the JSON file of a service account's key: open it and paste it here."
K = TypeVar("K", bound=StrEnum)


class Hidden(Text):
    """A secret: it is taken and never shown again, not even after a mistake elsewhere."""

    def __init__(self, label: str, judge: Callable[[str], Secret], **options: Any) -> None:
        super().__init__(label, judge, **options)
        self.value: Secret | None = None

    def pre_validate(self, form: BaseForm) -> None:
        """Ask the provider's rules; blank keeps what is stored, if anything is."""
        if (self.data or "").strip() or not getattr(form, "keeps", False):
            self.value = checked(lambda: self._check(self.data or ""))

    def _value(self) -> str:
        return ""


class HiddenWord(Hidden, PasswordField):
    """One word."""


class HiddenFile(Hidden, Lines):
    """The text of a file."""


class SealedForm(Form):
    """What a provider has, with a field `secret`."""

    kind: ClassVar[StrEnum]
    pinned: ClassVar[tuple[str, ...]] = ()  # what cannot be changed while it is used
    keeps = False  # whether a blank secret leaves what is there

    @classmethod
    def of(cls, row: object) -> Self:
        """The form of what is there; never with the secret, not even sealed."""
        names = [name for name in dir(cls) if isinstance(getattr(cls, name), UnboundField)]
        form = cls(data={name: getattr(row, name) for name in names if name != "secret"})
        form.keeps = True
        return form

    def chosen(self) -> dict[str, Any]:
        """What the form means, as columns; without the secret. Fields that were taken out of the
        form (see `pin`) are not among them."""
        ticks = {field.name: field.data for field in self if isinstance(field, BooleanField)}
        words = {name: value for name, value in self.values().items() if name != "secret"}
        return {"kind": self.kind} | words | ticks

    def typed_secret(self) -> Secret | None:
        """None if it was left blank."""
        secret: Secret | None = self["secret"].value
        return secret

    def new_secret(self) -> Secret:
        """Raises InvalidConfig if it was left blank."""
        secret = self.typed_secret()
        if secret is None:
            raise InvalidConfig("Give the secret.")
        return secret

    def pin(self) -> None:
        """Take out the fields that cannot be changed."""
        for name in self.pinned:
            if name in self:
                del self[name]


class KeyFileForm(SealedForm):
    """Its secret is the key file of a service account at Google."""

    def chosen(self) -> dict[str, Any]:
        """With the account that the key file is of, so that a page can show it."""
        secret = self.typed_secret()
        account = {"key_id": keyfile.key_file(secret)["client_email"]} if secret else {}
        return super().chosen() | account


def provider_of(kinds: type[K]) -> K | None:
    """Whose form the URL asks for; None if that is still the question. Raises InvalidConfig for one
    that was sent all the same."""
    kind = next((kind for kind in kinds if kind == request.args.get("kind")), None)
    if kind is None and request.method == "POST":
        raise InvalidConfig("Choose the provider first.")
    return kind


def sealer() -> Sealer:
    """What secrets are sealed with."""
    found: Sealer = current_app.extensions["sealer"]
    return found
