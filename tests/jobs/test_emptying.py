"""jobs.emptying: what is given up is taken away, and nothing else."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from cloudpilot import clock
from cloudpilot.errors import VaultRefused
from cloudpilot.jobs import emptying
from cloudpilot.vaults.base import StoredObject
from cloudpilot.vaults.memory import MemoryStore, MemoryVault
from cloudpilot.vaults.uploads import OpenUpload


class IgnoresPrefix(MemoryVault):
    """Whatever it is asked for, it lists all that there is."""

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        return super().list("")

    def open_uploads(self, prefix: str = "") -> Iterator[OpenUpload]:
        return super().open_uploads("")


def key(name: str) -> str:
    return "/".join([*(str(uuid4()) for _ in range(4)), name])


def test_giving_up_one_upload_spares_all_other_backups() -> None:
    store = MemoryStore()
    vault, other = IgnoresPrefix(store, store.secret), key("archive.tar.gz")
    store.objects[other] = (b"x", StoredObject(other, 1, clock.now()))
    with pytest.raises(VaultRefused):
        emptying.sweep(vault, key(""))
    assert other in store.objects


def test_giving_up_one_upload_spares_all_other_uploads() -> None:
    store = MemoryStore()
    vault = IgnoresPrefix(store, store.secret)
    other = vault.begin(key("archive.tar.gz"), 1)
    with pytest.raises(VaultRefused):
        emptying.sweep(vault, key(""))
    assert vault.received(other) == []
