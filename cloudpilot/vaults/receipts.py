"""Receipts: what a server says it has sent, compared with what the store says it has.

Everything in a receipt is hostile: the server that is backed up may be somebody else's by now. A
receipt can prevent an object; only the store's own list can make one.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence

from cloudpilot.errors import ChecksumMismatch, UploadIncomplete
from cloudpilot.vaults.base import VerifiedBy
from cloudpilot.vaults.plans import PartPlan
from cloudpilot.vaults.uploads import Receipt, ReceivedPart

MD5 = re.compile(r"[0-9a-f]{32}")
MD5_OF_NOTHING = "d41d8cd98f00b204e9800998ecf8427e"
_COMPOSITE = re.compile(r"([0-9a-f]{32})-(\d{1,5})")


def judge(plan: PartPlan, receipts: Sequence[Receipt], size: int) -> None:
    """Raise UploadIncomplete unless they are of all parts of `size` bytes, in order."""
    sizes = plan.cut(size)
    if [receipt.number for receipt in receipts] != list(range(1, len(sizes) + 1)):
        raise UploadIncomplete(f"{len(receipts)} receipts came for {len(sizes)} parts.")
    for receipt, expected in zip(receipts, sizes, strict=True):
        if receipt.size != expected:
            raise UploadIncomplete(f"Part {receipt.number} is not {expected} bytes long.")
        if not MD5.fullmatch(receipt.md5):
            raise UploadIncomplete(f"The receipt of part {receipt.number} has no MD5.")


def compare(
    receipts: Sequence[Receipt], stored: Sequence[ReceivedPart], *, opaque: bool = False
) -> VerifiedBy:
    """How the store's list of parts proves what the server says it has sent.

    Where an ETag is an MD5 it has to be the part's. Elsewhere (S3 encrypts by a key of the
    customer's or of KMS, Azure tells none) the store has taken each part only with the right
    Content-MD5, and what it answered then has to be what it lists now. Raises UploadIncomplete.

    opaque  ETags only look like MD5s; see Upload
    """
    if [part.number for part in stored] != [receipt.number for receipt in receipts]:
        raise UploadIncomplete(f"The store has {len(stored)} of {len(receipts)} parts.")
    plain = not opaque and all(MD5.fullmatch(part.etag) for part in stored)
    for receipt, part in zip(receipts, stored, strict=True):
        if receipt.size != part.size:
            raise UploadIncomplete(f"The store has {part.size} bytes of part {part.number}.")
        proof = {receipt.md5} if plain else {bare(receipt.answer), receipt.md5}
        if part.etag and part.etag not in proof:
            raise ChecksumMismatch(f"The store has other bytes as part {part.number}.")
    return VerifiedBy.MD5_PARTS if plain and stored else VerifiedBy.MD5_PER_BLOCK


def composite(etags: Sequence[str]) -> str | None:
    """The ETag that S3 gives an object of these parts; None if theirs are no MD5s."""
    if not etags or not all(MD5.fullmatch(etag) for etag in etags):
        return None
    joined = b"".join(bytes.fromhex(etag) for etag in etags)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(etags)}"


def contradicts(etag: str, parts: Sequence[ReceivedPart]) -> bool:
    """Whether an object's ETag is of a form that we can compute, and is not what it should be."""
    expected = composite([part.etag for part in parts])
    return bool(expected and _COMPOSITE.fullmatch(etag) and etag != expected)


def bare(etag: str) -> str:
    """An ETag without its quotes.

    >>> bare('"0cc175b9c0f1b6a831c399e269772661"')
    '0cc175b9c0f1b6a831c399e269772661'
    """
    return etag.strip().removeprefix("W/").strip('"')


def base64_md5(digest: str) -> str:
    """32 hexadecimal digits, as HTTP's headers have them.

    >>> base64_md5("0cc175b9c0f1b6a831c399e269772661")
    'DMF1ucDxtqgxw5niaXcmYQ=='
    """
    return b64encode(bytes.fromhex(digest)).decode()
