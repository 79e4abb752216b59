"""Forms about vaults: one for each provider, with the fields that it has."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from wtforms import BooleanField, PasswordField, StringField
from wtforms.form import BaseForm

from cloudpilot.domain.servers import valid_name
from cloudpilot.kinds import VaultKind
from cloudpilot.secrets import Secret
from cloudpilot.vaults import entered
from cloudpilot.web.forms import Form, Lines, Text, checked

PREFIX = "What the names of all objects begin with; blank for nothing. A folder, so to say."


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


class VaultForm(Form):
    """What all providers have."""

    kind: ClassVar[VaultKind]
    keeps = False  # whether a blank secret leaves what is there

    name = Text("Name", valid_name, hint="What you call it, for example offsite.")

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

    def pin(self) -> None:
        """Take out what says where copies lie: it cannot be changed while any do."""
        for name in ("bucket", "endpoint", "prefix", *self._pinned):
            if name in self:
                del self[name]

    _pinned: ClassVar[tuple[str, ...]] = ()


def _prefix(kind: VaultKind) -> Text:
    return Text("Prefix", partial(entered.prefix, kind), hint=PREFIX)


def _key_id(kind: VaultKind) -> Text:
    return Text("Access key id", partial(entered.key_id, kind))


def _secret(label: str, kind: VaultKind) -> HiddenWord:
    return HiddenWord(label, partial(entered.secret, kind))


class S3Form(VaultForm):
    """Amazon's S3, and what speaks its language."""

    kind = VaultKind.S3
    bucket = Text("Bucket", partial(entered.bucket, kind))
    region = Text(
        "Region",
        partial(entered.region, kind),
        hint="For example eu-central-1. Other stores than Amazon's may not need one.",
    )
    endpoint = Text(
        "Endpoint",
        partial(entered.endpoint, kind),
        hint="Blank for Amazon. Others: https:// and the host that the provider names.",
    )
    prefix = _prefix(kind)
    key_id = _key_id(kind)
    secret = _secret("Secret access key", kind)
    path_style = BooleanField("Put the bucket into the path of addresses, not into the host's name")
    equal_parts = BooleanField("Send all parts of an upload in one size")


class SpacesForm(VaultForm):
    """DigitalOcean's Spaces."""

    kind = VaultKind.DO_SPACES
    _pinned = ("region",)
    bucket = Text("Space", partial(entered.bucket, kind), hint="Its name alone, without a host.")
    region = Text("Region", partial(entered.region, kind), hint="For example fra1 or nyc3.")
    prefix = _prefix(kind)
    key_id = _key_id(kind)
    secret = _secret("Secret key", kind)


class GcsForm(VaultForm):
    """Google's Cloud Storage."""

    kind = VaultKind.GCS
    bucket = Text("Bucket", partial(entered.bucket, kind))
    prefix = _prefix(kind)
    endpoint = Text(
        "Endpoint", partial(entered.endpoint, kind), hint="Blank, unless Google told you another."
    )
    secret = HiddenFile(
        "Key file",
        partial(entered.secret, kind),
        hint="All of the JSON file of a service account's key: open it and paste it here.",
    )

    def chosen(self) -> dict[str, Any]:
        """With the account that the key file is of, so that a page can show it."""
        secret = self.typed_secret()
        account = {"key_id": entered.account_of(secret)} if secret else {}
        return super().chosen() | account


class AzureForm(VaultForm):
    """Microsoft's blobs."""

    kind = VaultKind.AZURE_BLOB
    _pinned = ("key_id",)
    bucket = Text("Container", partial(entered.bucket, kind))
    prefix = _prefix(kind)
    endpoint = Text(
        "Endpoint",
        partial(entered.endpoint, kind),
        hint="Blank for ACCOUNT.blob.core.windows.net. Sovereign clouds have others.",
    )
    key_id = Text(
        "Storage account",
        partial(entered.key_id, kind),
        hint="Its name: 3 to 24 small letters and digits.",
    )
    secret = _secret("Account key", kind)


class ForgetForm(Form):
    """The end of a vault that nobody can empty."""

    typed = StringField("The vault's name")


FORMS: dict[VaultKind, type[VaultForm]] = {
    form.kind: form for form in (S3Form, GcsForm, AzureForm, SpacesForm)
}
