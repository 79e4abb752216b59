"""Uploads on bad days: of the store, of the network, of the server, of the panel."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudpilot.engine import detached
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import (
    ChecksumMismatch,
    CloudPilotError,
    RunStopped,
    UploadFailed,
    VaultDenied,
    VaultMissing,
    VaultUnreachable,
)
from tests.support.faults import EXPIRED, Faults, faulty
from tests.support.sshd import private_sshd
from tests.support.until import until
from tests.support.uploads import PART, Transfer, marked
from tests.vaults.s3_store import S3Store


@pytest.fixture
def faults(s3: S3Store) -> Iterator[Faults]:
    with faulty(s3.location.endpoint.removeprefix("http://")) as found:
        yield found


@pytest.fixture
def transfer(session: Session, tmp_path: Path, s3: S3Store, faults: Faults) -> Transfer:
    """To the store through a proxy that can do harm."""
    found = Transfer(session, tmp_path / "root", s3.vault())
    found.through = (faults.target, faults.address)
    found.write(os.urandom(3 * PART + 5))
    found.begin()
    return found


@pytest.mark.parametrize(
    "plan",
    [[(500, b"")], [(503, b"slow down")], [(429, b"")], ["cut"], ["lost"], ["cut", "lost", "cut"]],
    ids=["500", "503", "429", "cut", "lost", "several"],
)
def test_what_passes_is_tried_again(transfer: Transfer, faults: Faults, plan: list[Any]) -> None:
    faults.plan = list(plan)
    place = transfer.start()
    transfer.succeeds(place)
    assert len(faults.asked) == 6 + len(plan)


@pytest.mark.parametrize(
    ("status", "code", "error", "words"),
    [
        (403, "SignatureDoesNotMatch", VaultDenied, "SignatureDoesNotMatch"),
        (401, "", VaultDenied, "status 401"),
        (404, "NoSuchUpload", UploadFailed, "no longer open"),
        (404, "NoSuchBucket", VaultMissing, "NoSuchBucket"),
        (400, "EntityTooLarge", UploadFailed, "EntityTooLarge"),
        (411, "A" * 101, UploadFailed, "status 411"),
        (418, "$(id)`\n", UploadFailed, "status 418"),
        (301, "PermanentRedirect", UploadFailed, "PermanentRedirect"),
        (308, "", UploadFailed, "status 308"),
    ],
)
def test_a_no_is_said_at_once(
    transfer: Transfer, faults: Faults, status: int, code: str,
    error: type[CloudPilotError], words: str,
) -> None:  # fmt: skip
    faults.always = (status, f"<Error><Code>{code}</Code></Error>".encode())
    transfer.seconds = 3_600
    report = transfer.over(transfer.start())
    assert type(report.error) is error
    assert words in str(report.error)
    assert len(faults.asked) <= 4  # each part once


@pytest.mark.parametrize(
    ("status", "code"), [(400, "RequestTimeout"), (409, "OperationAborted"), (400, "BadDigest")]
)
def test_a_no_that_passes_costs_no_upload(
    transfer: Transfer, faults: Faults, status: int, code: str
) -> None:
    """A stall, a conflict, a bit that was turned on the way: all libraries ask again."""
    faults.plan = [(status, f"<Error><Code>{code}</Code></Error>".encode())]
    transfer.succeeds(transfer.start())


def test_bytes_that_arrive_damaged_each_time_are_given_up(
    transfer: Transfer, faults: Faults
) -> None:
    faults.always = (400, b"<Error><Code>BadDigest</Code></Error>")
    report = transfer.over(transfer.start(parallel=1))
    assert type(report.error) is ChecksumMismatch
    assert "other bytes" in str(report.error)
    assert len(faults.asked) == 4


def test_a_store_that_stays_away_is_given_up(transfer: Transfer, faults: Faults) -> None:
    faults.always = (503, b"")
    report = transfer.over(transfer.start(patience=2))
    assert isinstance(report.error, VaultUnreachable)
    assert "503" in str(report.error)


def test_nobody_there_is_given_up(transfer: Transfer) -> None:
    transfer.through = (transfer.through[0], "127.0.0.1:9")  # type: ignore[index]
    report = transfer.over(transfer.start(patience=1))
    assert isinstance(report.error, VaultUnreachable)
    assert "curl ended with status 7" in str(report.error)


def test_without_leave_nothing_goes_in_clear(transfer: Transfer, faults: Faults) -> None:
    report = transfer.over(transfer.start(in_clear=False, patience=0))
    assert isinstance(report.error, VaultUnreachable)
    assert faults.asked == []


def test_a_run_says_early_which_requests_it_lacks(transfer: Transfer) -> None:
    few = {"archive": transfer.signed("archive", 1, 2)}
    place = transfer.start(few)
    report = until(lambda: transfer.look(place), lambda report: len(transfer.receipts()) == 2)
    assert report.wants == (("archive", 3), ("index", 1), ("manifest", 1))
    rest = {"archive": transfer.signed("archive", 3, 2), "index": transfer.signed("index")}
    for _ in range(2):
        transfer.feed(place, rest)
    report = until(lambda: transfer.look(place), lambda report: ("manifest", 1) in report.wants)
    until(lambda: transfer.look(place).wants, lambda wants: wants == (("manifest", 1),))
    transfer.feed(place, {"manifest": transfer.signed("manifest", 1, 1)})
    transfer.succeeds(place)
    assert transfer.look(place).wants == ()
    transfer.feed(place, rest)  # to a run that is over: nothing


def test_requests_are_wanted_when_fewer_than_16_parts_are_signed_ahead(
    transfer: Transfer, faults: Faults
) -> None:
    transfer.tiers = ((512 * 1024, 10_000),)  # too little to complete, enough to send
    transfer.begin("archive")
    faults.plan = ["hold"]
    rest = {"index": transfer.signed("index"), "manifest": transfer.signed("manifest")}
    place = transfer.start({"archive": transfer.signed("archive", 1, 12), **rest}, parallel=1)
    until(faults.held.is_set, bool)
    until(lambda: transfer.look(place).wants, lambda wants: wants == (("archive", 13),))
    transfer.feed(place, {"archive": transfer.signed("archive", 13, 12)})
    until(lambda: transfer.look(place).wants, lambda wants: wants == ())
    detached.stop(transfer.session, place)


def test_a_proxy_of_the_environment_is_not_asked(
    transfer: Transfer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = "http_proxy=http://127.0.0.1:9 ALL_PROXY=http://127.0.0.1:9"
    home = tmp_path_factory.mktemp("proxied")
    with private_sshd(home, environment=elsewhere) as sshd, sshd.session() as session:
        transfer.session = session
        transfer.succeeds(transfer.start())


def test_of_an_archive_that_is_known_no_more_is_wanted_than_it_has_parts(
    transfer: Transfer, faults: Faults
) -> None:
    faults.plan = ["hold"]
    place = transfer.start({name: transfer.signed(name, count=4) for name in transfer.uploads})
    until(faults.held.is_set, bool)
    assert transfer.look(place).wants == ()
    faults.let_go()
    transfer.succeeds(place)


@pytest.mark.parametrize("answer", [(403, EXPIRED), (403, b""), (400, b"")])
def test_a_request_that_has_expired_is_asked_for_again(
    transfer: Transfer, faults: Faults, answer: tuple[int, bytes]
) -> None:
    faults.plan = [answer]
    transfer.seconds = 50 if answer[1] == b"" else 3_600
    place = transfer.start({name: transfer.signed(name, count=5) for name in transfer.uploads})
    wants = until(lambda: transfer.look(place).wants, bool)
    assert wants[0][0] == "archive"
    transfer.feed(place, {"archive": transfer.signed("archive", wants[0][1], 1)})
    transfer.succeeds(place)


def test_a_signature_that_is_too_old_is_asked_for_again(transfer: Transfer) -> None:
    """The store itself says so."""
    transfer.seconds = 1
    old = transfer.all_signed()
    transfer.seconds = 50
    until(lambda: transfer.sent_by_hand(old["archive"][0]).status, lambda status: status == 403)
    place = transfer.start(old)
    until(lambda: transfer.look(place).wants, lambda wants: wants[:1] == (("archive", 1),))
    transfer.seconds = 600
    transfer.feed(place, transfer.all_signed())
    transfer.succeeds(place)


def test_a_clock_that_is_off_ends_in_a_sentence(transfer: Transfer, faults: Faults) -> None:
    faults.always = (403, EXPIRED)
    transfer.seconds = 3_600
    place = transfer.start()

    def fed() -> bool:
        transfer.feed(place, {"archive": transfer.signed("archive")})
        return transfer.look(place).over

    until(fed, bool)
    assert isinstance(transfer.look(place).error, VaultDenied)
    assert "clocks" in str(transfer.look(place).error)


@pytest.mark.parametrize("victim", ["script", "everything"])
def test_a_new_run_goes_on_where_a_killed_one_was(
    transfer: Transfer, faults: Faults, victim: str
) -> None:
    faults.plan = ["pass", "pass", "hold"]
    place = transfer.start(parallel=1)
    until(faults.held.is_set, bool)
    if victim == "script":
        script = int(Path(place.run_directory, "pid").read_text().split()[0])
        os.kill(script, signal.SIGKILL)
        assert "curl" in marked(place).values()
    else:
        for pid in marked(place):
            os.kill(pid, signal.SIGKILL)
    until(lambda: transfer.look(place).over, bool)
    with Path(transfer.folder, "upload-u1/archive").open("a") as file:
        file.write("3 52")  # the machine lost its power while this was written
    again = transfer.start(parallel=1)
    transfer.succeeds(again)
    assert not marked(place)
    left = {file.name for file in Path(place.run_directory).iterdir()}
    assert "log" in left
    assert not left & {"work", "reserve"}
    faults.let_go()
    assert (faults.taken["1"], faults.taken["2"]) == (3, 1)  # of index and manifest, too


def test_after_a_reboot_it_is_lost_and_goes_on(transfer: Transfer, faults: Faults) -> None:
    faults.plan = ["pass", "hold"]
    place = transfer.start(parallel=1)
    until(faults.held.is_set, bool)
    pid, start, _ = Path(place.run_directory, "pid").read_text().split()
    Path(place.run_directory, "pid").write_text(f"{pid} {start} another-boot\n")
    assert transfer.look(place).over
    transfer.succeeds(transfer.start())


def test_a_killed_curl_is_tried_again(transfer: Transfer, faults: Faults) -> None:
    faults.plan = ["hold"]
    place = transfer.start(parallel=1)
    until(faults.held.is_set, bool)
    [curl] = [pid for pid, name in marked(place).items() if name == "curl"]
    os.kill(curl, signal.SIGKILL)
    transfer.succeeds(place)


def test_a_killed_sender_is_tried_again(transfer: Transfer, faults: Faults) -> None:
    faults.plan = ["hold"]
    place = transfer.start(parallel=1)
    until(faults.held.is_set, bool)
    script = int(Path(place.run_directory, "pid").read_text().split()[0])
    [curl] = [pid for pid, name in marked(place).items() if name == "curl"]
    sender = parent(parent(curl))
    assert parent(sender) == script
    os.kill(sender, signal.SIGKILL)
    transfer.succeeds(place)


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])


def test_a_stop_leaves_no_curl(transfer: Transfer, faults: Faults) -> None:
    faults.plan = ["hold"] * 3
    place = transfer.start()
    until(faults.held.is_set, bool)
    assert "curl" in marked(place).values()
    detached.stop(transfer.session, place)
    assert marked(place) == {}
    assert isinstance(transfer.look(place).error, RunStopped)


def test_bytes_that_changed_on_the_disk_are_never_completed(transfer: Transfer) -> None:
    flip(transfer, 7)
    report = transfer.over(transfer.start(sha256=digest_of(transfer)))
    assert isinstance(report.error, ChecksumMismatch)
    assert len(transfer.receipts()) <= 3  # the last part is not sent


def test_bytes_that_change_between_hashing_and_sending_are_refused(
    transfer: Transfer, faults: Faults
) -> None:
    faults.plan = ["hold"]
    place = transfer.start(parallel=1)
    until(faults.held.is_set, bool)
    flip(transfer, 7)
    os.kill(next(pid for pid, name in marked(place).items() if name == "curl"), signal.SIGKILL)
    report = transfer.over(place)
    assert isinstance(report.error, ChecksumMismatch)


def test_another_size_than_was_made_is_never_completed(transfer: Transfer) -> None:
    report = transfer.over(transfer.start(size=len(transfer.contents["archive"]) + 1))
    assert isinstance(report.error, ChecksumMismatch)


def test_an_archive_that_is_not_there_is_said(transfer: Transfer) -> None:
    (transfer.folder / "a.tar.gz").unlink()
    report = transfer.over(transfer.start())
    assert "a.tar.gz is not there" in str(report.error)


def test_a_file_that_has_no_room_in_its_upload_is_said(transfer: Transfer) -> None:
    transfer.tiers = ((PART, 2),)
    report = transfer.over(transfer.start())
    assert isinstance(report.error, UploadFailed)
    assert "larger" in str(report.error)


def test_what_was_taken_back_at_the_store_is_said(transfer: Transfer) -> None:
    transfer.vault.abort(transfer.uploads["archive"])
    report = transfer.over(transfer.start())
    assert isinstance(report.error, UploadFailed)


def flip(transfer: Transfer, at: int) -> None:
    with (transfer.folder / "a.tar.gz").open("r+b") as file:
        file.seek(at)
        file.write(bytes([transfer.contents["archive"][at] ^ 1]))


def digest_of(transfer: Transfer) -> str:
    return transfer.sending().sha256 or ""
