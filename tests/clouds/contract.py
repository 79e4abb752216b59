"""What every cloud must do: `base.Cloud`'s docstring in executable form.

A provider's class supplies `provider`, which makes clouds and does at the provider what the test
says. `exceptions.py` names what a provider cannot promise.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

import pytest

from cloudpilot import clock
from cloudpilot.clouds.base import Cloud, Snapshot, State
from cloudpilot.errors import (
    CloudDenied,
    CloudPilotError,
    CloudUnreachable,
    InstanceMissing,
    InvalidConfig,
    SnapshotMissing,
    StillThere,
)
from cloudpilot.reports import Grade

HOSTILE = [
    'quote\'s "twice" `x` $(y) ; rm -rf /',
    "two\nlines\r\nand a null\0",
    "Ünïcödé 日本 🗄",
    "<script>alert(1)</script>&amp;",
    "../../../etc/passwd",
    "a|b,c=d?e#f%2F&g",
    "\u202egnp.exe\ud800",
    "",
    "x" * 5_000,
]
UPPER = "3F0C9B1E-7A52-4C1D-9D0E-2B6F8A4C5D6E"
NOT_MACHINES = [
    "",
    "nothing",
    "../../x",
    "a/../../b",
    "i-1?x=y",
    "1 OR 1=1",
    "a|b",
    "\n",
    "9" * 500,
]


class Provider(Protocol):
    """What a provider's tests supply."""

    page: int  # machines or snapshots that one answer lists at most
    secrets: list[str]  # that must be in no message, ref and repr
    machine: str  # the id of web-1, which has two disks, 10 and 20 GiB
    absent: str  # an id that a machine could have and none has
    parts: int  # that a snapshot of it has
    tells_why: bool  # something has failed

    def cloud(self, **changes: Any) -> Cloud:
        """changes  credentials="wrong" | endpoint=… | private=…"""

    def settle(self, tag: str, state: State, why: str = "", *, only: int | None = None) -> None:
        """All parts of it stand so, or only that one."""

    def shown(self, tag: str) -> str:
        """What people read of it at the provider."""

    def made(self, tag: str) -> int:
        """How many snapshots with this tag it has, asked without our code."""

    def restored(self) -> int:
        """How many things it has that were made of snapshots."""

    def stranger(self) -> None:
        """Somebody else makes snapshots, one of them called nearly as ours."""

    def machines(self, count: int) -> None:
        """So many more machines."""

    def hide(self, calls: int) -> None:
        """From now on what was made is not listed for so many calls."""

    def linger(self, calls: int) -> None:
        """From now on what was deleted is shown for so many calls."""

    def lose(self) -> None:
        """The answer to the next order is lost after it was taken."""

    def asked(self) -> int:
        """How often somebody has asked."""


