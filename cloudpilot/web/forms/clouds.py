"""Forms about clouds: one for each provider, with the fields that it has."""

from functools import partial
from typing import ClassVar

from wtforms import StringField

from cloudpilot.clouds import entered
from cloudpilot.domain.servers import valid_name
from cloudpilot.kinds import CloudKind
from cloudpilot.web.forms import Form, Text
from cloudpilot.web.forms.sealed import KEY_FILE, HiddenFile, HiddenWord, KeyFileForm, SealedForm

OWN = "Blank for the provider's own. Others: https:// and a host. The credentials are sent there."


class CloudForm(SealedForm):
    """What all providers have."""

    kind: ClassVar[CloudKind]
    pinned = ("region", "project", "tenant", "endpoint")  # whose machines and snapshots they are

    name = Text("Name", valid_name, hint="What you call it, for example production.")
    endpoint = Text("Endpoint", entered.endpoint, hint=OWN)


def _word(kind: CloudKind, name: str, label: str, hint: str) -> Text:
    return Text(label, partial(entered.field, kind, name), hint=hint)


def _secret(label: str, kind: CloudKind) -> HiddenWord:
    return HiddenWord(label, partial(entered.secret, kind))


class AwsForm(CloudForm):
    """Amazon's EC2, in one region."""

    kind = CloudKind.AWS
    region = _word(kind, "region", "Region", "For example eu-central-1. Each region is a cloud.")
    key_id = _word(kind, "key_id", "Access key id", "Of a user that only CloudPilot is.")
    secret = _secret("Secret access key", kind)


class DigitalOceanForm(CloudForm):
    """A team at DigitalOcean."""

    kind = CloudKind.DIGITALOCEAN
    secret = _secret("Token", kind)


class GoogleForm(KeyFileForm, CloudForm):
    """A project at Google."""

    kind = CloudKind.GCP
    project = _word(kind, "project", "Project", "Its id, such as shop-123456; not its name.")
    secret = HiddenFile(
        "Key file",
        partial(entered.secret, kind),
        hint=KEY_FILE,
    )


class AzureForm(CloudForm):
    """A subscription at Azure."""

    kind = CloudKind.AZURE
    project = _word(kind, "project", "Subscription", "Its id, a UUID.")
    tenant = _word(kind, "tenant", "Directory (tenant)", "Its id, or a domain of it.")
    key_id = _word(kind, "key_id", "Client id", "Of the application, a UUID.")
    secret = _secret("Client secret", kind)


class MachineForm(Form):
    """Which machine of which cloud a server is."""

    machine = StringField("Machine")


FORMS: dict[CloudKind, type[CloudForm]] = {
    form.kind: form for form in (AwsForm, DigitalOceanForm, GoogleForm, AzureForm)
}
