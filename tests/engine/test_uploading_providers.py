"""Uploads by a server itself to Google and to Azure, through a proxy that can do harm."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudpilot.engine.ssh import Session
from cloudpilot.errors import UploadFailed
from cloudpilot.vaults.plans import KIB
from tests.support.faults import Faults, faulty
from tests.support.until import until
from tests.support.uploads import Transfer, marked
from tests.vaults.azure_store import AzureStore
from tests.vaults.gcs_store import GcsStore

CHUNK = 512 * KIB  # Google takes multiples of 256 KiB


@pytest.fixture(params=["google", "azure"])
def store(request: pytest.FixtureRequest) -> GcsStore | AzureStore:
    return request.getfixturevalue(request.param)


@pytest.fixture
def faults(store: GcsStore | AzureStore) -> Iterator[Faults]:
    port = store.location.endpoint.rpartition(":")[2]
    with faulty(f"127.0.0.1:{port}") as found:
        yield found


@pytest.fixture
def transfer(
    session: Session, tmp_path: Path, store: GcsStore | AzureStore, faults: Faults
) -> Transfer:
    found = Transfer(session, tmp_path / "root", store.vault(), tiers=((CHUNK, 10_000),))
    found.through = (store.location.endpoint.removeprefix("http://"), faults.address)
    return found


@pytest.mark.parametrize("size", [1, CHUNK, CHUNK + 1, 4 * CHUNK])
def test_what_was_packed_is_at_the_store(transfer: Transfer, size: int) -> None:
    transfer.write(os.urandom(size))
    transfer.begin()
    transfer.succeeds(transfer.start())


@pytest.mark.parametrize("fault", [(500, b""), (503, b""), "cut", "lost"])
@pytest.mark.parametrize("at", [0, 1, 3], ids=["first", "middle", "last"])
def test_what_passes_is_tried_again(
    transfer: Transfer, faults: Faults, fault: object, at: int
) -> None:
    transfer.write(os.urandom(3 * CHUNK + 5))
    transfer.begin("archive")
    asks = 1 if transfer.vault.abilities.parallel == 1 else 0
    faults.plan = ["pass"] * (asks + at) + [fault]
    transfer.succeeds(transfer.start(parallel=1))
    assert str(fault) in faults.asked


@pytest.mark.parametrize("after", [1, 3])
def test_a_new_run_goes_on_where_a_killed_one_was(
    transfer: Transfer, faults: Faults, after: int
) -> None:
    transfer.write(os.urandom(3 * CHUNK + 5))
    transfer.begin()
    faults.plan = ["pass"] * after + ["hold"]
    place = transfer.start(parallel=1)
    until(faults.held.is_set, bool)
    script = int(Path(place.run_directory, "pid").read_text().split()[0])
    os.kill(script, signal.SIGKILL)
    again = transfer.start()
    faults.let_go()
    transfer.succeeds(again)
    assert not marked(place)


@pytest.fixture
def to_google(
    session: Session, tmp_path: Path, google: GcsStore
) -> Iterator[tuple[Transfer, Faults]]:
    host = google.location.endpoint.removeprefix("http://")
    with faulty(host) as faults:
        found = Transfer(session, tmp_path / "root", google.vault(), tiers=((CHUNK, 10_000),))
        found.through = (host, faults.address)
        found.write(os.urandom(3 * CHUNK + 5))
        found.begin("archive")
        yield found, faults


@pytest.mark.parametrize("at", [0, 2])
def test_google_is_sent_the_rest_of_a_part(to_google: tuple[Transfer, Faults], at: int) -> None:
    """The session takes bytes in order and may break anywhere."""
    transfer, faults = to_google
    faults.plan = ["pass"] * (at + 1) + ["half"]
    place = transfer.start()
    transfer.succeeds(place)
    assert faults.asked == ["pass"] * (at + 1) + ["half"] + ["pass"] * (5 - at)
    assert "continued" in transfer.look(place).log or "again" in transfer.look(place).log


def test_google_has_all_of_it_and_the_answer_was_lost(
    to_google: tuple[Transfer, Faults],
) -> None:
    """Another run asks, and hears that the object is there."""
    transfer, faults = to_google
    faults.plan = ["pass"] * 4 + ["lost"]
    faults.always = (503, b"")
    place = transfer.start(patience=0)
    assert transfer.over(place).error
    faults.always = "pass"
    transfer.succeeds(transfer.start())


def test_google_without_receipts_is_asked_how_far_it_is(
    to_google: tuple[Transfer, Faults],
) -> None:
    transfer, faults = to_google
    faults.plan = ["pass"] * 3
    faults.always = (503, b"")
    assert transfer.over(transfer.start(patience=0)).error
    (transfer.folder / "upload-u1/archive").unlink()
    faults.always = "pass"
    faults.asked.clear()
    transfer.succeeds(transfer.start())
    assert len(faults.asked) <= 2 + 2 + 2


def test_a_session_that_was_cancelled_is_said(to_google: tuple[Transfer, Faults]) -> None:
    transfer, _ = to_google
    transfer.vault.abort(transfer.uploads["archive"])
    report = transfer.over(transfer.start())
    assert isinstance(report.error, UploadFailed)
    assert "no longer open" in str(report.error)
