"""A vault in memory, for tests of what stands on vaults: it keeps the whole promise.

Its requests are not sent but handed to `send`, which answers as a store would.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from cloudpilot import clock
from cloudpilot.connections import Answer
from cloudpilot.errors import ObjectMissing, UploadIncomplete, VaultDenied, VaultMissing
from cloudpilot.kinds import VaultKind
from cloudpilot.reports import CheckLine
from cloudpilot.secrets import Secret
from cloudpilot.vaults import checks, keys, plans, receipts
from cloudpilot.vaults.base import Abilities, Deletion, Fate, StoredObject
from cloudpilot.vaults.naming import disposition
from cloudpilot.vaults.uploads import OpenUpload, PartRequest, Receipt, ReceivedPart, Upload

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass
class MemoryStore:
    """What the vaults of a test share: the store itself."""

    secret: Secret = Secret("memory")  # noqa: RUF009  (it is frozen)
    objects: dict[str, tuple[bytes, StoredObject]] = field(default_factory=dict)
    open: dict[str, tuple[str, datetime, dict[int, bytes]]] = field(default_factory=dict)


class MemoryVault:
    """A vault in `store`; with another secret than the store's it is refused."""

    kind: ClassVar[VaultKind] = VaultKind.S3
    abilities = Abilities(parallel=8)

    def __init__(self, store: MemoryStore | None, secret: Secret, prefix: str = "") -> None:
        self._store, self._secret, self._prefix = store, secret, prefix

    def begin(self, key: str, expected: int | None, *, streamed: bool = False) -> Upload:
        plan = plans.plan(expected, streamed=streamed)
        upload = Upload(key, Secret(secrets.token_hex(8)), plan)
        self._ask().open[upload.id.reveal()] = (self._name(key), clock.now(), {})
        return upload

    def requests_for(
        self, upload: Upload, first: int, count: int, *, seconds: int
    ) -> list[PartRequest]:
        last = min(first + count - 1, upload.plan.most_parts)
        return [
            PartRequest(
                number=number,
                offset=upload.plan.offset_of(number),
                size=upload.plan.size_of(number),
                url=self._signed(
                    "PUT", upload.key, seconds, upload=upload.id.reveal(), part=str(number)
                ),
                headers=(("Content-MD5", "{md5}"),),
            )
            for number in range(first, last + 1)
        ]

    def received(self, upload: Upload) -> list[ReceivedPart]:
        _name, _at, parts = self._open(upload)
        return [
            ReceivedPart(number, len(parts[number]), _md5(parts[number]))
            for number in sorted(parts)
        ]

    def complete(
        self, upload: Upload, sent: Sequence[Receipt], size: int, *, md5: str = ""
    ) -> StoredObject:
        receipts.judge(upload.plan, sent, size)
        try:
            how = receipts.compare(sent, self.received(upload))
        except UploadIncomplete:
            if upload.id.reveal() not in self._ask().open and self._made(upload, sent, size):
                return self._ask().objects[self._name(upload.key)][1]
            raise
        _name, _at, parts = self._ask().open.pop(upload.id.reveal())
        body = b"".join(parts[number] for number in sorted(parts))
        etag = receipts.composite([_md5(parts[number]) for number in sorted(parts)]) or ""
        stored = StoredObject(upload.key, size, clock.now(), etag, verified_by=how)
        self._ask().objects[self._name(upload.key)] = (body, stored)
        return stored

    def abort(self, upload: Upload) -> None:
        self._ask().open.pop(upload.id.reveal(), None)

    def open_uploads(self, prefix: str = "") -> Iterator[OpenUpload]:
        for identity, (name, at, _parts) in sorted(self._ask().open.items()):
            if name.startswith(keys.beginning(self._prefix, prefix)):
                key = keys.relative(self._prefix, prefix, name)
                yield OpenUpload(key, Upload(key, Secret(identity), plans.plan(None)), at)

    def stat(self, key: str) -> StoredObject:
        try:
            return replace(self._ask().objects[self._name(key)][1], verified_by=None)
        except KeyError as error:
            raise ObjectMissing("There is no such object.") from error

    def sign_read(self, key: str, *, seconds: int, filename: str, version: str = "") -> Secret:
        return self._signed("GET", key, seconds, shown=disposition(filename))

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        for name, (_body, stored) in sorted(self._ask().objects.items()):
            if name.startswith(keys.beginning(self._prefix, prefix)):
                key = keys.relative(self._prefix, prefix, name)
                yield replace(stored, key=key, verified_by=None)

    def delete(self, key: str, version: str = "") -> Deletion:
        self._ask().objects.pop(self._name(key), None)
        return Deletion(Fate.GONE)

    def check(self, key: str = "") -> Sequence[CheckLine]:
        return checks.trial(self, self, key, in_clear=False)

    def policy(self) -> str:
        return "Nothing: it is in memory."

    def send(
        self, method: str, url: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> Answer:
        """What a store would answer to this request."""
        store, asked = self._ask(), urlsplit(url)
        values = {name: value[0] for name, value in parse_qs(asked.query).items()}
        mark = values.pop("mark", "")
        named = {name.lower(): value for name, value in headers}
        if not hmac.compare_digest(mark, self._mark(f"{method} {asked.path}", values)):
            return Answer(403, {})
        if float(values["until"]) < clock.now().timestamp():
            return Answer(403, {})
        if method == "GET":
            return _read(store.objects.get(unquote(asked.path)[1:]), named, values)
        if values["upload"] not in store.open:
            return Answer(404, {})
        told = named.get("content-md5")
        if told not in {None, receipts.base64_md5(_md5(body))}:
            return Answer(400, {})
        store.open[values["upload"]][2][int(values["part"])] = body
        return Answer(200, {"etag": f'"{_md5(body)}"'})

    def _ask(self) -> MemoryStore:
        if self._store is None:
            raise VaultMissing("There is no such store.")
        if self._secret != self._store.secret:
            raise VaultDenied("The store does not take this secret.")
        return self._store

    def _open(self, upload: Upload) -> tuple[str, datetime, dict[int, bytes]]:
        try:
            return self._ask().open[upload.id.reveal()]
        except KeyError as error:
            raise UploadIncomplete("The upload is no longer open.") from error

    def _made(self, upload: Upload, sent: Sequence[Receipt], size: int) -> bool:
        _body, found = self._ask().objects.get(self._name(upload.key), (b"", None))
        parts = [ReceivedPart(one.number, one.size, one.md5) for one in sent]
        return bool(found and found.size == size and not receipts.contradicts(found.etag, parts))

    def _name(self, key: str) -> str:
        return keys.whole(self._prefix, key)

    def _signed(self, method: str, key: str, seconds: int, **values: str) -> Secret:
        name = self._name(key)
        values["until"] = str(clock.now().timestamp() + seconds)
        values["mark"] = self._mark(f"{method} /{quote(name)}", values)
        return Secret(f"memory://store/{quote(name)}?{urlencode(values)}")

    def _mark(self, request: str, values: dict[str, str]) -> str:
        text = f"{request} {sorted(values.items())}".encode()
        return hmac.new(self._ask().secret.reveal().encode(), text, "sha256").hexdigest()


def _read(
    found: tuple[bytes, StoredObject] | None, named: dict[str, str], values: dict[str, str]
) -> Answer:
    if found is None:
        return Answer(404, {})
    body, shown = found[0], {"content-disposition": values["shown"]}
    if wanted := _RANGE.fullmatch(named.get("range", "")):
        first, last = int(wanted[1]), int(wanted[2] or len(body))
        return Answer(206, shown, body[first : last + 1])
    return Answer(200, shown, body)


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
