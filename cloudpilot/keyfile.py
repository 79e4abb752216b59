"""The key file of a service account of Google, as a person pastes it: judged before it is used."""

import json

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cloudpilot.connections import judge_endpoint
from cloudpilot.errors import InvalidConfig
from cloudpilot.secrets import Secret

LENGTH = 20_000  # characters; Google's have 2,400
_FIELDS = ("client_email", "private_key", "token_uri")


def key_file(secret: Secret) -> dict[str, str]:
    """A service account's key; raises InvalidConfig for anything else.

    Other kinds of credentials name programs to run and addresses to ask: they are not taken.
    """
    try:
        found = json.loads(secret.reveal())
    except ValueError as error:
        raise InvalidConfig("The key is not a service account's key file (JSON).") from error
    if not isinstance(found, dict) or found.get("type") != "service_account":
        raise InvalidConfig("The key file is not a service account's.")
    if not all(isinstance(found.get(field), str) for field in _FIELDS):
        raise InvalidConfig(f"The key file lacks one of {', '.join(_FIELDS)}.")
    address = str(found["token_uri"])
    scheme, _, rest = address.partition("://")
    judge_endpoint(f"{scheme}://{rest.partition('/')[0]}")
    return {str(name): str(value) for name, value in found.items()}


def judge(secret: Secret) -> None:
    """As `key_file`, and whether its private key is one; for whoever has just entered it."""
    _loaded(secret, skip=False)


def private_key(secret: Secret) -> RSAPrivateKey:
    """The key that signs; raises InvalidConfig.

    Its numbers are not tried again, which takes 40 ms: a wrong one signs what Google refuses.
    """
    key = _loaded(secret, skip=True)
    if not isinstance(key, RSAPrivateKey):
        raise InvalidConfig("The key file's private key is not one of RSA.")
    return key


def _loaded(secret: Secret, *, skip: bool) -> object:
    if len(secret.reveal()) > LENGTH:
        raise InvalidConfig("The key is not a service account's key file: it is too long.")
    pem = key_file(secret)["private_key"].encode()
    try:
        return load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=skip)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidConfig("The key file's private key cannot be read.") from error
