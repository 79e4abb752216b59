"""The cloud in memory keeps the promise, so that tests may stand on it."""

from dataclasses import replace
from typing import Any

import pytest

from cloudpilot.clouds.base import Cloud, State
from cloudpilot.clouds.memory import WEB, MemoryCloud, MemoryStore
from cloudpilot.errors import CloudThrottled
from cloudpilot.secrets import Secret
from tests.clouds.contract import CloudContract


class Memory:
    """One store of a test."""

    page, parts, tells_why = 5, 2, True
    machine, absent = WEB.id, "i-absent"

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.secrets = [self.store.secret.reveal()]

    def cloud(self, **changes: Any) -> Cloud:
        wrong = changes.get("credentials")
        return MemoryCloud(self.store, Secret("wrong") if wrong else None)

    def settle(self, tag: str, state: State, why: str = "", *, only: int | None = None) -> None:
        self.store.settle(tag, state, percent=50, why=f"{why}." if why else "")

    def shown(self, tag: str) -> str:
        return self.store.titles[tag]

    def made(self, tag: str) -> int:
        return self.parts if tag in self.store.snapshots else 0

    def restored(self) -> int:
        return len(self.store.restored)

    def stranger(self) -> None:
        """There is nobody else."""

    def machines(self, count: int) -> None:
        for number in range(count):
            self.store.machines[f"i-{number}"] = replace(WEB, id=f"i-{number}")

    def hide(self, calls: int) -> None:
        self.store.unlisted = calls

    def linger(self, calls: int) -> None:
        self.store.lingering = calls

    def lose(self) -> None:
        self.store.lost = 1

    def asked(self) -> int:
        return self.store.calls


class TestMemoryCloud(CloudContract):
    server = "memory"

    @pytest.fixture
    def provider(self) -> Memory:
        return Memory()

    def test_it_fails_as_it_is_told_to(self, provider: Memory, cloud: Cloud) -> None:
        provider.store.errors.append(CloudThrottled("Slower.", 7))
        with pytest.raises(CloudThrottled) as slower:
            list(cloud.instances())
        assert slower.value.seconds == 7
        assert list(cloud.instances())
