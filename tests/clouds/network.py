"""What every cloud must do that is reached by a network, whoever's it is."""

import time
from contextlib import suppress
from typing import Protocol
from uuid import uuid4

import pytest

from cloudpilot.clouds import rest
from cloudpilot.clouds.base import Cloud, State
from cloudpilot.connections import Answer
from cloudpilot.errors import (
    AddressRefused,
    CloudDenied,
    CloudPilotError,
    CloudRefused,
    CloudThrottled,
    CloudUnreachable,
    InstanceMissing,
    InvalidConfig,
)
from cloudpilot.secrets import Secret
from tests.clouds.contract import NOT_MACHINES, CloudContract, Provider
from tests.support.fake_cloud import Fake, Fault
from tests.support.ports import free_port
from tests.support.redirecting import redirecting

PATIENCE = 0.2  # seconds


class AtAnAddress(Provider, Protocol):
    """A provider whose requests a test can spoil."""

    fake: Fake
    entered: tuple[str, ...]  # what a person enters beside the secret

    def refusal(self, status: int, words: str) -> Answer:
        """As the provider says no."""


class NetworkContract(CloudContract):
    """The contract, and what is true of networks."""

    @pytest.mark.parametrize("told", [{"retry-after": "7"}, {}])
    def test_who_is_throttled_is_told_when_to_come_again(
        self, provider: AtAnAddress, cloud: Cloud, told: dict[str, str]
    ) -> None:
        answer = provider.refusal(429, "Too many requests")
        provider.fake.faults += [Fault("answer", Answer(429, answer.headers | told, answer.body))]
        with pytest.raises(CloudThrottled) as slower:
            list(cloud.instances())
        assert slower.value.transient
        assert slower.value.seconds == int(told.get("retry-after", 60))
        assert list(cloud.instances())

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_a_provider_that_has_a_bad_day_is_unreachable(
        self, provider: AtAnAddress, cloud: Cloud, tag: str, status: int
    ) -> None:
        ref = cloud.start(provider.machine, tag, "Shop")
        for attempt in (
            lambda: list(cloud.instances()),
            lambda: cloud.look(ref),
            lambda: cloud.delete(ref),
            lambda: list(cloud.list()),
        ):
            provider.fake.faults += [Fault("answer", provider.refusal(status, "Sorry"))]
            with pytest.raises(CloudUnreachable) as unreachable:
                attempt()
            assert unreachable.value.transient
        provider.settle(tag, State.DONE)
        assert cloud.look(ref).state is State.DONE

    def test_a_connection_that_is_cut_is_unreachable(
        self, provider: AtAnAddress, cloud: Cloud
    ) -> None:
        before = provider.asked()
        provider.fake.faults += [Fault("cut")]
        with pytest.raises(CloudUnreachable):
            list(cloud.instances())
        assert provider.asked() == before + 1  # it is for whoever comes again
        assert list(cloud.instances())

    def test_who_does_not_answer_is_given_up(
        self, provider: AtAnAddress, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rest, "ANSWER_SECONDS", PATIENCE)
        provider.fake.faults += [Fault("slow")]
        begun = time.monotonic()
        with pytest.raises(CloudUnreachable):
            list(provider.cloud().instances())
        assert time.monotonic() - begun < 5

    def test_nobody_there_is_unreachable(self, provider: AtAnAddress) -> None:
        away = provider.cloud(endpoint=f"http://127.0.0.1:{free_port()}")
        with pytest.raises(CloudUnreachable):
            list(away.instances())
        assert [line.code for line in away.check() if line.code] == ["CLOUD_UNREACHABLE"]

    def test_a_no_is_told_in_the_provider_s_words(
        self, provider: AtAnAddress, cloud: Cloud, tag: str
    ) -> None:
        list(cloud.instances())  # so that a token is there
        words = f"Quota\nexceeded \x1b[31m{provider.secrets[0]} " + "and so on " * 500
        provider.fake.faults += [Fault("answer", provider.refusal(400, words), orders=True)]
        with pytest.raises(CloudRefused) as refused:
            cloud.start(provider.machine, tag, "Shop")
        told = str(refused.value)
        assert "Quota exceeded" in told
        assert len(told) < 500
        assert "\x1b" not in told
        assert provider.secrets[0] not in told

    @pytest.mark.parametrize("status", [403])
    def test_what_the_rights_do_not_allow_is_denied(
        self, provider: AtAnAddress, cloud: Cloud, tag: str, status: int
    ) -> None:
        list(cloud.instances())
        provider.fake.faults += [Fault("answer", provider.refusal(status, "No"), orders=True)]
        with pytest.raises(CloudDenied):
            cloud.start(provider.machine, tag, "Shop")
        assert provider.made(tag) == 0

    @pytest.mark.parametrize("body", [b"", b"<html>hello</html>", b"[]", b"{}", b"\xff" * 9, b"{"])
    def test_who_is_no_provider_is_refused_by_our_own_words(
        self, provider: AtAnAddress, cloud: Cloud, tag: str, body: bytes
    ) -> None:
        ref = cloud.start(provider.machine, tag, "Shop")
        odd = [Fault("answer", Answer(200, {}, body)) for _ in range(30)]
        for attempt in (
            lambda: list(cloud.instances()),
            lambda: cloud.start(provider.machine, tag, "Shop"),
            lambda: cloud.look(ref),
            lambda: list(cloud.list()),
            lambda: cloud.delete(ref),
            lambda: cloud.restore(ref, "part", "x", tag),
            cloud.check,
        ):
            provider.fake.faults[:] = odd
            try:
                attempt()
            except CloudPilotError as error:
                assert error.code != "INTERNAL"  # noqa: PT017

    def test_an_answer_that_lacks_something_is_told_in_our_own_words(
        self, provider: AtAnAddress, cloud: Cloud, tag: str
    ) -> None:
        """APIs change, and people change what is at a provider."""
        snapshot, provider.fake.page = self.done(provider, cloud, tag), 100

        def attempts() -> None:
            for attempt in (
                lambda: cloud.start(provider.machine, str(uuid4()), "Shop"),
                lambda: cloud.start(provider.machine, tag, "Shop"),
                lambda: cloud.look(snapshot.ref),
                lambda: cloud.restore(snapshot.ref, snapshot.parts[-1].id, "x", str(uuid4())),
            ):
                with suppress(CloudPilotError):
                    attempt()
            assert cloud.check()  # which lists machines and snapshots

        attempts()
        for name in provider.fake.names_that_matter():
            provider.fake.left_out = name
            attempts()
        provider.fake.left_out = ""
        provider.settle(tag, State.DONE)
        assert cloud.look(snapshot.ref).state is State.DONE

    @pytest.mark.parametrize("instance", NOT_MACHINES)
    def test_what_is_no_id_of_a_machine_is_not_asked_for(
        self, provider: AtAnAddress, cloud: Cloud, tag: str, instance: str
    ) -> None:
        before = provider.asked()
        with pytest.raises(InstanceMissing):
            cloud.start(instance, tag, "Shop")
        assert provider.asked() == before

    def test_a_redirect_is_not_followed(self, provider: AtAnAddress) -> None:
        with redirecting(307) as elsewhere:
            with pytest.raises(CloudPilotError):
                list(provider.cloud(endpoint=elsewhere.endpoint).instances())
            assert elsewhere.asked
            assert elsewhere.landed == []

    def test_a_proxy_of_the_environment_is_not_used(
        self, provider: AtAnAddress, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with redirecting(200) as proxy:
            for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.endpoint)
            monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
            monkeypatch.setenv("AWS_PROFILE", "nobody's")
            assert list(provider.cloud().instances())
            assert proxy.asked == []

    @pytest.mark.parametrize("host", ["169.254.169.254", "metadata.google.internal", "[fe80::1]"])
    def test_an_address_that_is_never_connected_to_is_refused(
        self, provider: AtAnAddress, host: str
    ) -> None:
        with pytest.raises(AddressRefused):
            provider.cloud(endpoint=f"http://{host}")

    def test_a_panel_that_keeps_to_the_internet_connects_to_no_private_address(
        self, provider: AtAnAddress
    ) -> None:
        kept = provider.cloud(private=False)
        before = provider.asked()
        with pytest.raises(AddressRefused):
            list(kept.instances())
        assert [line.code for line in kept.check() if line.code] == ["ADDRESS_REFUSED"]
        assert provider.asked() == before

    @pytest.mark.parametrize(
        "endpoint",
        ["ftp://127.0.0.1", "http://", "127.0.0.1", "http://a@127.0.0.1", "http://127.0.0.1/x",
         "http://127.0.0.1?x", "http://127.0.0.1:x", "http://a b", "file:///etc/passwd"],
    )  # fmt: skip
    def test_an_endpoint_is_a_host_and_nothing_else(
        self, provider: AtAnAddress, endpoint: str
    ) -> None:
        with pytest.raises(InvalidConfig):
            provider.cloud(endpoint=endpoint)

    @pytest.mark.parametrize("text", ["../x", "a/b", "a?b", "a@b", "http://x", "a b", "a\nb", "é"])
    def test_nothing_that_is_entered_steers_an_address(
        self, provider: AtAnAddress, text: str
    ) -> None:
        for change in provider.entered:
            with pytest.raises(InvalidConfig):
                provider.cloud(**{change: text})
        with pytest.raises(InvalidConfig):
            provider.cloud(secret=Secret(f"{text}\n "))