class CloudContract:
    """Every test is a clause."""

    @pytest.fixture
    def cloud(self, provider: Provider) -> Cloud:
        return provider.cloud()

    @pytest.fixture
    def tag(self) -> str:
        return str(uuid4())

    @pytest.fixture
    def later(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        """So long later, by our clock."""

        def turn(**length: float) -> None:
            ahead = timedelta(**length)
            monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + ahead)

        return turn

    def done(self, provider: Provider, cloud: Cloud, tag: str, title: str = "Shop") -> Snapshot:
        """A snapshot that was made."""
        ref = cloud.start(provider.machine, tag, title)
        provider.settle(tag, State.DONE)
        return cloud.look(ref)

    # Machines.

    def test_machines_are_found_with_what_people_know_of_them(
        self, provider: Provider, cloud: Cloud
    ) -> None:
        [web] = [one for one in cloud.instances() if one.id == provider.machine]
        assert (web.name, web.disks) == ("web-1", 2)
        assert web.addresses[0] == "203.0.113.10"
        assert "10.0.0.10" in web.addresses
        assert web.region
        assert web.size in {30 * 2**30, None}

    def test_machines_come_from_every_page(self, provider: Provider, cloud: Cloud) -> None:
        provider.machines(provider.page + 2)
        found = [one.id for one in cloud.instances()]
        assert len(found) == len(set(found)) == provider.page + 3

    def test_machines_are_asked_for_when_they_are_wanted(
        self, provider: Provider, cloud: Cloud
    ) -> None:
        before = provider.asked()
        cloud.instances()
        cloud.list()
        assert provider.asked() == before

    # A snapshot comes to be.

    def test_a_snapshot_is_begun_looked_at_and_done(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        ref = cloud.start(provider.machine, tag, "Shop")
        assert 0 < len(ref) < 1_000
        begun = cloud.look(ref)
        assert (begun.state, begun.tag, begun.instance) == (State.PENDING, tag, provider.machine)
        assert begun.percent is None or 0 <= begun.percent < 100

        provider.settle(tag, State.DONE)
        done = cloud.look(ref)
        assert (done.state, done.tag, done.instance) == (State.DONE, tag, provider.machine)
        assert len(done.parts) == len({part.id for part in done.parts}) == provider.parts
        assert all(part.id and part.disk for part in done.parts)
        assert done.size
        assert done.percent in {100, None}
        assert done.why == ""
        assert abs(clock.now() - done.created_at) < timedelta(minutes=5)

    def test_another_process_looks(self, provider: Provider, cloud: Cloud, tag: str) -> None:
        ref = cloud.start(provider.machine, tag, "Shop")
        provider.settle(tag, State.DONE)
        assert provider.cloud().look(ref).state is State.DONE

    def test_started_twice_it_is_made_once(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        refs = [cloud.start(provider.machine, tag, "Shop") for _twice in range(2)]
        assert [cloud.look(ref).state for ref in refs] == [State.PENDING] * 2
        provider.settle(tag, State.DONE)
        refs.append(cloud.start(provider.machine, tag, "Shop"))
        first, *others = [cloud.look(ref) for ref in refs]
        assert all((one.state, one.parts) == (first.state, first.parts) for one in others)
        assert provider.made(tag) == provider.parts

    def test_started_again_when_the_answer_was_lost_it_is_made_once(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        provider.lose()
        with pytest.raises(CloudUnreachable) as lost:
            cloud.start(provider.machine, tag, "Shop")
        assert lost.value.transient
        ref = cloud.start(provider.machine, tag, "Shop")
        provider.settle(tag, State.DONE)
        assert cloud.look(ref).state is State.DONE
        assert provider.made(tag) == provider.parts

    def test_started_twice_while_it_is_not_listed_it_is_made_once(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        provider.hide(20)
        refs = [cloud.start(provider.machine, tag, "Shop") for _twice in range(2)]
        assert [cloud.look(ref).state for ref in refs] == [State.PENDING] * 2
        assert provider.made(tag) == provider.parts

    def test_what_is_not_listed_yet_is_pending_and_not_missing(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        provider.hide(4)
        ref = cloud.start(provider.machine, tag, "Shop")
        provider.settle(tag, State.DONE)
        seen = [cloud.look(ref).state for _look in range(8)]
        assert set(seen) <= {State.PENDING, State.DONE}
        assert seen[-1] is State.DONE

    def test_snapshots_of_one_machine_are_told_apart(
        self, provider: Provider, cloud: Cloud
    ) -> None:
        tags = [str(uuid4()) for _ in range(2)]
        snapshots = [self.done(provider, cloud, tag) for tag in tags]
        assert [one.tag for one in snapshots] == tags
        ids = {part.id for one in snapshots for part in one.parts}
        assert len(ids) == 2 * provider.parts

    def test_a_title_is_shown_at_the_provider(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        cloud.start(provider.machine, tag, "Shop\nof Zürich")
        assert "Shop of Zurich" in provider.shown(tag)

    @pytest.mark.parametrize("title", HOSTILE)
    def test_any_text_is_a_title(
        self, provider: Provider, cloud: Cloud, tag: str, title: str
    ) -> None:
        assert self.done(provider, cloud, tag, title).tag == tag
        assert [one.tag for one in cloud.list()] == [tag]

    @pytest.mark.parametrize("tag", ["", "x", "../x", "a'b", UPPER, "0" * 36])
    def test_a_tag_is_a_uuid(self, provider: Provider, cloud: Cloud, tag: str) -> None:
        with pytest.raises(InvalidConfig):
            cloud.start(provider.machine, tag, "Shop")
        with pytest.raises(InvalidConfig):
            cloud.restore("ref", "part", "name", tag)

    def test_a_machine_that_is_not_there_is_said_to_be_missing(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        for instance in (provider.absent, *NOT_MACHINES):
            with pytest.raises(InstanceMissing):
                cloud.start(instance, tag, "Shop")
        assert provider.made(tag) == 0

    # How it stands.

    def test_what_has_failed_says_why_in_a_sentence(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        ref = cloud.start(provider.machine, tag, "Shop")
        provider.settle(tag, State.FAILED, "The disk <b>broke</b>")
        failed = cloud.look(ref)
        assert failed.state is State.FAILED
        assert "broke" in failed.why or not provider.tells_why
        assert failed.why.endswith(".")
        assert "\n" not in failed.why

    def test_one_disk_that_is_pending_keeps_all_of_it_pending(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        ref = cloud.start(provider.machine, tag, "Shop")
        provider.settle(tag, State.DONE)
        provider.settle(tag, State.PENDING, only=0)
        assert cloud.look(ref).state is State.PENDING

    def test_one_disk_that_has_failed_fails_all_of_it(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        ref = cloud.start(provider.machine, tag, "Shop")
        provider.settle(tag, State.DONE)
        provider.settle(tag, State.FAILED, "broke", only=0)
        assert cloud.look(ref).state is State.FAILED

    def test_what_is_surely_not_there_is_missing(
        self, provider: Provider, cloud: Cloud, tag: str, later: Callable[..., None]
    ) -> None:
        ref = self.done(provider, cloud, tag).ref
        cloud.delete(ref)
        later(hours=1)
        with pytest.raises(SnapshotMissing):
            cloud.look(ref)

    @pytest.mark.parametrize("ref", ["", "x", "|||", "../..", "a|b|c|d", "x" * 2_000])
    def test_what_no_cloud_has_said_is_missing(self, cloud: Cloud, ref: str, tag: str) -> None:
        with pytest.raises(SnapshotMissing):
            cloud.look(ref)
        with pytest.raises(SnapshotMissing):
            cloud.restore(ref, "part", "name", tag)

    # It is removed.

    def test_deleted_means_gone(self, provider: Provider, cloud: Cloud, tag: str) -> None:
        kept = self.done(provider, cloud, str(uuid4()))
        ref = self.done(provider, cloud, tag).ref
        for _twice in range(2):
            cloud.delete(ref)
        assert provider.made(tag) == 0
        assert provider.made(kept.tag) == provider.parts
        assert [one.tag for one in cloud.list()] == [kept.tag]

    def test_what_is_being_made_can_be_given_up(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        ref = cloud.start(provider.machine, tag, "Shop")
        cloud.delete(ref)
        assert provider.made(tag) == 0

    def test_what_was_just_begun_and_is_not_listed_is_given_up(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        provider.hide(3)
        ref = cloud.start(provider.machine, tag, "Shop")
        provider.settle(tag, State.DONE)
        self.delete_in_the_end(cloud, ref)
        assert provider.made(tag) == 0

    def test_it_is_not_called_gone_while_the_provider_shows_it(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        ref = self.done(provider, cloud, tag).ref
        provider.linger(6)
        with pytest.raises(StillThere) as there:
            cloud.delete(ref)
        assert there.value.transient
        self.delete_in_the_end(cloud, ref)
        assert provider.made(tag) == 0

    def test_deleted_again_when_the_answer_was_lost_it_is_gone(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        ref = self.done(provider, cloud, tag).ref
        provider.lose()
        with pytest.raises(CloudUnreachable):
            cloud.delete(ref)
        cloud.delete(ref)
        assert provider.made(tag) == 0

    def delete_in_the_end(self, cloud: Cloud, ref: str) -> None:
        """As a job does that comes again."""
        for _try in range(12):
            try:
                cloud.delete(ref)
            except StillThere:
                continue
            return
        pytest.fail("it is still there")

    # Lists.

    def test_a_list_has_ours_and_nothing_else(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        provider.stranger()
        assert list(cloud.list()) == []
        done = self.done(provider, cloud, tag)
        provider.stranger()
        [listed] = cloud.list()
        assert (listed.tag, listed.state, listed.parts) == (tag, State.DONE, done.parts)
        assert listed.instance == provider.machine
        assert len(listed.ref) < 1_000
        assert cloud.look(listed.ref).parts == done.parts
        cloud.delete(listed.ref)
        assert provider.made(tag) == 0

    def test_a_list_comes_from_every_page(self, provider: Provider, cloud: Cloud) -> None:
        tags = {str(uuid4()) for _ in range(provider.page + 1)}
        for tag in tags:
            cloud.start(provider.machine, tag, "Shop")
            provider.settle(tag, State.DONE)
        listed = list(cloud.list())
        assert len(listed) == len(tags)
        assert {one.tag for one in listed} == tags
        assert all(len(one.parts) == provider.parts for one in listed)

    # Something new is made of it.

    def test_something_new_is_made_of_each_part_once(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        snapshot, machines = self.done(provider, cloud, tag), len(list(cloud.instances()))
        for count, part in enumerate(snapshot.parts, 1):
            wanted = str(uuid4())
            first = cloud.restore(snapshot.ref, part.id, "Shop, again", wanted)
            assert cloud.restore(snapshot.ref, part.id, "Shop, again", wanted).id == first.id
            assert provider.restored() == count
            assert first.kind in {"volume", "droplet", "instance", "disk"}
            assert first.id
            assert "shop-again" in first.name.lower()
            assert first.url.startswith("https://")
        assert provider.made(tag) == provider.parts
        assert len(list(cloud.instances())) >= machines

    def test_two_restores_of_one_name_are_two_things(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        snapshot = self.done(provider, cloud, tag)
        part = snapshot.parts[-1].id
        made = {cloud.restore(snapshot.ref, part, "Shop", str(uuid4())).id for _ in range(2)}
        assert len(made) == provider.restored() == 2

    def test_a_restore_whose_answer_was_lost_is_made_once(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        snapshot, wanted = self.done(provider, cloud, tag), str(uuid4())
        part = snapshot.parts[0].id
        provider.lose()
        with pytest.raises(CloudUnreachable):
            cloud.restore(snapshot.ref, part, "Shop", wanted)
        assert cloud.restore(snapshot.ref, part, "Shop", wanted).id
        assert provider.restored() == 1

    @pytest.mark.parametrize("name", HOSTILE)
    def test_any_text_is_a_name(
        self, provider: Provider, cloud: Cloud, tag: str, name: str
    ) -> None:
        snapshot = self.done(provider, cloud, tag)
        made = cloud.restore(snapshot.ref, snapshot.parts[-1].id, name, str(uuid4()))
        assert made.name
        assert provider.restored() == 1

    def test_nothing_is_made_of_what_is_not_a_part_of_it(
        self, provider: Provider, cloud: Cloud, tag: str, later: Callable[..., None]
    ) -> None:
        snapshot, other = self.done(provider, cloud, tag), self.done(provider, cloud, str(uuid4()))
        for part in (other.parts[0].id, "", "../x", "nothing"):
            with pytest.raises(SnapshotMissing):
                cloud.restore(snapshot.ref, part, "Shop", str(uuid4()))
        cloud.delete(snapshot.ref)
        later(hours=1)
        with pytest.raises(SnapshotMissing):
            cloud.restore(snapshot.ref, snapshot.parts[0].id, "Shop", str(uuid4()))
        assert provider.restored() == 0

    def test_a_person_is_told_how_it_is_done_by_hand(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        snapshot = self.done(provider, cloud, tag)
        before = provider.asked()
        steps = cloud.by_hand(snapshot)
        assert provider.asked() == before
        told = "\n".join(step.command for step in steps)
        assert all(part.id.rpartition("/")[2] in told for part in snapshot.parts)
        assert all(step.sentence.endswith(".") for step in steps)

    # Who may, what it costs, and what nobody may read.

    def test_wrong_credentials_are_denied(self, provider: Provider, cloud: Cloud, tag: str) -> None:
        snapshot, stranger = self.done(provider, cloud, tag), provider.cloud(credentials="wrong")
        for attempt in (
            lambda: list(stranger.instances()),
            lambda: stranger.start(provider.machine, str(uuid4()), "Shop"),
            lambda: stranger.look(snapshot.ref),
            lambda: stranger.delete(snapshot.ref),
            lambda: list(stranger.list()),
            lambda: stranger.restore(snapshot.ref, snapshot.parts[0].id, "x", str(uuid4())),
        ):
            with pytest.raises(CloudDenied) as denied:
                attempt()
            assert not any(secret in str(denied.value) for secret in provider.secrets)
        assert provider.made(tag) == provider.parts

    def test_a_check_says_that_all_is_well_and_makes_nothing(
        self, provider: Provider, cloud: Cloud
    ) -> None:
        lines = cloud.check()
        assert [line for line in lines if line.grade is Grade.FAILED] == []
        assert {line.about for line in lines} >= {"machines", "snapshots", "rights"}
        assert all(line.sentence.endswith(".") for line in lines)
        assert all(line.remedy for line in lines if line.grade is not Grade.OK)
        assert list(cloud.list()) == []
        assert provider.restored() == 0

    def test_a_check_that_fails_says_why(self, provider: Provider) -> None:
        lines = provider.cloud(credentials="wrong").check()
        failed = [line for line in lines if line.grade is Grade.FAILED]
        assert [line.code for line in failed] == ["CLOUD_DENIED"]
        assert failed[0].remedy
        assert not any(secret in repr(lines) for secret in provider.secrets)

    def test_a_policy_is_text_and_no_secret(self, provider: Provider, cloud: Cloud) -> None:
        assert len(cloud.policy()) > 20
        assert not any(secret in cloud.policy() for secret in provider.secrets)

    def test_a_price_says_where_it_is_from(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        told = cloud.price(self.done(provider, cloud, tag))
        assert told == "" or ("$" in told and told.endswith("."))

    def test_no_secret_is_in_what_is_printed(
        self, provider: Provider, cloud: Cloud, tag: str
    ) -> None:
        snapshot = self.done(provider, cloud, tag)
        printed = f"{cloud!r} {snapshot!r} {list(cloud.instances())!r} {cloud.by_hand(snapshot)!r}"
        assert not any(secret in printed for secret in provider.secrets)

    def test_every_failure_is_one_of_the_catalogue(self, provider: Provider, cloud: Cloud) -> None:
        for attempt in (lambda: cloud.look("x"), lambda: cloud.start("x", str(uuid4()), "x")):
            with pytest.raises(CloudPilotError):
                attempt()
