"""What an upload shows to others on its server: progress, a bounded rate, and no right to write."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudpilot.engine import detached
from cloudpilot.engine.program import REMOTE
from cloudpilot.engine.ssh import Session
from tests.support.canaries import Sightings, files, processes, watching
from tests.support.faults import Faults, faulty
from tests.support.until import until
from tests.support.uploads import PART, Transfer
from tests.vaults.gcs_store import GcsStore
from tests.vaults.s3_store import S3Store

MIB = 2**20


@pytest.fixture
def transfer(session: Session, tmp_path: Path, s3: S3Store) -> Transfer:
    found = Transfer(session, tmp_path / "root", s3.vault())
    found.write(os.urandom(2 * PART + 5))
    found.begin()
    return found


@pytest.fixture
def faults(s3: S3Store) -> Iterator[Faults]:
    with faulty(s3.location.endpoint.removeprefix("http://")) as found:
        yield found


def signature(url: str) -> str:
    return url.partition("Signature=")[2].partition("&")[0] or url.partition("upload_id=")[2]


def test_no_signature_is_seen(transfer: Transfer, faults: Faults) -> None:
    """Not in a command line, an environment or a file, while it is sent, retried and fed."""
    transfer.through = (faults.target, faults.address)
    faults.plan = ["hold", (500, b"<Error>a&X-Amz-Signature=cAnArY-of-a-store</Error>"), "cut"]
    signed = transfer.all_signed()
    sightings = Sightings()
    sightings.plant("answer", "cAnArY-of-a-store")
    for name, some in signed.items():
        for one in some:
            sightings.plant(f"{name} {one.number}", signature(one.url.reveal()))
    with watching(sightings, files(transfer.root), processes(set)):
        place = transfer.start({"archive": signed["archive"]})
        until(faults.held.is_set, bool)
        until(lambda: sightings.rounds, lambda rounds: rounds > 3)
        transfer.feed(place, {name: signed[name] for name in ("index", "manifest")})
        faults.let_go()
        transfer.over(place)
    transfer.complete(place)
    assert sightings.seen == set()


def test_the_address_of_a_session_is_not_seen(
    session: Session, tmp_path: Path, google: GcsStore
) -> None:
    transfer = Transfer(session, tmp_path / "root", google.vault(), tiers=((512 * 1024, 10_000),))
    transfer.write(os.urandom(20 * 512 * 1024))
    transfer.begin("archive")
    sightings = Sightings()
    sightings.plant("session", signature(transfer.signed("archive", 1, 1)[0].url.reveal()))
    with watching(sightings, files(transfer.root), processes(set)):
        place = transfer.start()
        transfer.over(place)
        until(lambda: sightings.rounds, lambda rounds: rounds > 3)
    transfer.complete(place)
    assert sightings.seen == set()


def test_what_holds_requests_knows_no_here_string() -> None:
    """Old versions of bash write it to a file."""
    for name in ("curl", "requests", "send", "senders", "upload", "feed", "reach"):
        if (REMOTE / f"{name}.sh").exists():
            assert "<<" not in (REMOTE / f"{name}.sh").read_text()


def test_what_a_run_keeps_in_memory_goes_with_it(transfer: Transfer) -> None:
    place = transfer.start()
    transfer.over(place)
    pid = Path(place.run_directory, "pid").read_text().split()[0]
    assert not list(Path("/dev/shm").glob(f"cloudpilot-*.{pid}.*"))


def test_all_that_stays_is_private(transfer: Transfer) -> None:
    transfer.over(transfer.start())
    for path in (transfer.folder / "upload-u1").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_rate_is_kept(transfer: Transfer) -> None:
    """All parts together; some of it is in buffers at once."""
    begun = time.monotonic()
    place = transfer.start(rate=3 * MIB)
    transfer.succeeds(place)
    assert time.monotonic() - begun > 2


def test_what_is_on_its_way_is_told(transfer: Transfer) -> None:
    place = transfer.start(parallel=1, rate=MIB)
    report = until(lambda: transfer.look(place), lambda report: report.done > MIB)
    assert (report.stage, report.total) == ("upload", 2 * PART + 5 + len(b"index{}"))
    assert report.done < PART
    detached.stop(transfer.session, place)


def test_what_has_left_and_has_no_answer_is_on_its_way(transfer: Transfer, faults: Faults) -> None:
    transfer.through = (faults.target, faults.address)
    faults.plan = ["pass", "hold"]
    place = transfer.start(parallel=1)
    until(lambda: transfer.look(place).done, lambda done: done == 2 * PART)
    faults.let_go()
    transfer.succeeds(place)
    assert transfer.look(place).done == 2 * PART + 5 + len(b"index{}")
