"""What a person has entered about an account, judged: nothing of it can steer an address."""

import re

from cloudpilot import keyfile
from cloudpilot.clouds.account import Account
from cloudpilot.connections import judge_endpoint
from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import CloudKind

_UUID = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_REGION = re.compile(r"[a-z]{2,3}(-[a-z]{1,12}){1,3}-\d{1,2}")
_PROJECT = re.compile(r"([a-z0-9][a-z0-9.-]{0,60}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_TENANT = re.compile(rf"{_UUID}|[A-Za-z0-9]([A-Za-z0-9-]{{0,61}}\.)+[A-Za-z]{{2,24}}")
_KEY_ID = re.compile(r"[A-Za-z0-9_]{4,128}")
_SECRET = re.compile(r"[!-~]{1,1000}")


def judged(account: Account) -> Account:
    """Itself; raises InvalidConfig for what can never work, AddressRefused for an endpoint that is
    never connected to. Nobody is asked, and no message holds anything of a secret."""
    if account.endpoint:
        judge_endpoint(account.endpoint)
    if account.kind is CloudKind.GCP:
        _matches(_PROJECT, account.project, "Give the project's id, such as shop-123456.")
        keyfile.private_key(account.secret)
        return account
    if not _SECRET.fullmatch(account.secret.reveal()):
        raise InvalidConfig("Give the secret; it has no spaces and one line.")
    if account.kind is CloudKind.AWS:
        _matches(_REGION, account.region, "Give the region, such as eu-central-1.")
        _matches(_KEY_ID, account.key_id, "Give the access key's id: letters and digits.")
    if account.kind is CloudKind.AZURE:
        _matches(re.compile(_UUID), account.project, "Give the subscription's id, a UUID.")
        _matches(_TENANT, account.tenant, "Give the directory: its id, a UUID, or its domain.")
        _matches(re.compile(_UUID), account.key_id, "Give the application's client id, a UUID.")
    return account


def _matches(pattern: re.Pattern[str], text: str, otherwise: str) -> None:
    if not pattern.fullmatch(text):
        raise InvalidConfig(otherwise)
