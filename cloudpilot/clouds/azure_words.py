"""What Azure's answers mean, and what people are told about it; nobody is asked here."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from cloudpilot.clouds import naming
from cloudpilot.clouds.base import Instance, Part, Restored, Snapshot, State, Step
from cloudpilot.clouds.naming import Ref
from cloudpilot.clouds.prices import GIB
from cloudpilot.errors import InstanceMissing

PORTAL = "https://portal.azure.com/#resource"
BACKUP, DISKS, MACHINE, STARTED = (
    f"cloudpilot-{word}" for word in ("backup", "disks", "instance", "started")
)
RESTORE = "cloudpilot-restore"
_RESOURCE = re.compile(r"/subscriptions/[^/]+/resourceGroups/([^/]+)/.*/([^/]+)", re.IGNORECASE)
_ID = re.compile(r"([\w().-]{0,89}[\w()-])/([A-Za-z0-9_][A-Za-z0-9._-]{0,63})")
_LOST = "Some of it is no longer there at Azure."


def id_of(resource: object) -> str:
    """The group and the name of a resource, in small letters: Azure does not tell them apart.

    >>> id_of("/subscriptions/1/resourceGroups/Shop/providers/Microsoft.Compute/disks/Web-1")
    'shop/web-1'
    """
    found = _RESOURCE.fullmatch(str(resource))
    if not found:
        raise ValueError("no id of a resource")
    return f"{found[1]}/{found[2]}".lower()


def is_id(instance: str) -> bool:
    """Whether a machine can have this id."""
    return bool(_ID.fullmatch(instance))


def parts(instance: str) -> tuple[str, str]:
    """The group and the name of a machine; raises InstanceMissing for what is no id of one."""
    found = _ID.fullmatch(instance)
    if not found:
        raise InstanceMissing("A machine's id is GROUP/NAME.")
    return found[1], found[2]


def disks(machine: Mapping[str, Any]) -> list[tuple[str, int | None]]:
    """Of each managed disk its resource and its size in bytes: the system's, then by number."""
    profile = machine["properties"]["storageProfile"]
    data = sorted(profile.get("dataDisks") or [], key=lambda one: int(one["lun"]))
    return [
        (str(one["managedDisk"]["id"]), _bytes(one.get("diskSizeGB")))
        for one in (profile["osDisk"], *data)
        if one.get("managedDisk")
    ]


def addresses(
    interfaces: Iterable[Mapping[str, Any]], public: Iterable[Mapping[str, Any]]
) -> Mapping[str, tuple[str, ...]]:
    """The addresses of machines, by their ids; public ones first."""
    known = {
        str(one["id"]).lower(): str(one["properties"]["ipAddress"])
        for one in public
        if one["properties"].get("ipAddress")
    }
    found: dict[str, tuple[list[str], list[str]]] = {}
    for one in interfaces:
        machine = (one["properties"].get("virtualMachine") or {}).get("id")
        if not machine:
            continue
        outer, inner = found.setdefault(id_of(machine), ([], []))
        for way in one["properties"].get("ipConfigurations") or []:
            said = way["properties"]
            outer.append(known.get(str((said.get("publicIPAddress") or {}).get("id")).lower(), ""))
            inner.append(str(said.get("privateIPAddress") or ""))
    return {
        machine: tuple(filter(None, (*outer, *inner))) for machine, (outer, inner) in found.items()
    }


def instance(machine: Mapping[str, Any], known: Mapping[str, tuple[str, ...]]) -> Instance:
    """A machine; its resource group is part of its id."""
    identity, sizes = id_of(machine["id"]), [size for _disk, size in disks(machine)]
    return Instance(
        id=identity,
        name=str(machine["name"]),
        addresses=known.get(identity, ()),
        region=str(machine["location"]),
        disks=len(sizes),
        size=None if None in sizes else sum(size or 0 for size in sizes),
    )


def tags(told: Ref, title: str) -> Mapping[str, str]:
    """On the snapshot of each disk."""
    return {
        BACKUP: told.tag,
        DISKS: told.more,
        MACHINE: told.instance,
        STARTED: str(told.at),
        "cloudpilot-title": naming.plain(title, 200),
    }


def is_ours(found: Mapping[str, Any]) -> bool:
    """Whether its tags and its name say so; who takes tags off takes it away from us."""
    told = found.get("tags") or {}
    tag, machine = told.get(BACKUP), str(told.get(MACHINE))
    return naming.is_tag(tag) and naming.tag_in(found.get("name")) == tag and is_id(machine)


