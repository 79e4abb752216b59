"""What a person has entered about an account, judged: nothing of it can steer an address.

No provider's library is loaded for it and nobody is asked: that is the check's part.
"""

import re
from collections.abc import Mapping

from cloudpilot import keyfile
from cloudpilot.clouds.account import Account
from cloudpilot.connections import judge_endpoint
from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import CloudKind
from cloudpilot.secrets import Secret

_UUID = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_REGION = r"[a-z]{2,3}(-[a-z]{1,12}){1,3}-\d{1,2}"
_PROJECT = r"([a-z0-9][a-z0-9.-]{0,60}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"
_TENANT = rf"{_UUID}|[A-Za-z0-9]([A-Za-z0-9-]{{0,61}}\.)+[A-Za-z]{{2,24}}"
_KEY_ID = r"[A-Za-z0-9_]{4,128}"
_SECRET = re.compile(r"[!-~]{1,1000}")
# Of each provider: the fields that it has beside the secret, what they match, what is said if not.
_FIELDS: Mapping[CloudKind, Mapping[str, tuple[str, str]]] = {
    CloudKind.AWS: {
        "region": (_REGION, "Give the region, such as eu-central-1."),
        "key_id": (_KEY_ID, "Give the access key's id: letters and digits."),
    },
    CloudKind.DIGITALOCEAN: {},
    CloudKind.GCP: {"project": (_PROJECT, "Give the project's id, such as shop-123456.")},
    CloudKind.AZURE: {
        "project": (_UUID, "Give the subscription's id, a UUID."),
        "tenant": (_TENANT, "Give the directory: its id, a UUID, or its domain."),
        "key_id": (_UUID, "Give the application's client id, a UUID."),
    },
}


def judged(account: Account) -> Account:
    """Itself; raises InvalidConfig for what can never work, AddressRefused for an endpoint that is
    never connected to. Nobody is asked, and no message holds anything of a secret."""
    if account.endpoint:
        judge_endpoint(account.endpoint)
    for name in _FIELDS[account.kind]:
        _judge(account.kind, name, getattr(account, name))
    _judge_secret(account.kind, account.secret)
    return account


def field(kind: CloudKind, name: str, text: str) -> str:
    """What was typed into one of the fields of that provider; raises InvalidConfig.

    >>> field(CloudKind.AWS, "region", " eu-central-1 ")
    'eu-central-1'
    """
    word = text.strip()
    _judge(kind, name, word)
    return word


def endpoint(text: str) -> str:
    """`https://host[:port]`, or nothing for the provider's own; raises InvalidConfig and
    AddressRefused.

    >>> endpoint("https://ec2.example.com/ ")
    'https://ec2.example.com'
    """
    address = text.strip().rstrip("/")
    if address:
        judge_endpoint(address)
    return address


def secret(kind: CloudKind, text: str) -> Secret:
    """The secret, or Google's key file; raises InvalidConfig. No message holds any of it."""
    typed = Secret(text.strip())
    _judge_secret(kind, typed)
    return typed


def _judge(kind: CloudKind, name: str, text: str) -> None:
    pattern, otherwise = _FIELDS[kind][name]
    if not re.fullmatch(pattern, text):
        raise InvalidConfig(otherwise)


def _judge_secret(kind: CloudKind, typed: Secret) -> None:
    if kind is CloudKind.GCP:
        keyfile.private_key(typed)
    elif not _SECRET.fullmatch(typed.reveal()):
        raise InvalidConfig("Give the secret; it has no spaces and one line.")
