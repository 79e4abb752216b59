"""What every vault must do that is reached by a network, whoever's it is."""

import time
from typing import Protocol

import pytest

from cloudpilot.errors import AddressRefused, CloudPilotError, InvalidConfig, VaultUnreachable
from cloudpilot.vaults.base import Vault
from cloudpilot.vaults.location import Location
from tests.support.faults import faulty
from tests.support.ports import free_port
from tests.support.redirecting import redirecting
from tests.vaults.contract import BODY, Store, VaultContract


class AtAnAddress(Store, Protocol):
    """A store of a server."""

    location: Location


class NetworkContract(VaultContract):
    """The contract, and what is true of addresses."""

    def test_nobody_there_is_soon_unreachable(self, store: Store) -> None:
        begun = time.monotonic()
        away = store.vault(endpoint=f"http://127.0.0.1:{free_port()}")
        with pytest.raises(VaultUnreachable) as unreachable:
            list(away.list())
        assert unreachable.value.transient
        assert time.monotonic() - begun < 20

    def test_an_object_is_made_though_the_answer_is_lost(
        self, store: AtAnAddress, vault: Vault
    ) -> None:
        """Libraries ask again by themselves, and then the upload is open no longer."""
        target = store.location.endpoint.removeprefix("http://")
        sender = self.sender(vault, vault.begin("web-1/a", len(BODY)))
        sent = sender.all()
        with faulty(target) as faults:
            faults.lost_once = {"POST", "PUT"}
            at = target.replace(target.rpartition(":")[2], str(faults.port))
            sender.vault = store.vault(endpoint=f"http://{at}", prefix_of=vault)
            stored = sender.complete(sent)
        assert faults.lost or vault.abilities.visible_with_last_part
        assert stored.size == len(BODY)
        assert stored.is_still(vault.stat(stored.key))
        assert self.read(vault, stored.key).body == BODY

    @pytest.mark.parametrize("status", [301, 302, 307])
    def test_a_redirect_is_not_followed(self, store: Store, status: int) -> None:
        with redirecting(status) as elsewhere:
            sent_away = store.vault(endpoint=elsewhere.endpoint)
            with pytest.raises(CloudPilotError):
                list(sent_away.list())
            with pytest.raises(CloudPilotError):
                sent_away.begin("a", 1)
        assert elsewhere.asked
        assert elsewhere.landed == []

    @pytest.mark.parametrize("host", ["169.254.169.254", "metadata.google.internal", "[fe80::1]"])
    def test_an_address_that_is_never_connected_to_is_refused(
        self, store: Store, host: str
    ) -> None:
        with pytest.raises(AddressRefused):
            store.vault(endpoint=f"http://{host}")

    def test_a_panel_that_keeps_to_the_internet_connects_to_no_private_address(
        self, store: Store
    ) -> None:
        kept = store.vault(private=False)
        with pytest.raises(AddressRefused):
            list(kept.list())
        assert [line.code for line in kept.check() if line.code] == ["ADDRESS_REFUSED"]

    @pytest.mark.parametrize(
        "endpoint",
        ["ftp://127.0.0.1", "http://", "127.0.0.1", "http://a@127.0.0.1", "http://127.0.0.1/x",
         "http://127.0.0.1?x", "http://127.0.0.1:x", "http://a b", "file:///etc/passwd"],
    )  # fmt: skip
    def test_an_endpoint_is_a_host_and_nothing_else(self, store: Store, endpoint: str) -> None:
        with pytest.raises(InvalidConfig):
            store.vault(endpoint=endpoint)
