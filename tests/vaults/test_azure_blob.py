"""Azure's blobs, against Azurite."""

from dataclasses import dataclass, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobBlock, BlobProperties, RetentionPolicy

from cloudpilot import clock
from cloudpilot.errors import ChecksumMismatch, InvalidConfig, UploadIncomplete, VaultRefused
from cloudpilot.reports import Grade
from cloudpilot.secrets import Secret
from cloudpilot.vaults import azure_deletion
from cloudpilot.vaults.base import Fate, Vault
from cloudpilot.vaults.receipts import base64_md5
from cloudpilot.vaults.registry import open_vault
from tests.support.azurite import Azurite
from tests.vaults.azure_store import AzureStore
from tests.vaults.contract import BODY
from tests.vaults.network import NetworkContract
from tests.vaults.sending import Sender


class KeepsVersions:
    """An account, its container and its blobs: what is deleted or replaced stays as a version."""

    def __init__(self, *, kept: int, locked: bool = False, stubborn: bool = False) -> None:
        self.blob_name, self.container_name, self.version = "p/key", "c", ""
        self.versions = [f"v{number}" for number in range(kept)]
        self.current, self.is_locked, self.stubborn = True, locked, stubborn

    def get_container_client(self, _name: str) -> "KeepsVersions":
        return self

    def get_blob_client(self, _name: str, version_id: str) -> "OneVersion":
        return OneVersion(self, version_id)

    def list_blobs(self, name_starts_with: str, include: list[str]) -> list[BlobProperties]:
        assert (name_starts_with, include) == ("p/key", ["versions"])
        return [_named("p/key-of-another", "v0"), *(_named("p/key", v) for v in self.versions)]

    def delete_blob(self, **_how: Any) -> None:
        if not self.current:
            raise _refused(404)
        self.current = False
        self.versions.append("the last")

    def get_service_properties(self) -> dict[str, Any]:
        return {}


@dataclass
class OneVersion:
    account: KeepsVersions
    version_id: str

    def delete_blob(self, version_id: str) -> None:
        assert version_id == self.version_id
        if self.account.is_locked:
            raise _refused(409)
        if not self.account.stubborn:
            self.account.versions.remove(version_id)

    def get_blob_properties(self) -> Any:
        policy = SimpleNamespace(expiry_time=clock.now() + timedelta(days=9))
        return SimpleNamespace(immutability_policy=policy, has_legal_hold=False)


def _refused(status: int) -> HttpResponseError:
    return HttpResponseError(response=SimpleNamespace(status_code=status, reason="", headers={}))


def _named(name: str, version: str) -> BlobProperties:
    found = BlobProperties(name=name)
    found.version_id = version
    return found


def test_where_versions_are_kept_none_of_them_is_left() -> None:
    """The name was used once: whatever lies there under it is what is to go."""
    account = KeepsVersions(kept=2)
    assert azure_deletion.delete(account, account).fate is Fate.GONE
    assert account.versions == []
    assert azure_deletion.delete(account, account).fate is Fate.GONE


def test_a_version_that_is_locked_or_stays_is_not_called_gone() -> None:
    account = KeepsVersions(kept=1, locked=True)
    deletion = azure_deletion.delete(account, account)
    assert deletion.fate is Fate.LOCKED
    assert deletion.until
    account = KeepsVersions(kept=1, stubborn=True)
    with pytest.raises(VaultRefused, match="still has"):
        azure_deletion.delete(account, account)


@pytest.fixture(scope="session")
def in_azure(azurite: Azurite) -> AzureStore:
    return AzureStore(azurite)


