"""DigitalOcean, against a server that follows its published API."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from cloudpilot import clock
from cloudpilot.clouds.account import Account
from cloudpilot.clouds.base import Cloud, State
from cloudpilot.clouds.naming import name_of
from cloudpilot.clouds.registry import open_cloud
from cloudpilot.connections import Answer
from cloudpilot.errors import CloudRefused, CloudThrottled, InvalidState, StillThere
from cloudpilot.kinds import CloudKind
from cloudpilot.reports import Grade
from cloudpilot.secrets import Secret
from tests.clouds.network import NetworkContract
from tests.support.fake_cloud import Fault, said, serving
from tests.support.fake_digitalocean import FakeDigitalOcean
from tests.support.redirecting import redirecting


class DigitalOcean:
    """One team, with one machine that has a volume."""

    parts, absent, tells_why = 2, "999999", False
    entered: tuple[str, ...] = ()

    def __init__(self, fake: FakeDigitalOcean) -> None:
        self.fake, self.page, self.secrets = fake, fake.page, [fake.token]
        self.machine = fake.add_droplet("web-1", volumes=1)

    def cloud(self, **changes: Any) -> Cloud:
        token = "dop_v1_wr0ng" if changes.pop("credentials", "") else self.fake.token
        values = {"endpoint": self.fake.endpoint, "secret": Secret(token)} | changes
        return open_cloud(Account(CloudKind.DIGITALOCEAN, **values))

    def settle(self, tag: str, state: State, why: str = "", *, only: int | None = None) -> None:
        words = {State.DONE: "completed", State.FAILED: "errored", State.PENDING: "in-progress"}
        self.fake.finish(name_of(tag), words[state])

    def shown(self, tag: str) -> str:
        return " ".join(one.values["name"] for one in self.fake.actions.values())

    def made(self, tag: str) -> int:
        named = [one.values for one in self.fake.snapshots.values()]
        pending = [one.values for one in self.fake.actions.values()]
        actions = [one for one in pending if one["status"] == "in-progress"]
        return sum(one["name"] == name_of(tag) for one in named + actions)

    def restored(self) -> int:
        shelves = (self.fake.droplets, self.fake.volumes)
        marks = [one.values["tags"] for shelf in shelves for one in shelf.values()]
        return sum(any("restore" in mark for mark in tags) for tags in marks)

    def stranger(self) -> None:
        for name in ("mine", "cloudpilot-mine", f"x{name_of(str(uuid4()))}"):
            self.fake.add_snapshot(name)

    def machines(self, count: int) -> None:
        for number in range(count):
            self.fake.add_droplet(f"web-{number}")

    def hide(self, calls: int) -> None:
        self.fake.unlisted = calls

    def linger(self, calls: int) -> None:
        self.fake.lingering = calls

    def lose(self) -> None:
        self.fake.faults.append(Fault("lost", orders=True))

    def asked(self) -> int:
        return len(self.fake.asked)

    def refusal(self, status: int, words: str) -> Answer:
        return said(status, {"id": "unprocessable_entity", "message": words})


class TestDigitalOcean(NetworkContract):
    server = "digitalocean"

    @pytest.fixture
    def provider(self) -> Iterator[DigitalOcean]:
        with serving(FakeDigitalOcean()) as fake:
            yield DigitalOcean(fake)

    def test_what_is_being_made_is_given_up_when_it_is_made(
        self, provider: DigitalOcean, cloud: Cloud, tag: str
    ) -> None:
        """There is no way to end an action."""
        ref = cloud.start(provider.machine, tag, "Shop")
        for _twice in range(2):
            with pytest.raises(StillThere):
                cloud.delete(ref)
        provider.settle(tag, State.DONE)
        cloud.delete(ref)
        assert provider.made(tag) == 0

    def test_a_droplet_is_not_taken_twice_while_its_snapshot_is_not_listed(
        self, provider: DigitalOcean, cloud: Cloud, tag: str
    ) -> None:
        provider.hide(20)
        refs = [cloud.start(provider.machine, tag, "Shop") for _twice in range(2)]
        assert len(provider.fake.actions) == 1
        assert [cloud.look(ref).state for ref in refs] == [State.PENDING] * 2

    def test_another_action_of_the_droplet_is_waited_for(
        self, provider: DigitalOcean, cloud: Cloud, tag: str
    ) -> None:
        provider.fake.busy(provider.machine, "resize")
        with pytest.raises(CloudRefused) as refused:
            cloud.start(provider.machine, tag, "Shop")
        assert "pending event" in str(refused.value)

    def test_a_snapshot_outlives_its_droplet(
        self, provider: DigitalOcean, cloud: Cloud, tag: str
    ) -> None:
        snapshot = self.done(provider, cloud, tag)
        del provider.fake.droplets[provider.machine]
        assert cloud.look(snapshot.ref).state is State.DONE
        image, volume = snapshot.parts
        with pytest.raises(InvalidState):
            cloud.restore(snapshot.ref, image.id, "Shop", str(uuid4()))
        assert cloud.restore(snapshot.ref, volume.id, "Shop", str(uuid4())).kind == "volume"
        cloud.delete(snapshot.ref)
        assert provider.made(tag) == 0

    def test_a_part_that_somebody_has_removed_is_told(
        self, provider: DigitalOcean, cloud: Cloud, tag: str, later: Callable[..., None]
    ) -> None:
        snapshot = self.done(provider, cloud, tag)
        del provider.fake.snapshots[snapshot.parts[1].id]
        later(hours=1)
        assert cloud.look(snapshot.ref).state is State.FAILED

    def test_what_is_made_for_longer_than_lists_are_late_is_pending(
        self, provider: DigitalOcean, cloud: Cloud, tag: str, later: Callable[..., None]
    ) -> None:
        ref = cloud.start(provider.machine, tag, "Shop")
        later(hours=3)
        assert cloud.look(ref).state is State.PENDING
        assert [one.state for one in cloud.list()] == [State.PENDING]

    def test_a_token_without_a_scope_is_told(self, provider: DigitalOcean, cloud: Cloud) -> None:
        provider.fake.forbidden.add("DELETE")
        [line] = [line for line in cloud.check() if line.about == "rights"]
        assert line.grade is Grade.FAILED
        assert "delete snapshots" in line.sentence

    def test_the_address_of_a_next_page_is_not_gone_to(
        self, provider: DigitalOcean, cloud: Cloud
    ) -> None:
        with redirecting() as elsewhere:
            links = {"pages": {"next": f"{elsewhere.endpoint}/v2/droplets?page=2"}}
            answer = said(200, {"droplets": [], "links": links})
            provider.fake.faults.append(Fault("answer", answer))
            list(cloud.instances())
            assert "page=2" in provider.fake.asked[-1][1]
            assert elsewhere.asked == []

    def test_when_the_count_begins_anew_is_when_to_come_again(
        self, provider: DigitalOcean, cloud: Cloud
    ) -> None:
        at = str(int(clock.now().timestamp()) + 30)
        answer = said(429, {"id": "too_many_requests"}, ratelimit_reset=at)
        provider.fake.faults.append(Fault("answer", answer))
        with pytest.raises(CloudThrottled) as slower:
            list(cloud.instances())
        assert 25 <= slower.value.seconds <= 30

    def test_there_is_no_place_for_a_title(
        self, provider: DigitalOcean, cloud: Cloud, tag: str
    ) -> None:
        """Its name is what it is found by."""
        cloud.start(provider.machine, tag, "Shop")
        assert provider.shown(tag) == name_of(tag)
