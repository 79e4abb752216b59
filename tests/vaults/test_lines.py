"""Bad lines between the panel and a store: what it asks for is done once, or it says why not."""

from contextlib import AbstractContextManager
from typing import Any

import pytest

from cloudpilot import connections
from cloudpilot.errors import VaultUnreachable
from cloudpilot.vaults import gcs_client
from cloudpilot.vaults.base import Vault
from cloudpilot.vaults.uploads import Upload
from tests.support import curl
from tests.support.proxy import (
    Harm,
    Pause,
    Proxy,
    always,
    at_once,
    half_open,
    proxied,
    reset,
    stalls,
)
from tests.vaults.azure_store import AzureStore
from tests.vaults.bucket_store import BucketStore
from tests.vaults.gcs_store import GcsStore
from tests.vaults.s3_store import S3Store
from tests.vaults.sending import Sender

pytestmark = pytest.mark.xdist_group("rgw")

BODY = b"one two"
SILENCE = 0.4  # seconds, in place of a minute, after which an answer is not waited for any more
MOST = 40  # chunks, more than there are
STORES: dict[str, Any] = {"rgw": S3Store, "azurite": AzureStore, "gcs": GcsStore}
ALSO = [pytest.param(name, marks=pytest.mark.long) for name in ("azurite", "gcs")]


@pytest.fixture(scope="module")
def store(request: pytest.FixtureRequest) -> BucketStore:
    name = getattr(request, "param", "rgw")
    made: BucketStore = STORES[name](request.getfixturevalue(name))
    return made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ANSWER_SECONDS", SILENCE)
    monkeypatch.setattr(gcs_client, "TIMEOUT", (connections.CONNECT_SECONDS, SILENCE))


def line(store: BucketStore, pause: Pause = at_once) -> AbstractContextManager[Proxy]:
    return proxied("127.0.0.1", int(store.location.endpoint.rpartition(":")[2]), pause)


def over(proxy: Proxy, store: BucketStore, near: Vault) -> Vault:
    """The same vault, beyond the proxy."""
    host, _, port = store.location.endpoint.rpartition(":")
    assert port
    return store.vault(prefix_of=near, endpoint=f"{host}:{proxy.port}")


def begun(near: Vault, far: Vault) -> Upload:
    """Google's emulator names itself as where to send to, and not the proxy."""
    return (near if near.kind == "gcs" else far).begin("a/b", len(BODY))


def completed(near: Vault, far: Vault) -> Upload:
    """An object, whose server has a good line."""
    upload = begun(near, far)
    sender = Sender(near, upload, BODY, curl.send)
    sent = sender.all()
    sender.vault = far
    assert sender.complete(sent).size == len(BODY)
    return upload


def assert_there_once(near: Vault, upload: Upload) -> None:
    """What an answer that was lost has begun besides is found, and ended."""
    for one in list(near.open_uploads("a/")):
        near.abort(one.upload)
    assert list(near.open_uploads()) == []
    assert [found.key for found in near.list()] == [upload.key]
    read = near.sign_read(upload.key, seconds=60, filename="x")
    assert curl.send("GET", read.reveal()).body == BODY


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("harm", "step"), [(reset, 1), (half_open, 3)], ids=["reset", "half open"])
@pytest.mark.parametrize("store", ["rgw", *ALSO], indirect=True)
def test_wherever_a_connection_breaks_an_object_is_made_once(
    store: BucketStore, harm: Harm, step: int
) -> None:
    """Before each request, in the middle of each, before each answer and in the middle of each."""
    for after in range(0, MOST, step):
        near = store.vault()
        with line(store) as proxy:
            proxy.harm(harm, after=after)
            upload = completed(near, over(proxy, store, near))
            harmed = proxy.harmed
        assert_there_once(near, upload)
        if not harmed:
            break
    assert 2 < after < MOST - step


@pytest.mark.parametrize("pause", [stalls(5, 0.2, 0.2, 5), always(0.5)], ids=["stalls", "slow"])
def test_over_a_line_that_is_slow_an_object_is_made_once(store: BucketStore, pause: Pause) -> None:
    near = store.vault()
    with line(store, pause) as proxy:
        upload = completed(near, over(proxy, store, near))
        assert proxy.held_up
    assert_there_once(near, upload)


@pytest.mark.usefixtures("impatient")
def test_a_line_that_stays_half_open_is_said_and_nothing_is_made(store: BucketStore) -> None:
    near = store.vault()
    upload = near.begin("a/b", len(BODY))
    sender = Sender(near, upload, BODY, curl.send)
    sent = sender.all()
    with line(store) as proxy:
        proxy.freeze()
        sender.vault = over(proxy, store, near)
        with pytest.raises(VaultUnreachable, match="did not answer"):
            sender.complete(sent)
    assert list(near.list()) == []
    near.abort(upload)
    assert list(near.open_uploads()) == []
