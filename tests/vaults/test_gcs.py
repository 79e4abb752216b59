"""Google Cloud Storage, against its emulator behind a gate that is as strict as Google."""

import json
from dataclasses import replace
from typing import Any

import pytest

from cloudpilot import clock
from cloudpilot.errors import AddressRefused, InvalidConfig, UploadIncomplete, VaultRefused
from cloudpilot.reports import Grade
from cloudpilot.secrets import Secret
from cloudpilot.vaults import gcs_session
from cloudpilot.vaults.base import Fate, Vault
from cloudpilot.vaults.registry import open_vault
from tests.support.gcs import Gcs
from tests.support.gcs_signatures import account
from tests.vaults.contract import BODY
from tests.vaults.gcs_store import GcsStore
from tests.vaults.network import NetworkContract
from tests.vaults.sending import Sender


@pytest.fixture(scope="session")
def in_google(gcs: Gcs) -> GcsStore:
    return GcsStore(gcs)


@pytest.mark.xdist_group("others")
class TestGcs(NetworkContract):
    server = "gcs"

    @pytest.fixture
    def store(self, in_google: GcsStore) -> GcsStore:
        return in_google

    def forget_what_is_asked_for(self, vault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        real = vault._bucket.list_blobs

        def deaf(**words: Any) -> Any:
            words.pop("prefix", None)
            return real(**words)

        monkeypatch.setattr(vault._bucket, "list_blobs", deaf)

    def test_a_key_is_used_once(self, vault: Vault) -> None:
        """The session was begun for a key where nothing is: two that race make one object."""
        first = self.sender(vault, vault.begin("web-1/a", len(BODY)))
        second = self.sender(vault, vault.begin("web-1/a", len(BODY)))
        stored = first.complete(first.all())
        [request] = vault.requests_for(second.upload, 1, 1, seconds=60)
        assert second.put(request).status == 412
        assert stored.is_still(vault.stat(stored.key))
        with pytest.raises(VaultRefused):
            vault.begin("web-1/a", 1)

    def test_a_session_that_was_cancelled_takes_nothing(self, vault: Vault) -> None:
        upload = vault.begin("web-1/a", len(BODY))
        [request] = vault.requests_for(upload, 1, 1, seconds=60)
        vault.abort(upload)
        assert self.sender(vault, upload).put(request).status == 499
        with pytest.raises(UploadIncomplete):
            vault.received(upload)

    def test_how_far_the_store_has_got_can_be_asked_by_a_server(self, vault: Vault) -> None:
        upload = vault.begin("web-1/a", len(BODY))
        [request] = vault.requests_for(upload, 1, 1, seconds=60)
        answer = self.send(vault)("PUT", request.url.reveal(), request.ask)
        assert (answer.status, answer.headers.get("range")) == (308, None)
        vault.abort(upload)

    def test_soft_delete_is_told(self, store: GcsStore, gcs: Gcs) -> None:
        """Google turns it on for every new bucket."""
        gcs.create_bucket("kept", softDeletePolicy={"retentionDurationSeconds": str(7 * 86_400)})
        vault = store.vault(bucket="kept")
        stored = self.stored(vault)
        deletion = vault.delete(stored.key, stored.version)
        assert deletion.fate is Fate.KEPT
        assert deletion.until
        assert 6 <= (deletion.until - clock.now()).days <= 7
        lines = {line.about: line for line in vault.check()}
        assert lines["soft delete"].grade is lines["delete"].grade is Grade.WARNING
        assert "7 days" in lines["soft delete"].sentence

    def test_a_label_on_an_object_does_not_make_it_another(self, vault: Any) -> None:
        """Google's ETag is of what is said about an object, too: labels, holds, its class."""
        stored = self.stored(vault)
        blob = vault._bucket.get_blob(f"{vault._prefix}/{stored.key}")
        blob.metadata = {"team": "shop"}
        blob.patch()
        now = vault.stat(stored.key)
        assert now.version == stored.version
        assert stored.is_still(now)
        assert replace(stored, etag="as it was kept before").is_still(now)

    def test_another_generation_is_not_deleted(self, vault: Vault) -> None:
        stored = self.stored(vault)
        vault.delete(stored.key, "1")
        assert stored.is_still(vault.stat(stored.key))

    @pytest.mark.parametrize(
        "key",
        [
            "not json",
            "[]",
            '{"type": "authorized_user"}',
            '{"type": "external_account", "credential_source": {"url": "http://169.254.169.254"}}',
            '{"type": "service_account", "client_email": "a"}',
            '{"type": "service_account", "client_email": "a", "private_key": "b", "token_uri": 1}',
            json.dumps(
                {
                    "type": "service_account",
                    "client_email": "a",
                    "private_key": "b",
                    "token_uri": "https://example.com/token",
                }
            ),
        ],
    )
    def test_only_the_key_of_a_service_account_is_taken(self, store: GcsStore, key: str) -> None:
        with pytest.raises(InvalidConfig):
            open_vault(replace(store.location, secret=Secret(key)))

    def test_a_key_that_sends_for_tokens_to_a_metadata_service_is_refused(
        self, store: GcsStore
    ) -> None:
        key = account("ours").key_file("http://169.254.169.254/token")
        with pytest.raises(AddressRefused):
            open_vault(replace(store.location, secret=Secret(key)))

    def test_a_session_elsewhere_is_refused(self) -> None:
        """A store that answers with another host would have the server send the backup there."""
        with pytest.raises(VaultRefused):
            gcs_session.judged("https://evil.example/upload?id=1", "https://storage.googleapis.com")

    def test_the_store_refuses_another_content_than_was_hashed(self, vault: Vault) -> None:
        upload = vault.begin("web-1/a", len(BODY))
        sender = Sender(vault, upload, BODY, self.send(vault))
        [request] = vault.requests_for(upload, 1, 1, seconds=60)
        assert sender.put(request, whole_md5="0" * 32).status == 400
        assert list(vault.list()) == []
