"""S3 servers as the contract wants them."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from cloudpilot.kinds import VaultKind
from cloudpilot.secrets import Secret
from cloudpilot.vaults.location import Location
from cloudpilot.vaults.s3_client import client
from tests.vaults.bucket_store import BucketStore


class S3Store(BucketStore):
    """A bucket of a server; every vault is below a prefix of its own."""

    wrong = "a-wrong-secret"

    def __init__(self, server: Any, kind: VaultKind = VaultKind.S3, **options: Any) -> None:
        self.secrets = [server.secret]
        self.bucket = f"bucket-{uuid4().hex[:8]}"
        endpoint = options.pop("endpoint", server.endpoint)
        options = {"path_style": kind is VaultKind.S3} | options
        self.location = Location(
            kind, self.bucket, "", endpoint, "", server.key_id, Secret(server.secret), **options
        )
        self.s3 = client(self.location, endpoint)
        self.s3.create_bucket(Bucket=self.bucket)

    def ask_for_small_pages(self, vault: Any) -> None:
        def small(params: dict[str, Any], **_more: Any) -> None:
            params.setdefault("MaxKeys", self.page)

        vault._s3.meta.events.register("before-parameter-build.s3.ListObjectsV2", small)

    def put(self) -> Callable[[str], Any]:
        return lambda key: self.s3.put_object(Bucket=self.bucket, Key=key, Body=b"")

    def keys(self, mark: str) -> list[str]:
        """The whole names of all objects with this in them."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [one["Key"] for one in listed if mark in one["Key"]]

    def body(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def replace(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def remove(self, key: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=key)

    def open(self) -> list[str]:
        """The objects of uploads that are open."""
        listed = self.s3.list_multipart_uploads(Bucket=self.bucket)
        return [one["Key"] for one in listed.get("Uploads", [])]


def all_of_it(vault: Any) -> None:
    """From now on this vault's store does not know `prefix`."""

    def deaf(params: dict[str, Any], **_more: Any) -> None:
        params.pop("Prefix", None)

    vault._s3.meta.events.register("before-parameter-build.s3", deaf)
