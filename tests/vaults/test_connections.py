"""Every connection of every library goes through `outbound`."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from cloudpilot import clock, connections, outbound
from cloudpilot.errors import AddressRefused, CloudPilotError, VaultMissing, VaultUnreachable
from cloudpilot.kinds import VaultKind
from cloudpilot.reports import Grade
from cloudpilot.secrets import Secret
from cloudpilot.vaults import checks
from cloudpilot.vaults.location import Location
from cloudpilot.vaults.memory import MemoryStore, MemoryVault
from cloudpilot.vaults.plans import plan
from cloudpilot.vaults.registry import open_vault
from cloudpilot.vaults.uploads import Receipt, Upload
from tests.support.gcs_signatures import account
from tests.support.redirecting import redirecting

LOCATIONS = {
    VaultKind.S3: Location(VaultKind.S3, "bucket", key_id="a", secret=Secret("b"), path_style=True),
    VaultKind.DO_SPACES: Location(VaultKind.DO_SPACES, "bucket", key_id="a", secret=Secret("b")),
    VaultKind.GCS: Location(VaultKind.GCS, "bucket"),
    VaultKind.AZURE_BLOB: Location(
        VaultKind.AZURE_BLOB, "bucket", key_id="abc", secret=Secret("YSBrZXk=")
    ),
}


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def vault_at(kind: VaultKind, endpoint: str) -> Any:
    location = replace(LOCATIONS[kind], endpoint=endpoint)
    if kind is VaultKind.GCS:
        key = Secret(account("ours").key_file(f"{endpoint}/token"))
        location = replace(location, secret=key)
    return open_vault(location)


@pytest.mark.parametrize("kind", VaultKind)
def test_a_name_that_means_another_machine_by_now_is_not_connected_to(
    kind: VaultKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name was harmless when the vault was made; then its owner changed where it points."""
    connected: list[Any] = []
    monkeypatch.setattr(outbound.socket, "create_connection", lambda *to: connected.append(to))
    points_to = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 0))]
    monkeypatch.setattr(outbound.socket, "getaddrinfo", lambda *_name, **_more: points_to)
    vault = vault_at(kind, "http://vault.example.com")
    with pytest.raises(AddressRefused):
        list(vault.list())
    assert connected == []


@pytest.mark.parametrize("kind", VaultKind)
def test_a_store_that_never_answers_is_unreachable(
    kind: VaultKind, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(connections, "ATTEMPTS", 1)
    monkeypatch.setattr(connections, "AGAIN_SECONDS", 0.2)
    monkeypatch.setattr("cloudpilot.vaults.gcs_client.TIMEOUT", (5.0, 0.2))
    host = "localhost" if kind is VaultKind.DO_SPACES else "127.0.0.1"
    monkeypatch.setattr(socket, "getaddrinfo", _loopback)
    with pytest.raises(VaultUnreachable):
        list(vault_at(kind, f"http://{host}:{silent}").list())


def _loopback(_host: Any, port: Any, *_rest: Any, **_more: Any) -> Any:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port or 0))]


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with redirecting(200) as proxy, redirecting(200) as store:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        monkeypatch.setenv("AWS_PROFILE", "nobody's")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.endpoint)
        for kind in (VaultKind.S3, VaultKind.GCS, VaultKind.AZURE_BLOB):
            with suppress(CloudPilotError):  # there is nothing in its answers
                list(vault_at(kind, store.endpoint).list())
        assert proxy.asked == []
        assert store.asked


@pytest.mark.parametrize("kind", [VaultKind.S3, VaultKind.GCS, VaultKind.AZURE_BLOB])
@pytest.mark.parametrize("body", [b"", b"<html>hello</html>", b"[]", b"\xff" * 9])
def test_who_is_no_store_is_refused_by_our_own_words(
    kind: VaultKind, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typing error leads to somebody's web server; no exception of a library leaves a vault."""
    monkeypatch.setattr(connections, "ATTEMPTS", 1)
    with redirecting(200, body) as odd:
        vault = vault_at(kind, odd.endpoint)
        upload = Upload("a", Secret(f"{odd.endpoint}/x"), plan(None))
        for attempt in (
            lambda: vault.begin("a", 1),
            lambda: vault.stat("a"),
            lambda: list(vault.list()),
            lambda: list(vault.open_uploads()),
            lambda: vault.delete("a"),
            lambda: vault.complete(upload, [Receipt(1, 1, "0" * 32)], 1, md5="0" * 32),
            lambda: vault.abort(upload),
            vault.check,
        ):
            with suppress(CloudPilotError):
                attempt()
        assert [line for line in vault.check() if line.grade is Grade.FAILED]


def test_a_region_that_a_store_names_is_not_asked() -> None:
    """Amazon's library would send the request again to whatever region an answer names."""
    said = b"<Error><Code>PermanentRedirect</Code><Endpoint>evil.example</Endpoint></Error>"
    with redirecting(301, said) as elsewhere:
        with pytest.raises(VaultMissing):
            list(vault_at(VaultKind.S3, elsewhere.endpoint).list())
        assert len(elsewhere.asked) == 1


def test_a_request_of_the_check_follows_no_redirect() -> None:
    wire = connections.Wire(private=True, unreachable=VaultUnreachable)
    with redirecting() as elsewhere:
        answer = wire.send("GET", f"{elsewhere.endpoint}/a")
    assert answer.status == 307
    assert elsewhere.landed == []


@pytest.mark.parametrize(("minutes", "grade"), [(0, Grade.OK), (-3, Grade.OK), (20, Grade.FAILED)])
def test_a_clock_that_is_wrong_is_told(minutes: int, grade: Grade) -> None:
    class Late(MemoryVault):
        def send(self, *request: Any) -> connections.Answer:
            answer = super().send(*request)
            at = format_datetime(clock.now() + timedelta(minutes=minutes), usegmt=True)
            return replace(answer, headers={**answer.headers, "date": at})

    vault = Late(MemoryStore(), Secret("memory"))
    lines = {
        line.about: line for line in checks.trial(vault, vault, checks.new_key(), in_clear=True)
    }
    assert lines["clock"].grade is grade
    assert lines["encryption"].grade is Grade.WARNING


def test_a_store_that_loses_what_was_written_fails_the_check() -> None:
    class Forgetful(MemoryVault):
        def list(self, prefix: str = "") -> Any:
            return iter(())

    vault = Forgetful(store := MemoryStore(), Secret("memory"))
    lines = vault.check()
    assert [line.about for line in lines if line.grade is Grade.FAILED] == ["list"]
    assert store.objects == {}


def test_a_store_that_leaves_uploads_open_fails_the_check() -> None:
    class Tenacious(MemoryVault):
        def abort(self, _upload: Any) -> None:
            return

    vault = Tenacious(MemoryStore(), Secret("memory"))
    assert [line.about for line in vault.check() if line.grade is Grade.FAILED] == ["abort"]
