"""What EC2's answers mean, and what people are told about it; nobody is asked here."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from cloudpilot.clouds import naming
from cloudpilot.clouds.base import Instance, Part, Restored, Snapshot, State, Step
from cloudpilot.clouds.naming import Ref
from cloudpilot.clouds.prices import GIB

BACKUP, MACHINE, ZONE = (f"cloudpilot:{word}" for word in ("backup", "instance", "zone"))
RESTORE = "cloudpilot:restore"
MOST_IDS = 30  # that a ref holds
_LOST = "Some of it is no longer there at AWS."
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Snapshot.html
_STATES = {"completed": State.DONE, "pending": State.PENDING}


def tagged(found: Mapping[str, Any]) -> Mapping[str, str]:
    """The tags of anything."""
    return {str(one.get("Key")): str(one.get("Value")) for one in found.get("Tags") or []}


def tags(kind: str, **values: str) -> list[dict[str, Any]]:
    """As requests have them; names of ours are written with underscores.

    >>> tags("volume", Name="web", cloudpilot_restore="1")[0]["Tags"][1]["Key"]
    'cloudpilot:restore'
    """
    listed = [{"Key": key.replace("_", ":"), "Value": value} for key, value in values.items()]
    return [{"ResourceType": kind, "Tags": listed}]


def machine(found: Mapping[str, Any]) -> Instance:
    """A machine. How large its volumes are is not said with it."""
    interfaces = found.get("NetworkInterfaces") or []
    public = [found.get("PublicIpAddress")]
    public += [(one.get("Association") or {}).get("PublicIp") for one in interfaces]
    private = [found.get("PrivateIpAddress"), *(one.get("PrivateIpAddress") for one in interfaces)]
    inner = [
        one.get("Ipv6Address") for each in interfaces for one in each.get("Ipv6Addresses") or []
    ]
    known = [str(address) for address in (*public, *inner, *private) if address]
    return Instance(
        id=str(found["InstanceId"]),
        name=tagged(found).get("Name") or str(found["InstanceId"]),
        addresses=tuple(dict.fromkeys(known)),
        region=str(found["Placement"]["AvailabilityZone"]),
        disks=len([one for one in found.get("BlockDeviceMappings") or [] if one.get("Ebs")]),
        size=None,
    )


def more(found: Sequence[Mapping[str, Any]]) -> str:
    """Of a ref: the ids of its snapshots; only how many, if they are too many."""
    ids = sorted(str(one["SnapshotId"]) for one in found)
    return ",".join(ids) if len(ids) <= MOST_IDS else str(len(ids))


def ids_in(told: Ref) -> list[str]:
    """The ids that a ref holds."""
    return [one for one in told.more.split(",") if one.startswith("snap-")]


def expected(told: Ref) -> int:
    """How many snapshots it is made of."""
    return len(ids_in(told)) or (int(told.more) if told.more.isdecimal() else 1)


def ref_of(found: Sequence[Mapping[str, Any]]) -> Ref:
    """The ref of what was found by its tags."""
    told = tagged(found[0])
    at = int(min(one["StartTime"] for one in found).timestamp())
    return Ref(told[BACKUP], told.get(MACHINE, ""), at, more(found))


def snapshot(told: Ref, found: Sequence[Mapping[str, Any]]) -> Snapshot:
    """How it stands, of the snapshots of its volumes; there is one at least, or it is young."""
    states = [_STATES.get(str(one["State"]), State.FAILED) for one in found]
    lacking = len(found) < expected(told)
    why = ""
    if State.FAILED in states:
        state, why = State.FAILED, _why(found[states.index(State.FAILED)])
    elif lacking and not told.is_young:
        state, why = State.FAILED, _LOST
    else:
        state = State.PENDING if lacking or State.PENDING in states else State.DONE
    sizes = [int(one["VolumeSize"]) for one in found]
    return Snapshot(
        ref=str(told),
        tag=told.tag,
        instance=told.instance,
        state=state,
        percent=100 if state is State.DONE else _percent(found),
        parts=tuple(
            Part(str(one["SnapshotId"]), str(one["VolumeId"]), int(one["VolumeSize"]) * GIB)
            for one in sorted(found, key=lambda one: str(one["SnapshotId"]))
        ),
        size=None if lacking else sum(sizes) * GIB,
        created_at=min((one["StartTime"] for one in found), default=told.started),
        why=why,
    )


def _why(found: Mapping[str, Any]) -> str:
    words = f": {found['StateMessage']}" if found.get("StateMessage") else ""
    return naming.sentence(f"AWS says that the snapshot of {found['VolumeId']} has failed{words}")


def _percent(found: Sequence[Mapping[str, Any]]) -> int | None:
    """Of all volumes, by their sizes; 99 at most, since it is not done."""
    told = [(str(one.get("Progress") or "").rstrip("%"), int(one["VolumeSize"])) for one in found]
    known = [(int(progress), size) for progress, size in told if progress.isdecimal()]
    total = sum(size for _progress, size in known)
    return min(sum(done * size for done, size in known) // total, 99) if total else None


def made(volume: Mapping[str, Any], region: str) -> Restored:
    """A volume that was made of a snapshot."""
    identity = str(volume["VolumeId"])
    url = f"https://{region}.console.aws.amazon.com/ec2/home?region={region}"
    name = tagged(volume).get("Name") or identity
    return Restored("volume", identity, name, f"{url}#VolumeDetails:volumeId={identity}")


def by_hand(snapshot: Snapshot, region: str) -> list[Step]:
    """Ids filled in."""
    at = f"--region {shlex.quote(region)}"
    steps = [
        Step(
            f"Make a volume of the snapshot of {part.disk}, in the zone of the machine that is to"
            " have it.",
            f"aws ec2 create-volume {at} --availability-zone ZONE --volume-type gp3"
            f" --snapshot-id {shlex.quote(part.id)}",
        )
        for part in snapshot.parts
    ]
    attach = (
        f"aws ec2 attach-volume {at} --volume-id VOLUME --instance-id MACHINE --device /dev/sdf"
    )
    return [
        *steps,
        Step("For a few files: attach the volume to a machine of yours, and mount it.", attach),
        Step(
            "For the whole machine: stop it, detach its root volume, attach the new one under the"
            " same device name, and start it. The old volume stays."
        ),
    ]


def policy(region: str) -> str:
    """A policy of IAM, for a user that only CloudPilot is.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
    """
    own, whose = f"arn:aws:ec2:{region}::snapshot/*", f"arn:aws:ec2:{region}:*"
    volumes = f"{whose}:volume/*"
    statements: list[dict[str, Any]] = [
        {
            "Sid": "Look",
            "Action": ["ec2:DescribeInstances", "ec2:DescribeSnapshots", "ec2:DescribeVolumes"],
            "Resource": "*",
        },
        {
            "Sid": "Make",
            "Action": "ec2:CreateSnapshots",
            "Resource": [own, f"{whose}:instance/*", volumes],
        },
        {
            "Sid": "Mark",
            "Action": "ec2:CreateTags",
            "Resource": [own, volumes],
            "Condition": {
                "StringEquals": {"ec2:CreateAction": ["CreateSnapshots", "CreateVolume"]}
            },
        },
        {
            "Sid": "DeleteWhatIsOurs",
            "Action": "ec2:DeleteSnapshot",
            "Resource": own,
            "Condition": {"Null": {f"aws:ResourceTag/{BACKUP}": "false"}},
        },
        {
            "Sid": "RestoreLeaveOutIfNotWanted",
            "Action": "ec2:CreateVolume",
            "Resource": [own, volumes],
        },
    ]
    allowed = [{"Effect": "Allow", **one} for one in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": allowed}, indent=2)
