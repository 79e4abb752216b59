"""Whether a server reaches a store, and why not."""

import hashlib
import pwd
from dataclasses import replace
from pathlib import Path

import pytest

from cloudpilot.engine import reaching, uploading
from cloudpilot.engine.reaching import Reached
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed
from cloudpilot.secrets import Secret
from cloudpilot.vaults.uploads import Receipt
from tests.support.canaries import Sightings, files, processes, watching
from tests.support.faults import faulty
from tests.support.ports import free_port
from tests.support.sshd import Sshd
from tests.support.uploads import Transfer
from tests.vaults.azure_store import AzureStore
from tests.vaults.gcs_store import GcsStore
from tests.vaults.s3_store import S3Store

BODY = b"a small object\n"


@pytest.fixture
def transfer(session: Session, tmp_path: Path, s3: S3Store) -> Transfer:
    return begun(Transfer(session, tmp_path, s3.vault()))


def begun(transfer: Transfer) -> Transfer:
    transfer.begin("archive")
    return transfer


def reach(transfer: Transfer, url: str = "", *, in_clear: bool = True) -> Reached:
    [one] = transfer.signed("archive", 1, 1)
    one = replace(one, url=Secret(url)) if url else one
    return uploading.reach(transfer.session, one, BODY, in_clear=in_clear)


def test_a_small_object_reaches_the_store(transfer: Transfer) -> None:
    reached = reach(transfer)
    assert (reached.status, reached.curl, reached.said) == (200, 0, "")
    assert reached.version[0].isdigit()
    assert reached.skew is not None
    assert abs(reached.skew) < 30
    digest = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
    receipt = Receipt(1, len(BODY), digest, reached.answer)
    assert transfer.vault.complete(transfer.uploads["archive"], [receipt], len(BODY)).size


def test_and_google_and_azure(
    session: Session, tmp_path: Path, google: GcsStore, azure: AzureStore
) -> None:
    to_google = begun(Transfer(session, tmp_path, google.vault()))
    assert reach(to_google).status == 200
    to_azure = begun(Transfer(session, tmp_path, azure.vault()))
    assert reach(to_azure).status == 201


def test_a_no_is_told_with_its_word(transfer: Transfer) -> None:
    host = transfer.vault._location.endpoint.removeprefix("http://")  # type: ignore[attr-defined]
    with faulty(host) as faults:
        faults.always = (403, b"<Error><Code>RequestTimeTooSkewed</Code></Error>")
        transfer.through = (host, faults.address)
        reached = reach(transfer)
    assert (reached.status, reached.curl, reached.said) == (403, 0, "RequestTimeTooSkewed")
    assert (reached.skew, reached.answer) == (None, "")


def test_why_there_is_no_answer_is_told_apart(transfer: Transfer) -> None:
    host = transfer.vault._location.endpoint.removeprefix("http://")  # type: ignore[attr-defined]
    nobody = reach(transfer, "http://name.invalid/x")
    assert (nobody.status, nobody.curl) == (0, reaching.RESOLVE)
    closed = reach(transfer, f"http://127.0.0.1:{free_port()}/x")
    assert (closed.status, closed.curl) == (0, reaching.CONNECT)
    no_tls = reach(transfer, f"https://{host}/x", in_clear=False)
    assert no_tls.status == 0
    assert no_tls.curl in reaching.TLS
    in_clear = reach(transfer, in_clear=False)
    assert (in_clear.status, in_clear.curl) == (0, 1)  # the protocol is not allowed


def test_nothing_of_the_request_is_seen_or_stays(transfer: Transfer, plain_server: Sshd) -> None:
    """As a user of our own: what is root's in /dev/shm may be another test's."""
    sightings = Sightings()
    [one] = transfer.signed("archive", 1, 1)
    transfer.signed = lambda *_words: [one]  # type: ignore[method-assign,assignment]
    sightings.plant("signature", one.url.reveal().partition("X-Amz-Signature=")[2][:64])
    with (
        plain_server.session() as session,
        watching(sightings, files(transfer.root), processes(set)),
    ):
        transfer.session = session
        for _ in range(5):
            assert reach(transfer).status == 200
    assert sightings.rounds
    assert sightings.seen == set()
    uid = pwd.getpwnam(plain_server.user).pw_uid
    assert list(Path("/dev/shm").glob(f"cloudpilot-{uid}.*")) == []


@pytest.mark.parametrize(
    "answer",
    [b"", b"curl 0\n", b"end\n", b"curl x\nend\n", b"curl \xc2\xb2\nend\n", b"\xff" * 100],
)
def test_an_answer_that_is_not_whole_is_refused(answer: bytes) -> None:
    with pytest.raises(CommandFailed):
        reaching.parse(answer)


@pytest.mark.parametrize(
    "date", ["", "yesterday", "Sun, 99 Sep 2001 01:46:40 GMT", "1" * 100, "Sun, 09 Sep 9999999 1:1"]
)
def test_an_odd_date_is_none(date: str) -> None:
    answer = f"now 1.5\ncurl 0\nstatus 9999\ndate {date}\nanswer <script>\nend\n".encode()
    assert reaching.parse(answer) == Reached(0, 0, "", None, "", "")
