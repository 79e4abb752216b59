"""Google's tokens for the key of a service account, without Google's library: that one waits by
itself and asks again, and is 20 MB of memory for one signature.

https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from cloudpilot import clock
from cloudpilot.clouds.account import Account
from cloudpilot.clouds.tokens import Granted
from cloudpilot.keyfile import key_file, private_key

SCOPE = "https://www.googleapis.com/auth/cloud-platform"  # what it may do is its role's
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SECONDS = 3600  # the most that Google takes


def tokens(account: Account) -> Granted:
    """Of the account's key; raises InvalidConfig for one that cannot sign."""
    found, key = key_file(account.secret), private_key(account.secret)

    def form() -> Mapping[str, str]:
        return {"grant_type": GRANT, "assertion": _assertion(found, key)}

    brand, url = account.kind.brand, found["token_uri"]
    return Granted(brand, url, form, account.secret, private=account.private)


def _assertion(found: Mapping[str, str], key: RSAPrivateKey) -> str:
    """A JWT by which the account asks for a token."""
    now = int(clock.now().timestamp())
    head = {"alg": "RS256", "typ": "JWT", "kid": found.get("private_key_id", "")}
    claims = {
        "iss": found["client_email"],
        "scope": SCOPE,
        "aud": found["token_uri"],
        "iat": now,
        "exp": now + SECONDS,
    }
    signed = f"{_encoded(json.dumps(head).encode())}.{_encoded(json.dumps(claims).encode())}"
    return f"{signed}.{_encoded(key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
