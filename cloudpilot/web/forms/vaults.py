"""Forms about vaults: one for each provider, with the fields that it has."""

from functools import partial
from typing import ClassVar

from wtforms import BooleanField, StringField

from cloudpilot.domain.servers import valid_name
from cloudpilot.kinds import VaultKind
from cloudpilot.vaults import entered
from cloudpilot.web.forms import Form, Text
from cloudpilot.web.forms.sealed import KEY_FILE, HiddenFile, HiddenWord, KeyFileForm, SealedForm

PLACE = ("bucket", "endpoint", "prefix")  # where copies lie
PREFIX = "What the names of all objects begin with; blank for nothing. A folder, so to say."


class VaultForm(SealedForm):
    """What all providers have."""

    kind: ClassVar[VaultKind]

    name = Text("Name", valid_name, hint="What you call it, for example offsite.")


def _prefix(kind: VaultKind) -> Text:
    return Text("Prefix", partial(entered.prefix, kind), hint=PREFIX)


def _key_id(kind: VaultKind) -> Text:
    return Text("Access key id", partial(entered.key_id, kind))


def _secret(label: str, kind: VaultKind) -> HiddenWord:
    return HiddenWord(label, partial(entered.secret, kind))


class S3Form(VaultForm):
    """Amazon's S3, and what speaks its language."""

    kind = VaultKind.S3
    pinned = PLACE
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
    pinned = (*PLACE, "region")
    bucket = Text("Space", partial(entered.bucket, kind), hint="Its name alone, without a host.")
    region = Text("Region", partial(entered.region, kind), hint="For example fra1 or nyc3.")
    prefix = _prefix(kind)
    key_id = _key_id(kind)
    secret = _secret("Secret key", kind)


class GcsForm(KeyFileForm, VaultForm):
    """Google's Cloud Storage."""

    kind = VaultKind.GCS
    pinned = PLACE
    bucket = Text("Bucket", partial(entered.bucket, kind))
    prefix = _prefix(kind)
    endpoint = Text(
        "Endpoint", partial(entered.endpoint, kind), hint="Blank, unless Google told you another."
    )
    secret = HiddenFile(
        "Key file",
        partial(entered.secret, kind),
        hint=KEY_FILE,
    )


class AzureForm(VaultForm):
    """Microsoft's blobs."""

    kind = VaultKind.AZURE_BLOB
    pinned = (*PLACE, "key_id")
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
