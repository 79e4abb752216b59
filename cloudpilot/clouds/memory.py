"""A cloud in memory, for tests of what stands on clouds: it keeps the whole promise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from cloudpilot import clock
from cloudpilot.clouds import checks, naming, prices
from cloudpilot.clouds.base import Instance, Part, Restored, Snapshot, State, Step
from cloudpilot.clouds.naming import Ref
from cloudpilot.errors import (
    CloudDenied,
    CloudPilotError,
    CloudUnreachable,
    InstanceMissing,
    SnapshotMissing,
    SnapshotStillThere,
)
from cloudpilot.kinds import CloudKind
from cloudpilot.reports import CheckLine
from cloudpilot.secrets import Secret

GIB = 2**30
WEB = Instance("i-web", "web-1", ("203.0.113.10", "10.0.0.10"), "eu-central-1", 2, 30 * GIB)


@dataclass
class MemoryStore:
    """What the clouds of a test share: the provider itself, which does what the test says.

    errors    what the next calls raise, in order, before anything is done
    lost      how many answers to orders get lost when they were taken
    unlisted  for how many calls a snapshot that was just begun is not shown
    lingering for how many calls a snapshot that was deleted is shown
    calls     how often it was asked
    """

    secret: Secret = Secret("a secret in memory")  # noqa: RUF009  (it is frozen)
    machines: dict[str, Instance] = field(default_factory=lambda: {WEB.id: WEB})
    snapshots: dict[str, Snapshot] = field(default_factory=dict)  # by tag
    restored: dict[str, Restored] = field(default_factory=dict)  # by tag
    titles: dict[str, str] = field(default_factory=dict)  # by tag
    errors: list[CloudPilotError] = field(default_factory=list)
    lost: int = 0
    unlisted: int = 0
    lingering: int = 0
    calls: int = 0
    _hidden: dict[str, int] = field(default_factory=dict)
    _leaving: dict[str, int] = field(default_factory=dict)

    def settle(
        self, tag: str, state: State = State.DONE, *, percent: int | None = None, why: str = ""
    ) -> None:
        """From now on this snapshot stands so; an empty tag means all of them."""
        for one in [tag] if tag else list(self.snapshots):
            told = 100 if state is State.DONE else percent
            found = self.snapshots[one]
            self.snapshots[one] = replace(found, state=state, percent=told, why=why)

    def asked(self) -> None:
        """Count a call, raise what is to be raised, and let time pass."""
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        for waiting in (self._hidden, self._leaving):
            for tag in list(waiting):
                waiting[tag] -= 1
                if waiting[tag] < 0:
                    del waiting[tag]
                    if waiting is self._leaving:
                        self.snapshots.pop(tag, None)

    def taken(self) -> None:
        """An order was taken; its answer may get lost."""
        if self.lost:
            self.lost -= 1
            raise CloudUnreachable("There was no answer: it was lost.")

    def add(self, snapshot: Snapshot, title: str) -> None:
        """A snapshot has been begun."""
        self.snapshots[snapshot.tag] = snapshot
        self.titles[snapshot.tag] = naming.plain(title, 200)
        if self.unlisted:
            self._hidden[snapshot.tag] = self.unlisted

    def remove(self, tag: str) -> None:
        """A snapshot is deleted, at once or after some calls."""
        if tag in self.snapshots and self.lingering:
            self._leaving.setdefault(tag, self.lingering)
        elif tag in self.snapshots:
            del self.snapshots[tag]

    def shown(self) -> dict[str, Snapshot]:
        """What a list has."""
        return {tag: one for tag, one in self.snapshots.items() if tag not in self._hidden}


class MemoryCloud:
    """The cloud in `store`; with another secret than the store's it is denied."""

    kind: ClassVar[CloudKind] = CloudKind.AWS

    def __init__(self, store: MemoryStore, secret: Secret | None = None) -> None:
        self._store, self._secret = store, secret or store.secret

    def instances(self) -> Iterator[Instance]:
        yield from list(self._ask().machines.values())

    def start(self, instance: str, tag: str, title: str) -> str:
        naming.judge_tag(tag)
        store = self._ask()
        if found := store.snapshots.get(tag):
            return found.ref
        if instance not in store.machines:
            raise InstanceMissing("There is no such machine.")
        machine = store.machines[instance]
        share = machine.size // machine.disks if machine.size else None
        parts = tuple(Part(f"snap-{tag}-{n}", f"disk-{n}", share) for n in range(machine.disks))
        ref = str(Ref(tag, instance, naming.now()))
        values = (State.PENDING, 0, parts, machine.size, clock.now())
        store.add(Snapshot(ref, tag, instance, *values), title)
        store.taken()
        return ref

    def look(self, ref: str) -> Snapshot:
        told = Ref.of(ref)
        if found := self._ask().shown().get(told.tag):
            return found
        if told.tag not in self._store.snapshots:
            raise SnapshotMissing("There is no such snapshot.")
        return replace(self._store.snapshots[told.tag], state=State.PENDING, parts=())

    def delete(self, ref: str) -> None:
        tag = Ref.of(ref).tag
        self._ask().remove(tag)
        self._store.taken()
        if tag in self._store.snapshots:
            raise SnapshotStillThere("The snapshot is still shown.")

    def list(self) -> Iterator[Snapshot]:
        yield from list(self._ask().shown().values())

    def restore(self, ref: str, part: str, name: str, tag: str) -> Restored:
        called = naming.host_name(name, tag)
        store = self._ask()
        if found := store.restored.get(tag):
            return found
        snapshot = store.snapshots.get(Ref.of(ref).tag)
        if snapshot is None or part not in {one.id for one in snapshot.parts}:
            raise SnapshotMissing("There is no such snapshot.")
        made = Restored("volume", f"vol-{tag}", called, f"https://example.com/volumes/vol-{tag}")
        store.restored[tag] = made
        store.taken()
        return made

    def by_hand(self, snapshot: Snapshot) -> Sequence[Step]:
        return [
            Step("Make a volume of each disk's snapshot.", f"restore {part.id}")
            for part in snapshot.parts
        ]

    def check(self) -> Sequence[CheckLine]:
        return checks.lines(self, self._rights, in_clear=False)

    def policy(self) -> str:
        return "Nothing: it is in memory."

    def price(self, snapshot: Snapshot) -> str:
        return prices.month(self.kind, snapshot)

    def _rights(self) -> Sequence[CheckLine]:
        self._ask()
        return [checks.allowed("rights", ["begin and delete snapshots"], [])]

    def _ask(self) -> MemoryStore:
        if self._secret != self._store.secret:
            raise CloudDenied("The cloud does not take this secret.")
        self._store.asked()
        return self._store
