"""A bucket of Google's emulator as the contract wants it."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from cloudpilot.kinds import VaultKind
from cloudpilot.secrets import Secret
from cloudpilot.vaults.location import Location
from tests.support.gcs import PAGE, Gcs
from tests.vaults.bucket_store import BucketStore


class GcsStore(BucketStore):
    """A bucket of the emulator; every vault is below a prefix of its own."""

    page = PAGE  # the emulator's own

    def __init__(self, gcs: Gcs, bucket: str = "") -> None:
        self.bucket = bucket or f"bucket-{uuid4().hex[:8]}"
        self.gcs = gcs
        self.wrong = gcs.key_file("a stranger")
        self.secrets = [gcs.key_file().split("PRIVATE KEY")[1][10:60]]
        gcs.create_bucket(self.bucket, softDeletePolicy={"retentionDurationSeconds": "0"})
        self.location = Location(
            VaultKind.GCS, self.bucket, endpoint=gcs.endpoint, secret=Secret(gcs.key_file())
        )

    def put(self) -> Callable[[str], Any]:
        target = f"/upload/storage/v1/b/{self.bucket}/o?uploadType=media&name="
        return lambda key: self.gcs.forward(
            "POST", target + key, {"content-type": "text/plain"}, b"x"
        )

    def keys(self, mark: str) -> list[str]:
        """The whole names of all objects with this in them."""
        listed = self._ask("GET", f"/storage/v1/b/{self.bucket}/o")
        names = [one["name"] for one in json.loads(listed)["items"]]
        return [name for name in names if mark in name]

    def body(self, key: str) -> bytes:
        return self._ask("GET", f"{self._object(key)}?alt=media")

    def replace(self, key: str, body: bytes) -> None:
        target = f"/upload/storage/v1/b/{self.bucket}/o?uploadType=media&name={quote(key, safe='')}"
        answer = self.gcs.forward("POST", target, {"content-type": "text/plain"}, body)
        assert answer.status == 200, answer

    def remove(self, key: str) -> None:
        self._ask("DELETE", self._object(key))

    def open(self) -> list[str]:
        """The objects of sessions that go on."""
        return self.gcs.open_sessions(self.bucket)

    def _object(self, key: str) -> str:
        return f"/storage/v1/b/{self.bucket}/o/{quote(key, safe='')}"

    def _ask(self, method: str, target: str) -> bytes:
        """The emulator itself, past the gate."""
        answer = self.gcs.forward(method, target, {}, b"")
        assert answer.status == 200, answer
        return answer.body
