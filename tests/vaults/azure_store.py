"""A container of Azurite as the contract wants it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from typing import Any
from uuid import uuid4

from cloudpilot.kinds import VaultKind
from cloudpilot.secrets import Secret
from cloudpilot.vaults.azure_client import service
from cloudpilot.vaults.base import Vault
from cloudpilot.vaults.location import Location
from cloudpilot.vaults.registry import open_vault
from tests.support.azurite import Azurite

_NUMBERS = count()


class AzureStore:
    """A container of Azurite; every vault is below a prefix of its own."""

    page = 1_000
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

    def vault(self, **changes: Any) -> Vault:
        like = changes.pop("prefix_of", None)
        changes["prefix"] = like._prefix if like else f"tests/{next(_NUMBERS)}"
        if changes.pop("credentials", ""):
            changes["secret"] = Secret(self.wrong)
        return open_vault(replace(self.location, **changes))

    def fill(self, vault: Any, names: list[str]) -> None:
        with ThreadPoolExecutor(8) as executor:
            put = [
                executor.submit(self.container.upload_blob, f"{vault._prefix}/{name}", b"")
                for name in names
            ]
        for one in put:
            one.result()

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
