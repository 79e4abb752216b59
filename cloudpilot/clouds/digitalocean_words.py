"""What DigitalOcean's answers mean, and what people are told about it; nobody is asked here."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from cloudpilot.clouds import naming
from cloudpilot.clouds.base import Instance, Part, Restored, Snapshot, State, Step
from cloudpilot.clouds.naming import Ref
from cloudpilot.clouds.prices import GIB

CONSOLE = "https://cloud.digitalocean.com"
_OF_DROPLET = re.compile(r"cloudpilot-droplet-(\d{1,19})", re.ASCII)
_MORE = re.compile(r"(\d{1,19})\.(\d{1,3})", re.ASCII)
_BEGUN = "The snapshot's action at DigitalOcean has ended with an error."
_LOST = "Some of it is no longer there at DigitalOcean."

# https://docs.digitalocean.com/reference/api/scopes/
POLICY = """\
In DigitalOcean's control panel: API, Tokens, Generate New Token, Custom Scopes. Choose

  droplet: read, update        to find Droplets, and to begin snapshots of them
  snapshot: read, delete
  block_storage: read
  block_storage_snapshot: read, create, delete
  tag: read, create            to mark what was made
  actions: read; image: read; regions: read; sizes: read

and, only if CloudPilot is to make something new of snapshots:

  droplet: create; block_storage: create

A token is for all of a team: DigitalOcean has nothing finer. Keep machines that CloudPilot must not
reach in a team of their own.
"""


def machine(found: Mapping[str, Any]) -> Instance:
    """A Droplet. What its volumes hold is not said with it."""
    addresses = [
        (net["type"] != "public", str(net["ip_address"]))
        for version in ("v4", "v6")
        for net in (found.get("networks") or {}).get(version) or []
    ]
    volumes = len(found.get("volume_ids") or [])
    return Instance(
        id=str(found["id"]),
        name=str(found["name"]),
        addresses=tuple(address for _private, address in sorted(addresses, key=lambda one: one[0])),
        region=str(found["region"]["slug"]),
        disks=1 + volumes,
        size=None if volumes else int(found["disk"]) * GIB,
    )


def mark_of_droplet(instance: str) -> str:
    """The tag on a volume's snapshot that says of which Droplet it was."""
    return f"cloudpilot-droplet-{instance}"


def mark_of_restore(tag: str) -> str:
    """The tag on what was made of a snapshot."""
    return f"cloudpilot-restore-{naming.judge_tag(tag)}"


def is_volume(found: Mapping[str, Any]) -> bool:
    """Whether it is the snapshot of a volume, and not a Droplet's."""
    return bool(found["resource_type"] == "volume")


def numbers(told: Ref) -> tuple[int, int]:
    """Of a ref: the id of the Droplet's action, 0 if nobody knows it; how many volumes it had."""
    found = _MORE.fullmatch(told.more)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def ref_of(tag: str, found: Sequence[Mapping[str, Any]]) -> Ref:
    """The ref of what was found by its name, as far as that tells."""
    images = [one for one in found if not is_volume(one)]
    marks = [_OF_DROPLET.fullmatch(str(mark)) for one in found for mark in one.get("tags") or []]
    droplets = [str(one["resource_id"]) for one in images] + [mark[1] for mark in marks if mark]
    at = int(min(_at(one) for one in found).timestamp())
    return Ref(tag, droplets[0] if droplets else "", at, f"0.{len(found) - len(images)}")


def snapshot(told: Ref, found: Sequence[Mapping[str, Any]], action: str) -> Snapshot:
    """How it stands.

    found   of its parts; at least one of them, or the action
    action  the status of the Droplet's: "in-progress", "completed", "errored"; "" for unknown
    """
    state, why = _state(told, found, action)
    sizes = [float(one["size_gigabytes"]) for one in found]
    return Snapshot(
        ref=str(told),
        tag=told.tag,
        instance=told.instance,
        state=state,
        percent=100 if state is State.DONE else None,
        parts=tuple(_part(one) for one in sorted(found, key=is_volume)),
        size=int(sum(sizes) * GIB) if state is State.DONE else None,
        created_at=min((_at(one) for one in found), default=told.started),
        why=why,
    )


def _state(told: Ref, found: Sequence[Mapping[str, Any]], action: str) -> tuple[State, str]:
    has_image = any(not is_volume(one) for one in found)
    volumes = {str(one["resource_id"]) for one in found if is_volume(one)}
    if action == "errored" and not has_image:
        return State.FAILED, _BEGUN
    if has_image and len(volumes) >= numbers(told)[1]:
        return State.DONE, ""
    if action == "in-progress" or told.is_young:
        return State.PENDING, ""
    return State.FAILED, _LOST


def _part(found: Mapping[str, Any]) -> Part:
    disk = f"{found['resource_type']} {found['resource_id']}"
    return Part(str(found["id"]), disk, int(found["min_disk_size"]) * GIB)


def _at(found: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(found["created_at"]))


def droplet_made(found: Mapping[str, Any]) -> Restored:
    """A Droplet that was made of a snapshot."""
    return Restored(
        "droplet", str(found["id"]), str(found["name"]), f"{CONSOLE}/droplets/{found['id']}"
    )


def volume_made(found: Mapping[str, Any]) -> Restored:
    """A volume that was made of a snapshot."""
    return Restored("volume", str(found["id"]), str(found["name"]), f"{CONSOLE}/volumes")


def by_hand(parts: Iterable[Part]) -> list[Step]:
    """The steps for all parts."""
    steps = []
    for part in parts:
        asked = shlex.quote(part.id)
        if part.disk.startswith("volume"):
            sentence = "Make a volume of it, in the snapshot's region, then attach it to a Droplet."
            size = (part.size or 0) // GIB
            command = (
                f"doctl compute volume create NAME --snapshot {asked} --region REGION"
                f" --size {size}GiB"
            )
        else:
            sentence = "Make a Droplet of it, beside the old one: choose region and size as it had."
            command = (
                f"doctl compute droplet create NAME --image {asked} --region REGION --size SIZE"
            )
        steps.append(Step(sentence, command))
    move = (
        "See that the new one has what you need, then move the reserved IP or the DNS name to it."
    )
    return [*steps, Step(move)]
