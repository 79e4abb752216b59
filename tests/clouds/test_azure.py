"""Azure, against a server that follows its published API."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from cloudpilot.clouds.account import Account
from cloudpilot.clouds.base import Cloud, State
from cloudpilot.clouds.naming import name_of
from cloudpilot.clouds.registry import open_cloud
from cloudpilot.connections import Answer
from cloudpilot.errors import CloudDenied, CloudRefused, CloudThrottled
from cloudpilot.kinds import CloudKind
from cloudpilot.reports import Grade
from cloudpilot.secrets import Secret
from tests.clouds.network import NetworkContract
from tests.support.fake_azure import CLIENT, SECRET, SUBSCRIPTION, TENANT, FakeAzure
from tests.support.fake_cloud import Fault, said, serving
from tests.support.redirecting import redirecting

STATES = {State.DONE: "Succeeded", State.FAILED: "Failed", State.PENDING: "Updating"}


class Azure:
    """One subscription, with one machine of two disks."""

    parts, absent, tells_why = 2, "shop/nobody", True
    entered = ("project", "tenant", "key_id")

    def __init__(self, fake: FakeAzure) -> None:
        self.fake, self.page = fake, fake.page
        self.machine = fake.add_machine("web-1")

    @property
    def secrets(self) -> list[str]:
        return [self.fake.token, SECRET]

    def cloud(self, **changes: Any) -> Cloud:
        secret = "wr0ng~secret" if changes.pop("credentials", "") else SECRET
        values = {
            "endpoint": self.fake.endpoint,
            "project": SUBSCRIPTION,
            "tenant": TENANT,
            "key_id": CLIENT,
            "secret": Secret(secret),
        } | changes
        return open_cloud(Account(CloudKind.AZURE, **values))

    def settle(self, tag: str, state: State, why: str = "", *, only: int | None = None) -> None:
        for name, thing in self.fake.snapshots.items():
            if name.startswith(name_of(tag)) and (only is None or name.endswith(f"-{only}")):
                told = thing.values["properties"]
                told["provisioningState"] = STATES[state]
                if why:
                    told["copyCompletionError"] = {"errorCode": "X", "errorMessage": why}

    def shown(self, tag: str) -> str:
        return str(self.fake.snapshots[f"{name_of(tag)}-0"].values["tags"])

    def made(self, tag: str) -> int:
        return sum(name.startswith(name_of(tag)) for name in self.fake.snapshots)

    def restored(self) -> int:
        return len(self.fake.disks)

    def stranger(self) -> None:
        self.fake.add_snapshot(f"mine-{uuid4()}", {})
        self.fake.add_snapshot(f"{name_of(str(uuid4()))}-0", {})
        self.fake.add_snapshot(f"also-mine-{uuid4()}", {"cloudpilot-backup": str(uuid4())})

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
        return said(status, {"error": {"code": "Refused", "message": words}})


class TestAzure(NetworkContract):
    server = "azure"

    @pytest.fixture
    def provider(self) -> Iterator[Azure]:
        with serving(FakeAzure()) as fake:
            yield Azure(fake)

    @pytest.fixture
    def cloud(self, provider: Azure) -> Cloud:
        """It has a token already: what is done next is an order of the test."""
        found = provider.cloud()
        list(found.list())
        return found

    def test_a_token_is_asked_for_once_and_again_when_it_has_ended(
        self, provider: Azure, cloud: Cloud, later: Callable[..., None]
    ) -> None:
        for _twice in range(2):
            list(cloud.instances())
        assert provider.fake.given == 1
        later(minutes=58)
        list(cloud.instances())
        assert provider.fake.given == 2

    def test_a_token_that_is_refused_is_renewed_once(self, provider: Azure, cloud: Cloud) -> None:
        provider.fake.tokens.clear()
        assert list(cloud.instances())
        assert provider.fake.given == 2
        provider.fake.faults += [Fault("answer", provider.refusal(401, "No")) for _ in range(3)]
        with pytest.raises(CloudDenied):
            list(cloud.instances())

    @pytest.mark.parametrize("status", [429, 503])
    def test_who_gives_tokens_may_have_a_bad_day(self, provider: Azure, status: int) -> None:
        answer = said(status, {"error": "temporarily_unavailable"}, Retry_After="3")
        answer.headers["retry-after"] = "3"  # type: ignore[index]
        provider.fake.faults.append(Fault("answer", answer))
        with pytest.raises(Exception, match=str(status)) as failed:
            list(provider.cloud().instances())
        assert failed.value.transient  # type: ignore[attr-defined]
        assert not isinstance(failed.value, CloudThrottled) or failed.value.seconds == 3

    def test_a_secret_that_is_answered_back_is_in_no_message(self, provider: Azure) -> None:
        with pytest.raises(CloudDenied) as denied:
            list(provider.cloud(credentials="wrong").instances())
        assert "AADSTS7000215" in str(denied.value)
        assert "wr0ng~secret" not in str(denied.value)

    def test_who_may_not_read_the_network_finds_machines_all_the_same(
        self, provider: Azure, cloud: Cloud
    ) -> None:
        provider.fake.hides_network = True
        [web] = cloud.instances()
        assert (web.name, web.addresses) == ("web-1", ())

    def test_what_was_begun_of_some_disks_is_begun_of_the_others(
        self, provider: Azure, cloud: Cloud, tag: str
    ) -> None:
        ref = cloud.start(provider.machine, tag, "Shop")
        del provider.fake.snapshots[f"{name_of(tag)}-1"]
        assert cloud.look(ref).state is State.PENDING
        again = cloud.start(provider.machine, tag, "Shop")
        provider.settle(tag, State.DONE)
        assert cloud.look(again).state is State.DONE

    def test_a_part_that_somebody_has_removed_is_told(
        self, provider: Azure, cloud: Cloud, tag: str, later: Callable[..., None]
    ) -> None:
        snapshot = self.done(provider, cloud, tag)
        del provider.fake.snapshots[snapshot.parts[1].id]
        later(hours=1)
        assert cloud.look(snapshot.ref).state is State.FAILED
        assert [one.state for one in cloud.list()] == [State.FAILED]

    def test_how_far_it_is_is_told(self, provider: Azure, cloud: Cloud, tag: str) -> None:
        ref = cloud.start(provider.machine, tag, "Shop")
        provider.settle(tag, State.DONE)
        for name, percent in (("0", 100.0), ("1", 20.0)):
            told = provider.fake.snapshots[f"{name_of(tag)}-{name}"].values["properties"]
            told["completionPercent"] = percent
        assert (cloud.look(ref).state, cloud.look(ref).percent) == (State.PENDING, 60)

    def test_a_disk_is_made_in_the_zone_of_its_machine(
        self, provider: Azure, cloud: Cloud, tag: str
    ) -> None:
        snapshot = self.done(provider, cloud, tag)
        cloud.restore(snapshot.ref, snapshot.parts[0].id, "Shop", str(uuid4()))
        [disk] = provider.fake.disks.values()
        assert disk.values["zones"] == ["1"]
        provider.fake.machines.clear()
        cloud.restore(snapshot.ref, snapshot.parts[0].id, "Shop", str(uuid4()))
        assert "zones" not in list(provider.fake.disks.values())[-1].values

    def test_another_disk_of_that_name_is_not_ours(
        self, provider: Azure, cloud: Cloud, tag: str
    ) -> None:
        snapshot, wanted = self.done(provider, cloud, tag), str(uuid4())
        provider.fake.put(provider.fake.disks, f"shop-{wanted[:8]}", {"tags": {}})
        with pytest.raises(CloudRefused):
            cloud.restore(snapshot.ref, snapshot.parts[0].id, "Shop", wanted)

    def test_rights_that_are_lacking_are_told(self, provider: Azure, cloud: Cloud) -> None:
        provider.fake.actions = ["Microsoft.Compute/snapshots/*", "*/read"]
        lines = {line.about: line for line in cloud.check()}
        assert lines["rights"].grade is Grade.FAILED
        assert "Microsoft.Compute/disks/beginGetAccess/action" in lines["rights"].sentence
        assert lines["restore"].grade is Grade.WARNING
        provider.fake.machines.clear()
        lines = {line.about: line for line in cloud.check()}
        assert lines["rights"].grade is Grade.WARNING

    def test_the_address_of_a_next_page_is_not_gone_to(self, provider: Azure, cloud: Cloud) -> None:
        with redirecting() as elsewhere:
            link = f"{elsewhere.endpoint}/x?api-version=2024-07-01&%24skiptoken=0"
            provider.fake.faults.append(Fault("answer", said(200, {"value": [], "nextLink": link})))
            assert len(list(cloud.instances())) == 1
            assert elsewhere.asked == []
