"""Signatures: what the panel has proven of a backup in a vault, in a form that it knows again.

Whoever can write to a bucket can write manifests, and a server writes its own. So the panel lays a
small object beside them, whose text only who has the recovery key can have made. Pure.
docs/adopting.md
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cloudpilot.domain import manifests, told
from cloudpilot.domain.adoption import Laid
from cloudpilot.domain.manifests import Folder, Manifest
from cloudpilot.domain.objects import NAMES
from cloudpilot.errors import ManifestRefused

FORMAT = 1
BETWEEN = "\x1e"  # it stands in no JSON, and a false text that has it is several false ones
_PURPOSE = b"cloudpilot/signature/1\n"
_OF_KEYS = b"cloudpilot/key-of-signatures/1"


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature vouches for; its objects by what they are."""

    manifest: Manifest
    attempt: UUID
    objects: Mapping[str, Laid]


def key_id(key: bytes) -> str:
    """Which key it is, without telling anything of it."""
    return hmac.new(key, _OF_KEYS, hashlib.sha256).hexdigest()[:16]


def file_name(key: bytes) -> str:
    """What a signature by this key is called."""
    return f"signature-{key_id(key)}.json"


def make(key: bytes, said: Mapping[str, Any]) -> bytes:
    """The object as it lies there: the text that is signed is in it letter by letter."""
    signed = json.dumps(said, ensure_ascii=True, separators=(",", ":"))
    outer = {"format": FORMAT, "key": key_id(key), "hmac": _mark(key, signed), "signed": signed}
    return json.dumps(outer, indent=1).encode()


def joined(texts: Iterable[str]) -> str | None:
    """What may be signatures of one upload as one text, as much as is kept; none if there is none.

    >>> apart(joined(["a", "b"]))
    ['a', 'b']
    """
    kept = list[str]()
    for one in texts:
        if one and len(one) + sum(map(len, kept)) <= told.BYTES_AT_MOST:
            kept.append(one)
    return BETWEEN.join(kept) or None


def apart(text: str | None) -> list[str]:
    """What was joined."""
    return text.split(BETWEEN) if text else []


def opened(key: bytes, text: bytes, folder: Folder, now: datetime) -> Signed:
    """What it says, if this key has signed it and it is of this folder; raises ManifestRefused."""
    try:
        return _opened(key, text, folder, now)
    except ManifestRefused as refused:
        raise ManifestRefused(_of_signature(str(refused))) from refused


def _of_signature(why: str) -> str:
    """Said on the page of a backup, what is wrong with its signature must not be taken for what is
    wrong with it.

    >>> _of_signature("It is no JSON."), _of_signature("What should be an id is none.")
    ('Its signature is no JSON.', 'Its signature cannot be used: what should be an id is none.')
    """
    if why.startswith(("Its signature ", "It is signed ")):
        return why
    if why.startswith("It "):
        return f"Its signature {why[3:]}"
    why = why.removeprefix("The manifest cannot be used: ")
    return f"Its signature cannot be used: {why[:1].lower()}{why[1:]}"


def _opened(key: bytes, text: bytes, folder: Folder, now: datetime) -> Signed:
    outer = told.read(text)
    if outer.get("format") != FORMAT:
        raise ManifestRefused("Its signature is of a format that this version does not know.")
    signed = told.text(outer.get("signed"))
    if outer.get("key") != key_id(key):
        raise ManifestRefused("It is signed with another recovery key.")
    mark = told.text(outer.get("hmac"))
    if not hmac.compare_digest(mark.encode(), _mark(key, signed).encode()):
        raise ManifestRefused("Its signature is wrong: something of it was changed.")
    said = told.read(signed.encode())
    return Signed(
        manifest=manifests.understood(said, folder, now),
        attempt=told.identity(said.get("attempt")),
        objects=_objects(said, folder),
    )


def objects(laid: Mapping[str, Laid]) -> dict[str, Any]:
    """As a signature has them."""
    return {name: asdict(one) for name, one in laid.items()}


def difference(signed: Signed, attempt: UUID, there: Mapping[str, Laid]) -> str | None:
    """Why what lies there is not what was signed; None if it is."""
    if signed.attempt != attempt:
        return "Its signature is of another upload."
    for name in NAMES:
        one, other = signed.objects[name], there.get(name)
        if other is None or _place(one) != _place(other):
            return f"Its {name} is not the object that was signed."
    return None


def _place(one: Laid) -> tuple[object, ...]:
    return one.key, one.size, one.etag, one.version


def _objects(said: Mapping[str, Any], folder: Folder) -> dict[str, Laid]:
    named = told.mapping(said, "objects")
    found = {}
    for name in NAMES:
        one = told.mapping(named, name)
        texts = {key: told.text(one.get(key)) for key in ("key", "etag", "version", "sha256")}
        if type(one.get("size")) is not int or not texts["key"].startswith(f"{folder.name}/"):
            raise ManifestRefused("It names objects that are not in its place.")
        found[name] = Laid(size=one["size"], **texts)
    return found


def _mark(key: bytes, signed: str) -> str:
    return hmac.new(key, _PURPOSE + signed.encode(), hashlib.sha256).hexdigest()
