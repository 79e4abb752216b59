"""What Google's answers mean, and what people are told about it; nobody is asked here."""

import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cloudpilot.clouds import naming
from cloudpilot.clouds.base import Instance, Part, Restored, Snapshot, State, Step
from cloudpilot.clouds.naming import Ref
from cloudpilot.clouds.prices import GIB

CONSOLE = "https://console.cloud.google.com/compute"
STATES = {
    "CREATING": State.PENDING,
    "UPLOADING": State.PENDING,
    "READY": State.DONE,
}
_INSTANCE = re.compile(r".*/?zones/([a-z0-9-]{1,63})/instances/([a-z0-9-]{1,63})")
_INVALID = "Google Cloud calls the machine image invalid."
# https://cloud.google.com/compute/docs/machine-images/create-machine-images
# https://cloud.google.com/compute/docs/machine-images/create-instances-from-machine-images
MAKING = (
    "compute.instances.list",
    "compute.instances.get",
    "compute.instances.useReadOnly",
    "compute.disks.createSnapshot",
    "compute.machineImages.create",
    "compute.machineImages.get",
    "compute.machineImages.list",
    "compute.machineImages.delete",
    "compute.globalOperations.get",
)
RESTORING = (
    "compute.instances.create",
    "compute.instances.setLabels",
    "compute.instances.setMetadata",
    "compute.instances.setServiceAccount",
    "compute.instances.setTags",
    "compute.disks.create",
    "compute.machineImages.useReadOnly",
    "compute.subnetworks.use",
    "compute.subnetworks.useExternalIp",
)


def machine(found: Mapping[str, Any]) -> Instance:
    """A machine; its zone is part of its id."""
    zone = str(found["zone"]).rpartition("/")[2]
    interfaces = found.get("networkInterfaces") or []
    public = [
        str(way["natIP"])
        for one in interfaces
        for way in one.get("accessConfigs") or []
        if way.get("natIP")
    ]
    inner = [str(one["networkIP"]) for one in interfaces if one.get("networkIP")]
    disks = found.get("disks") or []
    return Instance(
        id=f"{zone}/{found['name']}",
        name=str(found["name"]),
        addresses=(*public, *inner),
        region=zone,
        disks=len(disks),
        size=_size(disks),
    )


def instance_of(image: Mapping[str, Any]) -> str:
    """The id of the machine that an image was made of; "" if it does not say."""
    found = _INSTANCE.fullmatch(str(image.get("sourceInstance") or ""))
    return f"{found[1]}/{found[2]}" if found else ""


def ref_of(image: Mapping[str, Any]) -> Ref:
    """The ref of an image that was found by its name."""
    tag = naming.tag_in(image["name"])
    return Ref(tag, instance_of(image), int(created(image).timestamp()))


def created(image: Mapping[str, Any]) -> datetime:
    """When it was begun."""
    return datetime.fromisoformat(str(image["creationTimestamp"]))


def snapshot(told: Ref, image: Mapping[str, Any], operation: Mapping[str, Any] | None) -> Snapshot:
    """How it stands; `operation` is what makes it, where that is known and it is not done."""
    status = str(image["status"])
    state = STATES.get(status, State.FAILED)
    properties = image.get("instanceProperties") or image.get("sourceInstanceProperties") or {}
    disks = properties.get("disks") or []
    stored = image.get("totalStorageBytes")
    why = f"{_INVALID}" if status == "INVALID" else "Google Cloud is deleting the machine image."
    return Snapshot(
        ref=str(told),
        tag=told.tag,
        instance=instance_of(image) or told.instance,
        state=state,
        percent=100 if state is State.DONE else progress(operation),
        parts=(Part(str(image["name"]), "machine image", _size(disks)),),
        size=int(stored) if stored else _size(disks),
        created_at=created(image),
        why=(failure(operation) or why) if state is State.FAILED else "",
    )


def unseen(told: Ref, operation: Mapping[str, Any]) -> Snapshot:
    """How one stands of which there is only what makes it."""
    why = failure(operation)
    state = State.FAILED if why else State.PENDING
    percent = None if why else progress(operation)
    return Snapshot(str(told), told.tag, told.instance, state, percent, (), None, told.started, why)


def progress(operation: Mapping[str, Any] | None) -> int | None:
    """Of 100; 99 at most, since it is not done."""
    told = (operation or {}).get("progress")
    return None if told is None else min(max(int(told), 0), 99)


def failure(operation: Mapping[str, Any] | None) -> str:
    """Why it has failed, one sentence; "" if it has not."""
    errors = ((operation or {}).get("error") or {}).get("errors") or []
    told = " ".join(str(one.get("message") or one.get("code") or "") for one in errors)
    return naming.sentence(told) if errors else ""


def _size(disks: Sequence[Mapping[str, Any]]) -> int | None:
    sizes = [one.get("diskSizeGb") for one in disks]
    return None if not sizes or None in sizes else sum(int(str(one)) for one in sizes) * GIB


def made(name: str, zone: str, project: str) -> Restored:
    """A machine that was made of an image."""
    url = f"{CONSOLE}/instancesDetail/zones/{zone}/instances/{name}?project={project}"
    return Restored("instance", f"{zone}/{name}", name, url)


def by_hand(snapshot: Snapshot, project: str) -> list[Step]:
    """Ids filled in."""
    image, zone = shlex.quote(snapshot.parts[0].id), snapshot.instance.partition("/")[0]
    at = f"--zone={shlex.quote(zone or 'ZONE')} --project={shlex.quote(project)}"
    return [
        Step(
            "Make a machine of it, beside the old one; it has all disks of that time.",
            f"gcloud compute instances create NAME --source-machine-image={image} {at}",
        ),
        Step(
            "For a few files: attach one of its disks to a machine of yours, and mount it.",
            f"gcloud compute instances attach-disk MACHINE --disk=DISK {at}",
        ),
        Step("See that the new one has what you need, then move the address or DNS name to it."),
    ]


def policy(project: str, account: str) -> str:
    """Commands that make a role of the least rights and give it to the service account."""
    return (
        f"gcloud iam roles create cloudpilotSnapshots --project={project} --permissions=\\\n"
        f"{','.join(MAKING)}\n"
        f"gcloud projects add-iam-policy-binding {project} \\\n"
        f"  --member=serviceAccount:{account} \\\n"
        f"  --role=projects/{project}/roles/cloudpilotSnapshots\n\n"
        "Only if CloudPilot is to make new machines of snapshots, add to the role\n"
        f"{','.join(RESTORING)}\n"
        "and, where machines have a service account, the role roles/iam.serviceAccountUser on it.\n"
    )