@pytest.mark.xdist_group("others")
class TestAzure(NetworkContract):
    server = "azurite"

    @pytest.fixture
    def store(self, in_azure: AzureStore) -> AzureStore:
        return in_azure

    def forget_what_is_asked_for(self, vault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        real = vault._container.list_blobs

        def deaf(**words: Any) -> Any:
            return real(
                **{name: word for name, word in words.items() if name != "name_starts_with"}
            )

        monkeypatch.setattr(vault._container, "list_blobs", deaf)

    def overwrite(self, vault: Vault, sender: Sender, request: Any) -> None:
        """`w` on a blob is everything that writes it: Azure has no smaller right."""
        url = request.url.reveal().split("&comp=block")[0]
        headers = [("x-ms-blob-type", "BlockBlob")]
        assert self.send(vault)("PUT", url, headers, b"ONE TWO").status == 201

    def test_another_md5_in_an_answer_completes_nothing(self, vault: Vault) -> None:
        sender = self.sender(vault, vault.begin("web-1/a", len(BODY)))
        [receipt] = sender.all()
        told = replace(receipt, answer=base64_md5("0" * 32))
        with pytest.raises(ChecksumMismatch):
            sender.complete([told])
        assert sender.complete([replace(receipt, answer=base64_md5(receipt.md5))])

    def test_blocks_that_nobody_was_asked_for_complete_nothing(self, vault: Vault) -> None:
        """Who has the signature may send whatever blocks."""
        sender = self.sender(vault, vault.begin("web-1/a", len(BODY)))
        [request] = vault.requests_for(sender.upload, 1, 1, seconds=60)
        receipt = sender.receipt(request)
        odd = request.url.reveal().replace("MDAwMDAx", "b3RoZXJz")
        assert self.send(vault)("PUT", odd, (), b"more").status == 201
        with pytest.raises(UploadIncomplete):
            sender.complete([receipt])
        vault.abort(sender.upload)
        assert list(vault.open_uploads()) == []

    def test_what_stands_in_the_place_of_an_upload_is_not_replaced(self, vault: Any) -> None:
        upload = vault.begin("web-1/a", len(BODY))
        sender = self.sender(vault, upload)
        sent = sender.all()
        vault._blob(upload.key).upload_blob(b"another", overwrite=True)
        with pytest.raises(UploadIncomplete):
            sender.complete(sent)
        assert self.read(vault, upload.key).body == b"another"

    def test_what_is_replaced_as_soon_as_it_was_completed_is_not_proven(
        self, vault: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who has the signature may send other blocks of the same names and sizes."""
        upload, real = vault.begin("web-1/a", len(BODY)), vault._commit

        def raced(key: str, names: list[str], md5: str) -> str:
            etag = real(key, names, md5)
            blob = vault._blob(key)
            blob.stage_block(BlobBlock(names[0]).id, BODY.upper())
            blob.commit_block_list([BlobBlock(names[0])])
            return str(etag)

        monkeypatch.setattr(vault, "_commit", raced)
        sender = self.sender(vault, upload)
        with pytest.raises(ChecksumMismatch, match="has taken the place"):
            sender.complete(sender.all())

    def test_soft_delete_is_told(self, vault: Any) -> None:
        keep = RetentionPolicy(enabled=True, days=9)
        vault._service.set_service_properties(delete_retention_policy=keep)
        try:
            stored = self.stored(vault)
            deletion = vault.delete(stored.key)
            assert deletion.fate is Fate.KEPT
            assert deletion.until
            assert 8 <= (deletion.until - clock.now()).days <= 9
            lines = {line.about: line for line in vault.check()}
            assert lines["soft delete"].grade is Grade.WARNING
            assert "9 days" in lines["soft delete"].sentence
        finally:
            off = RetentionPolicy(enabled=False)
            vault._service.set_service_properties(delete_retention_policy=off)

    @pytest.mark.parametrize("key", ["not base64!", "", "abc"])
    def test_a_key_that_is_none_is_said_to_be(self, store: AzureStore, key: str) -> None:
        with pytest.raises(InvalidConfig) as refused:
            open_vault(replace(store.location, secret=Secret(key)))
        assert not key or key not in str(refused.value)

    def test_a_name_is_not_to_be_guessed(self, vault: Vault) -> None:
        names = {vault.begin("web-1/a", len(BODY)).key for _ in range(3)}
        assert len(names) == 3
        assert all(len(name.split("/")[1]) == 32 for name in names)
