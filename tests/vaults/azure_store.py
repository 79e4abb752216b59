"""A container of Azurite as the contract wants it."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from cloudpilot.kinds import VaultKind
from cloudpilot.secrets import Secret
from cloudpilot.vaults.azure_client import service
from cloudpilot.vaults.location import Location
from tests.support.azurite import Azurite
from tests.vaults.bucket_store import BucketStore


class AzureStore(BucketStore):
    """A container of Azurite; every vault is below a prefix of its own."""

    wrong = "YSB3cm9uZyBzZWNyZXQ="

    def __init__(self, azurite: Azurite, bucket: str = "") -> None:
        self.bucket = bucket or f"container-{uuid4().hex[:8]}"
        self.secrets = [azurite.key]
        self.location = Location(
            VaultKind.AZURE_BLOB,
            self.bucket,
            endpoint=azurite.endpoint,
            key_id=azurite.account,
            secret=Secret(azurite.key),
        )
        self.container = service(self.location).create_container(self.bucket)

    def ask_for_small_pages(self, vault: Any) -> None:
        real = vault._container.list_blobs
        vault._container.list_blobs = lambda **words: real(
            **words | {"results_per_page": self.page}
        )

    def put(self) -> Callable[[str], Any]:
        return lambda key: self.container.upload_blob(key, b"")

    def keys(self, mark: str) -> list[str]:
        """The whole names of all objects with this in them."""
        return [found.name for found in self.container.list_blobs() if mark in found.name]

    def body(self, key: str) -> bytes:
        return bytes(self.container.download_blob(key).readall())

    def replace(self, key: str, body: bytes) -> None:
        self.container.upload_blob(key, body, overwrite=True)

    def remove(self, key: str) -> None:
        self.container.delete_blob(key)

    def open(self) -> list[str]:
        """The blobs of which only blocks have arrived; one that was begun is nowhere before."""
        listed = self.container.list_blobs(include=["uncommittedblobs"])
        committed = {found.name for found in self.container.list_blobs()}
        return [found.name for found in listed if found.name not in committed]
