"""What the stores of all providers have in common, as the contract wants them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from typing import Any

from cloudpilot.secrets import Secret
from cloudpilot.vaults.base import Vault
from cloudpilot.vaults.location import Location
from cloudpilot.vaults.registry import open_vault

_NUMBERS = count()


class BucketStore:
    """A bucket of a server; every vault is below a prefix of its own, and asks for small pages."""

    page = 25  # objects
    location: Location
    wrong: str  # a secret

    def vault(self, **changes: Any) -> Vault:
        like = changes.pop("prefix_of", None)
        changes["prefix"] = like._prefix if like else f"tests/{next(_NUMBERS)}"
        if changes.pop("credentials", ""):
            changes["secret"] = Secret(self.wrong)
        made = open_vault(replace(self.location, **changes))
        self.ask_for_small_pages(made)
        return made

    def ask_for_small_pages(self, vault: Any) -> None:
        """From now on this vault's lists come in pages of `page`."""

    def fill(self, vault: Any, names: list[str]) -> None:
        with ThreadPoolExecutor(8) as executor:
            list(executor.map(self.put(), [f"{vault._prefix}/{name}" for name in names]))

    def put(self) -> Callable[[str], Any]:
        """What makes an object of that whole name, of next to nothing."""
        raise NotImplementedError
