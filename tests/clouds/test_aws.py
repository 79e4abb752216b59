"""AWS, against moto behind a gate that shows what EC2 documents and moto lacks."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from cloudpilot.clouds.account import Account
from cloudpilot.clouds.base import Cloud, State
from cloudpilot.clouds.registry import open_cloud
from cloudpilot.connections import Answer
from cloudpilot.errors import CloudDenied, CloudThrottled, InstanceMissing
from cloudpilot.kinds import CloudKind
from cloudpilot.reports import Grade
from cloudpilot.secrets import Secret
from tests.clouds.network import NetworkContract
from tests.support import fake_ec2
from tests.support.fake_cloud import Fault
from tests.support.fake_ec2 import KEY_ID, REGION, SECRET, FakeEc2
from tests.support.must_run import must_run

STATES = {State.DONE: "completed", State.FAILED: "error", State.PENDING: "pending"}
CODES = {429: "RequestLimitExceeded", 403: "UnauthorizedOperation", 400: "ResourceCountExceeded"}


@pytest.fixture(scope="session")
def ec2() -> Iterator[tuple[FakeEc2, str]]:
    """The gate before moto, and the machine web-1 in that."""
    if not fake_ec2.PROGRAM.exists():
        must_run("moto", "it is not installed")
    with fake_ec2.running() as gate:
        yield gate, gate.run("web-1")[0]


@pytest.fixture(scope="session")
def opened(ec2: tuple[FakeEc2, str]) -> Cloud:
    """Describing EC2 to the library takes longer than most of these tests."""
    return Aws(*ec2).cloud()


class Aws:
    """One region, with one machine of two volumes."""

    parts, absent, tells_why = 2, "i-0123456789abcdef0", True
    entered = ("region", "key_id")

    def __init__(self, fake: FakeEc2, machine: str) -> None:
        self.fake, self.machine, self.secrets = fake, machine, [SECRET]
        self.page, self.more = fake.page, list[str]()

    def cloud(self, **changes: Any) -> Cloud:
        key_id = "AKIASTRANGER" if changes.pop("credentials", "") else KEY_ID
        values = {
            "endpoint": self.fake.endpoint,
            "region": REGION,
            "key_id": key_id,
            "secret": Secret(SECRET),
        } | changes
        return open_cloud(Account(CloudKind.AWS, **values))

    def settle(self, tag: str, state: State, why: str = "", *, only: int | None = None) -> None:
        ids = sorted(self.fake.tagged(tag))
        for key in ids if only is None else [ids[only]]:
            self.fake.states[key] = (STATES[state], why)

    def shown(self, tag: str) -> str:
        wanted = {"Filter.1.Name": "tag:cloudpilot:backup", "Filter.1.Value.1": tag}
        told = self.fake.ids("DescribeSnapshots", "description", **wanted)
        return " ".join(told + self.fake.ids("DescribeSnapshots", "value", **wanted))

    def made(self, tag: str) -> int:
        return len(self.fake.tagged(tag))

    def restored(self) -> int:
        marks = {"Filter.1.Name": "tag-key", "Filter.1.Value.1": "cloudpilot:restore"}
        return len(self.fake.ids("DescribeVolumes", "volumeId", **marks))

    def stranger(self) -> None:
        [volume, *_more] = self.fake.ids("DescribeVolumes", "volumeId")
        mark = "TagSpecification.1"
        for key, value in (("Name", "mine"), ("cloudpilot:backup", "mine")):
            tags = {f"{mark}.Tag.1.Key": key, f"{mark}.Tag.1.Value": value}
            kind = {f"{mark}.ResourceType": "snapshot"}
            self.fake.ask("CreateSnapshot", VolumeId=volume, **kind, **tags)

    def machines(self, count: int) -> None:
        self.more = self.fake.run("web-more", count)

    def hide(self, calls: int) -> None:
        self.fake.unlisted = calls

    def linger(self, calls: int) -> None:
        self.fake.lingering = calls

    def lose(self) -> None:
        self.fake.faults.append(Fault("lost", orders=True))

    def asked(self) -> int:
        return len(self.fake.asked)

    def refusal(self, status: int, words: str) -> Answer:
        return fake_ec2.error(status, CODES.get(status, "InternalError"), words)


class TestAws(NetworkContract):
    server = "aws"

    @pytest.fixture
    def provider(self, ec2: tuple[FakeEc2, str]) -> Iterator[Aws]:
        made = Aws(*ec2)
        yield made
        for machine in made.more:
            made.fake.ask("TerminateInstances", **{"InstanceId.1": machine})
        made.fake.begin_anew()

    @pytest.fixture
    def cloud(self, opened: Cloud) -> Cloud:
        return opened

    @pytest.mark.parametrize("code", ["RequestLimitExceeded", "Throttling"])
    def test_a_rate_limit_has_words_of_its_own(
        self, provider: Aws, cloud: Cloud, code: str
    ) -> None:
        provider.fake.faults.append(Fault("answer", fake_ec2.error(503, code, "Slower")))
        with pytest.raises(CloudThrottled):
            list(cloud.instances())

    @pytest.mark.parametrize(
        "code", ["AuthFailure", "SignatureDoesNotMatch", "RequestExpired", "OptInRequired"]
    )
    def test_who_is_denied_is_told_so_whatever_the_status(
        self, provider: Aws, cloud: Cloud, code: str
    ) -> None:
        provider.fake.faults.append(Fault("answer", fake_ec2.error(400, code, "No")))
        with pytest.raises(CloudDenied):
            list(cloud.instances())

    def test_how_far_it_is_is_told(self, provider: Aws, cloud: Cloud, tag: str) -> None:
        ref = cloud.start(provider.machine, tag, "Shop")
        assert cloud.look(ref).percent == 30
        provider.settle(tag, State.DONE, only=0)
        assert 30 < (cloud.look(ref).percent or 0) < 100

    def test_a_part_that_somebody_has_removed_is_told(
        self, provider: Aws, cloud: Cloud, tag: str, later: Callable[..., None]
    ) -> None:
        snapshot = self.done(provider, cloud, tag)
        provider.fake.ask("DeleteSnapshot", SnapshotId=snapshot.parts[0].id)
        assert cloud.look(snapshot.ref).state is State.PENDING  # a list may be late
        later(hours=1)
        assert cloud.look(snapshot.ref).state is State.FAILED

    def test_what_was_made_twice_while_lists_were_late_is_found_and_removed(
        self, provider: Aws, cloud: Cloud, tag: str
    ) -> None:
        """There is no token against that at EC2: an order is an order."""
        provider.hide(3)
        refs = [cloud.start(provider.machine, tag, "Shop") for _twice in range(2)]
        assert provider.made(tag) == 2 * provider.parts
        provider.settle(tag, State.DONE)
        self.looks(cloud, 4)
        for ref in refs:
            done = cloud.look(ref)
            assert (done.state, len(done.parts)) == (State.DONE, 2 * provider.parts)
        cloud.delete(refs[0])
        assert provider.made(tag) == 0

    def looks(self, cloud: Cloud, times: int) -> None:
        for _look in range(times):
            list(cloud.list())

    def test_a_machine_that_is_terminated_is_missing(
        self, provider: Aws, cloud: Cloud, tag: str
    ) -> None:
        [machine] = provider.fake.run("web-9")
        provider.fake.ask("TerminateInstances", **{"InstanceId.1": machine})
        with pytest.raises(InstanceMissing):
            cloud.start(machine, tag, "Shop")
        assert machine not in [one.id for one in cloud.instances()]

    def test_a_volume_is_made_in_the_zone_of_its_machine(
        self, provider: Aws, cloud: Cloud, tag: str
    ) -> None:
        snapshot = self.done(provider, cloud, tag)
        made = cloud.restore(snapshot.ref, snapshot.parts[0].id, "Shop", str(uuid4()))
        [web] = [one for one in cloud.instances() if one.id == provider.machine]
        [zone] = provider.fake.ids("DescribeVolumes", "availabilityZone", **{"VolumeId.1": made.id})
        assert zone == web.region

    def test_rights_that_are_lacking_are_told(self, provider: Aws, cloud: Cloud, tag: str) -> None:
        self.done(provider, cloud, tag)
        provider.fake.forbidden = {"DeleteSnapshot", "CreateVolume"}
        lines = {line.about: line for line in cloud.check()}
        assert lines["rights"].grade is Grade.FAILED
        assert "delete snapshots" in lines["rights"].sentence
        assert lines["restore"].grade is Grade.WARNING
        assert provider.made(tag) == provider.parts
