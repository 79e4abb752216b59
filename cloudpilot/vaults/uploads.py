"""Uploads, in plain values: what was begun, what is signed, what came back, what has arrived."""

import json
from dataclasses import dataclass
from datetime import datetime

from cloudpilot.secrets import Secret
from cloudpilot.vaults.plans import PartPlan

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that has begun. Plain values: any worker may go on with it.

    key   where the object will be; it may differ from what was asked for (Azure's is a secret)
    id    the store's name for it. Google's is an address that lets whoever has it write: so it is
          kept sealed, `as_secret` and `from_secret`
    plan  how it is cut
    opaque  the store encrypts by a key of the customer's or of KMS: what it calls parts only looks
          like MD5s
    """

    key: str
    id: Secret
    plan: PartPlan
    opaque: bool = False

    def as_secret(self) -> Secret:
        """All of it as text, to be sealed."""
        values = {"key": self.key, "id": self.id.reveal(), "tiers": self.plan.tiers}
        return Secret(json.dumps(values | ({"opaque": True} if self.opaque else {})))

    @classmethod
    def from_secret(cls, secret: Secret) -> "Upload":
        """What `as_secret` has made."""
        values = json.loads(secret.reveal())
        tiers = tuple((int(size), int(count)) for size, count in values["tiers"])
        opaque = bool(values.get("opaque"))
        return cls(values["key"], Secret(values["id"]), PartPlan(tiers), opaque)


@dataclass(frozen=True, slots=True)
class PartRequest:
    """A signed request that takes one part: whoever has it may write this, and nothing else.

    Values of headers hold words in braces that who sends puts in: `{md5}` (of the bytes of this
    request) and `{whole_md5}` (of the whole object), both base64; `{first}` and `{last}`, offsets
    of the first and last byte of this request; `{total}`, the object's size, or `*` while the last
    part is not reached.

    offset, size  bytes; the last part is as long as what is left
    final         more headers, for the last part only
    ask           headers of an empty request that asks how far the store has got; none where a
                  part is just sent again. Answered 308 with `Range: bytes=0-N`, or with no range
                  for nothing; 200 and 201 say that all is there
    """

    number: int
    offset: int
    size: int
    url: Secret
    headers: Headers
    method: str = "PUT"
    final: Headers = ()
    ask: Headers = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the server says about a part that it has sent. Judged, never believed."""

    number: int
    size: int  # bytes
    md5: str  # 32 hexadecimal digits, of the bytes that were sent
    answer: str = ""  # the store's ETag or Content-MD5, as it stood in the answer


@dataclass(frozen=True, slots=True)
class ReceivedPart:
    """What the store says about a part."""

    number: int
    size: int  # bytes
    etag: str = ""  # without quotes; "" where the store tells none


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An upload that was begun and has neither become an object nor been forgotten."""

    key: str
    upload: Upload | None  # to abort it by; None where the store does not say enough
    begun_at: datetime | None
