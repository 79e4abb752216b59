"""What Google checks and its emulator does not: signatures, by the public key of the account."""

import hashlib
import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import parse_qsl, quote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

EMAIL = "panel@tests.iam.gserviceaccount.com"


@dataclass(frozen=True)
class Account:
    """A service account: the key file for the panel, the public key for whoever checks."""

    private_pem: str
    public: RSAPublicKey

    def key_file(self, token_uri: str) -> str:
        values = {"type": "service_account", "client_email": EMAIL, "private_key_id": "1"}
        return json.dumps({**values, "private_key": self.private_pem, "token_uri": token_uri})


@cache
def account(name: str) -> Account:
    """One made for this session of tests, of each name."""
    assert name
    key = generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Account(pem, key.public_key())


def verified(public: RSAPublicKey, signature: bytes, signed: bytes) -> bool:
    """Whether the account has signed this."""
    try:
        public.verify(signature, signed, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def grants(public: RSAPublicKey, assertion: str) -> bool:
    """Whether a token would be given for this JWT."""
    head, body, signature = assertion.split(".")
    claims = json.loads(_decoded(body))
    in_time = claims["iat"] - 60 <= datetime.now(UTC).timestamp() <= claims["exp"]
    mine = claims["iss"] == EMAIL and in_time
    return mine and verified(public, _decoded(signature), f"{head}.{body}".encode())


def status_of(
    public: RSAPublicKey, method: str, target: str, headers: Mapping[str, str]
) -> int | None:
    """The status with which Google refuses a request that is signed in its address; None if not.

    https://cloud.google.com/storage/docs/authentication/signatures, V4.
    """
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    signature = bytes.fromhex(query.pop("X-Goog-Signature"))
    names = query["X-Goog-SignedHeaders"].split(";")
    canonical = "\n".join(
        (
            method,
            parts.path,
            "&".join(f"{_quoted(name)}={_quoted(query[name])}" for name in sorted(query)),
            *(f"{name}:{headers.get(name, '').strip()}" for name in names),
            "",
            ";".join(names),
            "UNSIGNED-PAYLOAD",
        )
    )
    scope = query["X-Goog-Credential"].partition("/")[2]
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signed = "\n".join(("GOOG4-RSA-SHA256", query["X-Goog-Date"], scope, digest))
    if not verified(public, signature, signed.encode()):
        return 403
    at = datetime.strptime(query["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    expired = at + timedelta(seconds=int(query["X-Goog-Expires"])) < datetime.now(UTC)
    return 400 if expired else None


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
