"""The least that an account's credentials must be allowed, as text to paste at the provider."""

from cloudpilot.clouds import aws_words, azure_rights, digitalocean_words, google_words
from cloudpilot.kinds import CloudKind


def of(kind: CloudKind, region: str, project: str, key_id: str) -> str:
    """What `base.Cloud.policy` says, without opening the cloud; no library is loaded for it.

    project  Google's project, or Azure's subscription
    key_id   of Google the service account's e-mail address
    """
    if kind is CloudKind.AWS:
        return aws_words.policy(region)
    if kind is CloudKind.GCP:
        return google_words.policy(project, key_id)
    return azure_rights.policy(project) if kind is CloudKind.AZURE else digitalocean_words.POLICY