def ref_of(found: Sequence[Mapping[str, Any]]) -> Ref:
    """The ref of what was found by its tags."""
    told = found[0]["tags"]
    at, count = str(told.get(STARTED)), str(told.get(DISKS))
    started = int(at) if re.fullmatch(r"\d{1,11}", at, re.ASCII) else 0
    disks = count if re.fullmatch(r"[1-9]\d{0,2}", count, re.ASCII) else str(len(found))
    return Ref(told[BACKUP], str(told[MACHINE]), started, disks)


def snapshot(told: Ref, found: Sequence[Mapping[str, Any]]) -> Snapshot:
    """How it stands, of the snapshots of its disks; there is one at least, or it is young."""
    states = [_state(one) for one in found]
    lacking = len(found) < int(told.more)
    why = next((_why(one) for one in found if _state(one) is State.FAILED), "")
    if why:
        state = State.FAILED
    elif lacking and not told.is_young:
        state, why = State.FAILED, _LOST
    else:
        pending = lacking or State.PENDING in states
        state = State.PENDING if pending else State.DONE
    parts = tuple(_part(one) for one in sorted(found, key=_number))
    sizes = [part.size for part in parts]
    return Snapshot(
        ref=str(told),
        tag=told.tag,
        instance=told.instance,
        state=state,
        percent=_percent(state, found),
        parts=parts,
        size=None if lacking or None in sizes else sum(size or 0 for size in sizes),
        created_at=min((_created(one, told) for one in found), default=told.started),
        why=why,
    )


def _state(found: Mapping[str, Any]) -> State:
    told = found["properties"]
    if told.get("provisioningState") in {"Failed", "Canceled"} or told.get("copyCompletionError"):
        return State.FAILED
    copied = told.get("completionPercent")
    is_done = told.get("provisioningState") == "Succeeded" and (copied is None or copied >= 100)
    return State.DONE if is_done else State.PENDING


def _why(found: Mapping[str, Any]) -> str:
    error = found["properties"].get("copyCompletionError") or {}
    words = f": {error['errorMessage']}" if error.get("errorMessage") else ""
    return naming.sentence(f"Azure says that the snapshot {found['name']} has failed{words}")


def _percent(state: State, found: Sequence[Mapping[str, Any]]) -> int | None:
    told = [one["properties"].get("completionPercent") for one in found]
    known = [float(one) for one in told if one is not None]
    if state is State.DONE:
        return 100
    return min(int(sum(known) / len(known)), 99) if known else None


def _part(found: Mapping[str, Any]) -> Part:
    told = found["properties"]
    disk = str((told.get("creationData") or {}).get("sourceResourceId") or "")
    size = told.get("diskSizeBytes") or _bytes(told.get("diskSizeGB"))
    name = disk.rpartition("/")[2] or str(found["name"])
    return Part(str(found["name"]), name, None if size is None else int(size))


def _number(found: Mapping[str, Any]) -> int:
    return int(str(found["name"]).rpartition("-")[2])


def _created(found: Mapping[str, Any], told: Ref) -> datetime:
    at = found["properties"].get("timeCreated")
    return datetime.fromisoformat(str(at)) if at else told.started


def _bytes(gib: object) -> int | None:
    return None if gib is None else int(str(gib)) * GIB


def made(disk: str, name: str) -> Restored:
    """A disk that was made of a snapshot; `disk` is its resource."""
    return Restored("disk", disk, name, f"{PORTAL}{disk}")


def by_hand(snapshot: Snapshot, subscription: str) -> list[Step]:
    """Ids filled in."""
    group, _, machine = snapshot.instance.partition("/")
    at = f"--resource-group {shlex.quote(group)} --subscription {shlex.quote(subscription)}"
    steps = [
        Step(
            f"Make a disk of the snapshot of {part.disk}.",
            f"az disk create {at} --name NAME --source {shlex.quote(part.id)}",
        )
        for part in snapshot.parts
    ]
    swap = f"az vm update {at} --name {shlex.quote(machine)} --os-disk NAME"
    attach = f"az vm disk attach {at} --vm-name MACHINE --name NAME"
    return [
        *steps,
        Step("For a few files: attach the disk to a machine of yours, and mount it.", attach),
        Step("Or stop the machine and swap its system disk; the old one stays.", swap),
    ]
