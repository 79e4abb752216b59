"""The vault in memory keeps the promise, so that tests may stand on it."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from cloudpilot.secrets import Secret
from cloudpilot.vaults import keys, memory
from cloudpilot.vaults.base import Vault
from cloudpilot.vaults.memory import MemoryStore, MemoryVault
from tests.support.curl import Answer
from tests.vaults.contract import VaultContract


class Memory:
    """One store of a test."""

    page = 1_000
    secrets = ("a secret in memory",)

    def __init__(self) -> None:
        self._store = MemoryStore(Secret(self.secrets[0]))
        self._made = 0

    def vault(self, **changes: Any) -> Vault:
        self._made += 1
        prefix = changes["prefix_of"]._prefix if "prefix_of" in changes else f"t{self._made}"
        secret = "wrong" if changes.get("credentials") else self.secrets[0]
        there = None if changes.get("bucket") else self._store
        return MemoryVault(there, Secret(secret), prefix)

    def fill(self, vault: Vault, names: list[str]) -> None:
        for name in names:
            vault.complete(vault.begin(name, 0), [], 0)


class TestMemoryVault(VaultContract):
    server = "memory"

    @pytest.fixture
    def store(self) -> Memory:
        return Memory()

    def forget_what_is_asked_for(self, vault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        every = SimpleNamespace(beginning=lambda *_: "", relative=keys.relative, whole=keys.whole)
        monkeypatch.setattr(memory, "keys", every)

    def send(self, vault: Any) -> Callable[..., Answer]:
        return vault.send  # type: ignore[no-any-return]
