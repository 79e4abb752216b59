"""A restore reads its archives straight from a store, whatever the store's day is like."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cloudpilot.engine import detached, requests, restoring, uploading
from cloudpilot.engine.requests import Request
from cloudpilot.engine.restoring import Restoration
from cloudpilot.errors import CloudPilotError, DownloadFailed, VaultDenied
from cloudpilot.reports import Report
from cloudpilot.secrets import Secret
from tests.engine.conftest import Made
from tests.engine.test_restore_files import Restores, good, restoration, restores
from tests.support.faults import Faults, faulty
from tests.support.tree import entries
from tests.support.until import until
from tests.vaults.s3_store import S3Store

__all__ = ["restores"]
pytestmark = pytest.mark.xdist_group("rgw")
SIZE = 3_000_000


@pytest.fixture
def faults(s3: S3Store) -> Iterator[Faults]:
    with faulty(s3.location.endpoint.removeprefix("http://")) as found:
        yield found


@dataclass
class Stored:
    """A backup whose archive is in the store alone, and the site as it was."""

    restores: Restores
    made: Made
    top: Path
    before: dict[bytes, Any]
    request: Request
    what: Restoration

    def restore(self, seconds: int = 3600) -> Report:
        files = restoring.restore(self.what)
        secrets = requests.secrets({"archive": [self.request]}, seconds=seconds)
        place = self.restores.place(self.what, "restore")
        detached.launch(self.restores.backups.session, place, files, secrets)
        return self.restores.backups.over(place)


@pytest.fixture
def stored(restores: Restores, s3: S3Store, faults: Faults, tmp_path: Path) -> Stored:
    top = tmp_path / "www"
    top.mkdir()
    (top / "file").write_bytes(os.urandom(SIZE))
    before = entries(top)
    made = restores.backups.make(top)
    (top / "file").write_text("since")
    vault = s3.vault()
    key = f"{vault._prefix}/a.tar.gz"  # type: ignore[attr-defined]
    s3.s3.put_object(Bucket=s3.bucket, Key=key, Body=made.archive.read_bytes())
    address = vault.sign_read("a.tar.gz", seconds=3600, filename="a").reveal()
    through = Secret(address.replace(faults.target, faults.address))
    request = Request(1, through, (("Host", faults.target),), method="GET")
    what = restoration(made, top)
    [archive] = what.archives
    what = replace(what, archives=(replace(archive, path=""),), in_clear=True)
    made.archive.unlink()
    return Stored(restores, made, top, before, request, what)


@pytest.mark.parametrize(
    "plan",
    [
        [],
        ["torn", "torn"],
        [(503, b"<Error><Code>SlowDown</Code></Error>"), "torn"],
        ["torn", "anew"],
        ["lost"],
    ],
    ids=str,
)
def test_what_is_interrupted_goes_on_where_it_was(
    stored: Stored, faults: Faults, plan: list[Any]
) -> None:
    faults.plan = list(plan)
    report = good(stored.restore())
    assert entries(stored.top) == stored.before
    assert len(faults.asked) == len(plan) + 1 - plan.count("anew")
    assert stored.request.url.reveal() not in report.log


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((404, b"<Error><Code>NoSuchKey</Code></Error>"), DownloadFailed),
        ((403, b"<Error><Code>AccessDenied</Code></Error>"), VaultDenied),
    ],
)
def test_a_no_is_final_and_nothing_has_happened(
    stored: Stored, faults: Faults, answer: Any, error: type[CloudPilotError]
) -> None:
    changed = entries(stored.top)
    faults.always = answer
    assert isinstance(stored.restore().error, error)
    assert len(faults.asked) == 1
    assert entries(stored.top) == changed


def test_a_request_that_it_lacks_is_asked_for(stored: Stored) -> None:
    """As one is that has become too old: it is handed over while the run waits."""
    session, backups = stored.restores.backups.session, stored.restores.backups
    place = stored.restores.place(stored.what, "restore")
    detached.launch(session, place, restoring.restore(stored.what))
    until(lambda: backups.look(place), lambda report: report.wants == (("archive", 1),))
    uploading.feed(session, place, {"archive": [stored.request]}, seconds=3600)
    good(backups.over(place))
    assert entries(stored.top) == stored.before
