"""Doing what a server does: send parts by signed requests, keep receipts."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from cloudpilot.connections import Answer
from cloudpilot.vaults.base import Vault
from cloudpilot.vaults.checks import filled
from cloudpilot.vaults.plans import MIB, PartPlan
from cloudpilot.vaults.receipts import bare
from cloudpilot.vaults.uploads import PartRequest, Receipt, Upload

SMALLEST = 5 * MIB  # S3 takes no smaller part, but for the last
Send = Callable[..., Answer]


def md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def in_small_parts(upload: Upload, size: int = SMALLEST) -> Upload:
    """The upload, cut into the smallest parts that stores take: tests send little."""
    return replace(upload, plan=PartPlan(((size, 10_000),)))


class Sender:
    """A server that sends `body`; `send` is its curl."""

    def __init__(self, vault: Vault, upload: Upload, body: bytes, send: Send) -> None:
        self.vault, self.upload, self.body, self._send = vault, upload, body, send
        sizes = upload.plan.cut(len(body))
        starts = [sum(sizes[:index]) for index in range(len(sizes))]
        self.parts = [body[a : a + size] for a, size in zip(starts, sizes, strict=True)]

    def put(self, request: PartRequest, body: bytes | None = None, **lies: str) -> Answer:
        """Send a part; `lies` are values of headers that are not true."""
        part = self.parts[request.number - 1] if body is None else body
        is_last = request.number == len(self.parts)
        headers = filled(
            request,
            len(part),
            lies.get("md5", md5(part)),
            total=len(self.body) if is_last else None,
            whole_md5=lies.get("whole_md5", md5(self.body)),
        )
        return self._send(request.method, request.url.reveal(), headers, part)

    def parts_but_the_end(self) -> int:
        """Send what keeps an upload open; how many parts the store then has. Where the last part
        makes the object that is none of a body of a single one."""
        if self.vault.abilities.visible_with_last_part:
            return 0
        return len(self.all())

    def receipt(self, request: PartRequest) -> Receipt:
        """Send a part and keep what was answered."""
        answer = self.put(request)
        assert answer.status in {200, 201, 308}, answer
        part = self.parts[request.number - 1]
        told = answer.headers.get("content-md5") or bare(answer.headers.get("etag", ""))
        return Receipt(request.number, len(part), md5(part), told)

    def all(self, *, seconds: int = 60) -> list[Receipt]:
        """Send everything, as many parts at once as the vault allows, the last ones first."""
        if not self.parts:
            return []
        count, parallel = len(self.parts), self.vault.abilities.parallel
        requests = self.vault.requests_for(self.upload, 1, count, seconds=seconds)
        assert [request.number for request in requests] == list(range(1, count + 1))
        if parallel == 1:
            return [self.receipt(request) for request in requests]
        with ThreadPoolExecutor(parallel) as executor:
            sent = list(executor.map(self.receipt, reversed(requests)))
        return sorted(sent, key=lambda receipt: receipt.number)

    def complete(self, sent: Sequence[Receipt]):  # type: ignore[no-untyped-def]
        """Say what was sent."""
        return self.vault.complete(self.upload, sent, len(self.body), md5=md5(self.body))
