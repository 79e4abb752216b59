"""Bad lines between a server and a store: what is sent arrives once, what is fetched is whole."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from cloudpilot.engine import restoring, uploading
from cloudpilot.engine.detached import Place
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import VaultUnreachable
from cloudpilot.secrets import Secret
from tests.engine.test_restore_fetch import Stored, faults, stored
from tests.engine.test_restore_files import good, restores
from tests.support.proxy import Pause, Proxy, always, at_once, half_open, proxied, reset, stalls
from tests.support.tree import entries
from tests.support.uploads import PART, Transfer
from tests.vaults.s3_store import S3Store

__all__ = ["faults", "restores", "stored"]
pytestmark = pytest.mark.xdist_group("rgw")

CHUNK = 2 * 1024 * 1024  # bytes that are held up together
SLOW = 0.5  # seconds, each way
GIVEN_UP = "curl ended with status 28"
Impatience = Callable[[int], None]
Line = Callable[..., AbstractContextManager[Proxy]]


@pytest.fixture
def line(s3: S3Store) -> Line:
    """A proxy to the store."""
    host, _, port = s3.location.endpoint.removeprefix("http://").partition(":")

    def to_store(pause: Pause = at_once) -> AbstractContextManager[Proxy]:
        return proxied(host, int(port), pause, CHUNK)

    return to_store


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Impatience:
    """After how many seconds without a byte a server gives up a connection, in place of 60, and
    after how many in which nothing comes a restore gives up, in place of six hours."""
    restore, send = restoring.restore, uploading.files

    def set_to(silence: int, patience: int = 21_600) -> None:
        def sooner(files: dict[str, bytes]) -> dict[str, bytes]:
            assert b"--speed-time 60" in files["script"]
            script = files["script"].replace(b"--speed-time 60", b"--speed-time %d" % silence)
            return files | {"script": script.replace(b"PATIENCE=21600", b"PATIENCE=%d" % patience)}

        monkeypatch.setattr(uploading, "files", lambda what: sooner(send(what)))
        monkeypatch.setattr(restoring, "restore", lambda what: sooner(restore(what)))

    return set_to


@pytest.fixture
def transfer(session: Session, tmp_path: Path, s3: S3Store) -> Transfer:
    found = Transfer(session, tmp_path / "root", s3.vault())
    found.write(os.urandom(PART + PART // 2))
    found.begin("archive")
    return found


def sent_through(proxy: Proxy, transfer: Transfer, s3: S3Store, **changes: object) -> Place:
    transfer.through = (s3.location.endpoint.removeprefix("http://"), proxy.address)
    return transfer.start(**changes)


def assert_there_once(transfer: Transfer, s3: S3Store) -> None:
    """Also when what hung on the line has come to its end: the proxy's is over."""
    [key] = s3.keys(transfer.backup_id)
    assert not [name for name in s3.open() if transfer.backup_id in name]
    assert s3.body(key) == transfer.contents["archive"]


def test_what_is_sent_over_a_line_that_stalls_and_breaks_arrives_once(
    transfer: Transfer, s3: S3Store, line: Line, impatient: Impatience
) -> None:
    """Every fifth chunk is held up for 0.2 to 5 s; one connection is reset in the middle of a
    part, and one is half open: what is sent on it goes nowhere, and nothing comes back."""
    impatient(3)
    with line(stalls(3, 0.2, 0.2, 5)) as proxy:
        proxy.harm(reset, after=3)
        proxy.harm(half_open, after=6)
        place = sent_through(proxy, transfer, s3)
        transfer.succeeds(place)
        assert proxy.harmed == 2
        assert proxy.held_up > 1
    assert_there_once(transfer, s3)
    log = transfer.look(place).log
    assert GIVEN_UP in log
    assert log.count("is sent again") > 1


def test_what_is_sent_over_a_slow_line_arrives_at_the_first_attempt(
    transfer: Transfer, s3: S3Store, line: Line
) -> None:
    with line(always(SLOW)) as proxy:
        place = sent_through(proxy, transfer, s3)
        transfer.succeeds(place)
    assert_there_once(transfer, s3)
    assert "again" not in transfer.look(place).log


@pytest.mark.long
def test_a_line_that_stays_half_open_is_said_and_the_next_run_goes_on(
    transfer: Transfer, s3: S3Store, line: Line, impatient: Impatience
) -> None:
    impatient(1)
    with line() as proxy:
        proxy.freeze()
        report = transfer.over(sent_through(proxy, transfer, s3, patience=1))
    assert isinstance(report.error, VaultUnreachable)
    assert GIVEN_UP in str(report.error)
    assert s3.keys(transfer.backup_id) == []
    transfer.through = None
    transfer.succeeds(transfer.start())
    assert_there_once(transfer, s3)


def over(proxy: Proxy, stored: Stored, s3: S3Store) -> Stored:
    """Its archive is fetched there."""
    assert stored.request.headers == (("Host", s3.location.endpoint.removeprefix("http://")),)
    path = stored.request.url.reveal().partition("//")[2].partition("/")[2]
    request = replace(stored.request, url=Secret(f"http://{proxy.address}/{path}"))
    return replace(stored, request=request)


def test_what_is_fetched_over_a_line_that_stalls_and_breaks_is_whole(
    stored: Stored, s3: S3Store, line: Line, impatient: Impatience
) -> None:
    impatient(3)
    with line(stalls(3, 0.2, 0.2, 5)) as proxy:
        proxy.harm(reset, after=3)
        proxy.harm(half_open, after=6)
        good(over(proxy, stored, s3).restore())
        assert proxy.harmed == 2
        assert proxy.held_up
    assert entries(stored.top) == stored.before


def test_a_slow_fetch_is_given_up_for_how_long_nothing_comes_and_not_for_how_long_it_takes(
    stored: Stored, s3: S3Store, line: Line, impatient: Impatience
) -> None:
    """It takes longer than the store may be silent; then an attempt brings nothing at all."""
    impatient(60, patience=1)
    with line(always(SLOW)) as proxy:
        proxy.harm(reset, after=4)
        proxy.harm(reset, after=4)
        report = good(over(proxy, stored, s3).restore())
        assert proxy.harmed == 2
    assert entries(stored.top) == stored.before
    assert report.log.count("The vault does not answer") == 1


def test_a_fetch_over_a_line_that_stays_half_open_is_given_up_and_nothing_has_happened(
    stored: Stored, s3: S3Store, line: Line, impatient: Impatience
) -> None:
    impatient(1, patience=0)
    changed = entries(stored.top)
    with line() as proxy:
        proxy.harm(lambda _line: proxy.freeze(), after=2)  # in the middle of what is answered
        report = over(proxy, stored, s3).restore()
    assert isinstance(report.error, VaultUnreachable)
    assert entries(stored.top) == changed
