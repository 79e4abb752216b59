"""Google Cloud, against a server that follows its published API."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from cloudpilot.clouds.account import Account
from cloudpilot.clouds.base import Cloud, State
from cloudpilot.clouds.naming import name_of
from cloudpilot.clouds.registry import open_cloud
from cloudpilot.connections import Answer
from cloudpilot.errors import (
    AddressRefused,
    CloudDenied,
    CloudRefused,
    CloudThrottled,
    InvalidConfig,
    StillThere,
)
from cloudpilot.kinds import CloudKind
from cloudpilot.reports import Grade
from cloudpilot.secrets import Secret
from tests.clouds.network import NetworkContract
from tests.support.fake_cloud import Fault, said, serving
from tests.support.fake_google import PROJECT, ZONE, FakeGoogle
from tests.support.gcs_signatures import account

STATES = {State.DONE: "READY", State.FAILED: "INVALID", State.PENDING: "CREATING"}


class Google:
    """One project, with one machine of two disks."""

    parts, absent, tells_why = 1, f"{ZONE}/nobody", True
    entered = ("project",)

    def __init__(self, fake: FakeGoogle) -> None:
        self.fake, self.page = fake, fake.page
        self.machine = fake.add_machine("web-1")

    @property
    def secrets(self) -> list[str]:
        return [self.fake.token, self.fake.key_file.split("PRIVATE KEY")[1][10:60]]

    def cloud(self, **changes: Any) -> Cloud:
        wrong = changes.pop("credentials", "")
        key = account("a stranger").key_file(f"{self.fake.endpoint}/token")
        values = {
            "endpoint": self.fake.endpoint,
            "project": PROJECT,
            "secret": Secret(key if wrong else self.fake.key_file),
        } | changes
        if changes.get("endpoint") and "secret" not in changes:
            values["secret"] = Secret(account("ours").key_file(f"{changes['endpoint']}/token"))
        return open_cloud(Account(CloudKind.GCP, **values))

    def settle(self, tag: str, state: State, why: str = "", *, only: int | None = None) -> None:
        self.fake.settle(name_of(tag), STATES[state], why)

    def shown(self, tag: str) -> str:
        return str(self.fake.images[name_of(tag)].values["description"])

    def made(self, tag: str) -> int:
        return int(name_of(tag) in self.fake.images)

    def restored(self) -> int:
        return sum("labels" in one.values for one in self.fake.machines.values())

    def stranger(self) -> None:
        for name in ("mine", f"cloudpilot-mine-{uuid4()}", f"x{name_of(str(uuid4()))}"):
            self.fake.add_image(name)

    def machines(self, count: int) -> None:
        for number in range(count):
            self.fake.add_machine(f"web-1{number}")

    def hide(self, calls: int) -> None:
        self.fake.unlisted = calls

    def linger(self, calls: int) -> None:
        self.fake.lingering = calls

    def lose(self) -> None:
        self.fake.faults.append(Fault("lost", orders=True))

    def asked(self) -> int:
        return len(self.fake.asked)

    def refusal(self, status: int, words: str) -> Answer:
        return said(status, {"error": {"code": status, "message": words, "errors": []}})


class TestGoogle(NetworkContract):
    server = "gcp"

    @pytest.fixture
    def provider(self) -> Iterator[Google]:
        with serving(FakeGoogle()) as fake:
            yield Google(fake)

    @pytest.fixture
    def cloud(self, provider: Google) -> Cloud:
        """It has a token already: what is done next is an order of the test."""
        found = provider.cloud()
        list(found.list())
        return found

    def test_a_token_is_asked_for_once_and_again_when_it_has_ended(
        self, provider: Google, cloud: Cloud, later: Callable[..., None]
    ) -> None:
        for _twice in range(2):
            list(cloud.instances())
        assert provider.fake.given == 1
        later(minutes=59)
        list(cloud.instances())
        assert provider.fake.given == 2

    def test_a_token_that_is_refused_is_renewed_once(self, provider: Google, cloud: Cloud) -> None:
        provider.fake.tokens.clear()
        assert list(cloud.instances())
        assert provider.fake.given == 2
        provider.fake.faults += [Fault("answer", provider.refusal(401, "No")) for _ in range(3)]
        with pytest.raises(CloudDenied):
            list(cloud.instances())

    def test_a_rate_limit_is_told_from_a_right_that_is_lacking(
        self, provider: Google, cloud: Cloud
    ) -> None:
        errors = [{"reason": "rateLimitExceeded", "domain": "usageLimits"}]
        answer = said(403, {"error": {"code": 403, "message": "Rate", "errors": errors}})
        provider.fake.faults.append(Fault("answer", answer))
        with pytest.raises(CloudThrottled):
            list(cloud.instances())

    def test_an_order_that_has_failed_before_there_is_an_image_says_why(
        self, provider: Google, cloud: Cloud, tag: str
    ) -> None:
        ref = cloud.start(provider.machine, tag, "Shop")
        kept = provider.fake.images.pop(name_of(tag))
        assert cloud.look(ref).state is State.PENDING
        with pytest.raises(StillThere):
            cloud.delete(ref)
        provider.fake.images[name_of(tag)] = kept
        provider.settle(tag, State.FAILED, "Quota 'MACHINE_IMAGES' exceeded")
        del provider.fake.images[name_of(tag)]
        failed = cloud.look(ref)
        assert (failed.state, failed.why) == (State.FAILED, "Quota 'MACHINE_IMAGES' exceeded.")
        cloud.delete(ref)

    def test_how_far_it_is_is_told(self, provider: Google, cloud: Cloud, tag: str) -> None:
        ref = cloud.start(provider.machine, tag, "Shop")
        [operation] = provider.fake.operations.values()
        operation.values["progress"] = 40
        assert cloud.look(ref).percent == 40

    def test_what_cannot_be_deleted_while_it_is_made_is_still_there(
        self, provider: Google, cloud: Cloud, tag: str
    ) -> None:
        provider.fake.busy = True
        ref = cloud.start(provider.machine, tag, "Shop")
        with pytest.raises(StillThere):
            cloud.delete(ref)
        provider.settle(tag, State.DONE)
        cloud.delete(ref)
        assert provider.made(tag) == 0

    def test_what_was_ordered_long_ago_is_not_ordered_again(
        self, provider: Google, cloud: Cloud, tag: str
    ) -> None:
        """Google knows the ids of requests for a while only; names it knows for ever."""
        snapshot, wanted = self.done(provider, cloud, tag), str(uuid4())
        made = cloud.restore(snapshot.ref, snapshot.parts[0].id, "Shop", wanted)
        provider.fake.requests.clear()
        ref = cloud.start(provider.machine, tag, "Shop")
        assert cloud.look(ref).state is State.DONE
        assert cloud.restore(ref, snapshot.parts[0].id, "Shop", wanted) == made
        assert (provider.made(tag), provider.restored()) == (1, 1)

    def test_another_machine_of_that_name_is_not_ours(
        self, provider: Google, cloud: Cloud, tag: str
    ) -> None:
        snapshot, wanted = self.done(provider, cloud, tag), str(uuid4())
        provider.fake.add_machine(f"shop-{wanted[:8]}")
        with pytest.raises(CloudRefused):
            cloud.restore(snapshot.ref, snapshot.parts[0].id, "Shop", wanted)

    def test_rights_that_are_lacking_are_told(self, provider: Google, cloud: Cloud) -> None:
        provider.fake.lacking = {"compute.machineImages.create", "compute.instances.create"}
        lines = {line.about: line for line in cloud.check()}
        assert lines["rights"].grade is Grade.FAILED
        assert "compute.machineImages.create" in lines["rights"].sentence
        assert lines["restore"].grade is Grade.WARNING

    @pytest.mark.parametrize(
        "key",
        ["not json", "[]", '{"type": "authorized_user"}',
         '{"type": "service_account", "client_email": "a"}',
         account("ours").key_file("https://example.com/token").replace("BEGIN", "BEGUN")],
    )  # fmt: skip
    def test_only_the_key_of_a_service_account_is_taken(self, provider: Google, key: str) -> None:
        with pytest.raises(InvalidConfig):
            provider.cloud(secret=Secret(key))

    def test_a_key_that_sends_for_tokens_to_a_metadata_service_is_refused(
        self, provider: Google
    ) -> None:
        key = account("ours").key_file("http://169.254.169.254/token")
        with pytest.raises(AddressRefused):
            provider.cloud(secret=Secret(key))
