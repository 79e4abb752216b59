"""What a person enters about a vault, field by field, as `Location` and its class judge the whole.

No provider's library is loaded for it and nobody is asked: that is the check's part. All raise
InvalidConfig, and `endpoint` AddressRefused too.
"""

import re

from cloudpilot import keyfile
from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import VaultKind
from cloudpilot.secrets import Secret
from cloudpilot.vaults import azure_client
from cloudpilot.vaults.location import Location

_NAME = re.compile(r"[!-~]{1,200}")  # an access key's id
_SECRET = re.compile(r"[!-~]{1,1000}")
_NO_BUCKET = "container"  # a name that all providers take


def bucket(kind: VaultKind, text: str) -> str:
    """The name of a bucket, Space or container.

    >>> bucket(VaultKind.S3, " offsite ")
    'offsite'
    """
    name = text.strip()
    if not name:
        raise InvalidConfig("Give its name, as the provider shows it.")
    return Location(kind, name).judged().bucket


def region(kind: VaultKind, text: str) -> str:
    """A region; only a Space must have one."""
    name = text.strip()
    if kind is VaultKind.DO_SPACES and not name:
        raise InvalidConfig("A Space has a region, such as fra1.")
    return Location(kind, _NO_BUCKET, region=name).judged().region


def endpoint(kind: VaultKind, text: str) -> str:
    """`https://host[:port]`, or nothing for the provider's own.

    >>> endpoint(VaultKind.S3, "https://s3.example.com/ ")
    'https://s3.example.com'
    """
    return Location(kind, _NO_BUCKET, endpoint=text.strip().rstrip("/")).judged().endpoint


def prefix(kind: VaultKind, text: str) -> str:
    """What all keys begin with, or nothing.

    >>> prefix(VaultKind.S3, "/backups/panel/")
    'backups/panel'
    """
    return Location(kind, _NO_BUCKET, prefix=text.strip().strip("/")).judged().prefix


def key_id(kind: VaultKind, text: str) -> str:
    """The id of an access key, or the name of Azure's storage account."""
    name = text.strip()
    if kind is VaultKind.AZURE_BLOB:
        azure_client.judge_account(name)
    elif not _NAME.fullmatch(name):
        raise InvalidConfig("Give the access key's id; it has no spaces.")
    return name


def secret(kind: VaultKind, text: str) -> Secret:
    """The secret that belongs to the key, or Google's key file. No message holds any of it."""
    typed = Secret(text.strip())
    if kind is VaultKind.GCS:
        keyfile.judge(typed)
    elif not _SECRET.fullmatch(typed.reveal()):
        raise InvalidConfig("Give the secret; it has no spaces and one line.")
    elif kind is VaultKind.AZURE_BLOB:
        azure_client.judge_key(typed)
    return typed
