"""jobs.signing: how far a server may go without the panel."""

import pytest

from cloudpilot.engine.requests import line
from cloudpilot.jobs import signing
from cloudpilot.vaults import plans
from cloudpilot.vaults.memory import MemoryStore, MemoryVault
from cloudpilot.vaults.plans import MIB

KEY = "/".join(["0" * 36] * 4) + "/archive.tar.gz"


@pytest.mark.parametrize("rate", [1 * MIB, 20 * MIB, 100 * MIB])
@pytest.mark.parametrize("first", [1, 900, 2_500])
def test_a_panel_that_is_away_holds_up_no_upload(rate: int, first: int) -> None:
    """What is signed ahead lasts for six hours, or is as much as can be handed over."""
    vault, upload = _begun(streamed=first > 1)
    count = signing._ahead(vault, upload, first, rate)
    lasts = sum(upload.plan.size_of(first + more) for more in range(count)) / rate
    signed = vault.requests_for(upload, first, count, seconds=60)
    text = sum(len(line(signing.request(one))) for one in signed)
    assert text <= 1.03 * signing.AHEAD_TEXT  # later numbers are longer
    assert lasts >= 6 * 3600 or text > 0.95 * signing.AHEAD_TEXT


def test_at_least_some_are_signed_and_none_beyond_the_plan() -> None:
    vault, upload = _begun(streamed=False)
    assert signing._ahead(vault, upload, 1, 0) == signing.AHEAD_AT_LEAST
    assert signing._ahead(vault, upload, upload.plan.most_parts, 10**12) == 1


def _begun(*, streamed: bool):  # type: ignore[no-untyped-def]
    store = MemoryStore()
    vault = MemoryVault(store, store.secret)
    assert plans.plan(None).most_parts == 10_000
    return vault, vault.begin(KEY, None, streamed=streamed)
