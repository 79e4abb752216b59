"""AWS: snapshots of all volumes of a machine at one time, by one order.

All calls are those of https://docs.aws.amazon.com/AWSEC2/latest/APIReference/ (DescribeInstances,
CreateSnapshots, DescribeSnapshots, DeleteSnapshot, CreateVolume, DescribeVolumes).
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from cloudpilot.clouds import aws_words as words
from cloudpilot.clouds import checks, naming, prices
from cloudpilot.clouds.account import Account
from cloudpilot.clouds.aws_client import client, code_of, translated
from cloudpilot.clouds.base import Instance, Restored, Snapshot, Step
from cloudpilot.clouds.naming import Ref
from cloudpilot.errors import (
    CloudDenied,
    CloudPilotError,
    InstanceMissing,
    InvalidState,
    SnapshotMissing,
    SnapshotStillThere,
)
from cloudpilot.kinds import CloudKind
from cloudpilot.reports import CheckLine

PAGE = 200
_ID = re.compile(r"i-[0-9a-f]{8,17}", re.ASCII)
_IN_USE = ["pending", "running", "stopping", "stopped"]
_NOBODY = "00000000-0000-0000-0000-000000000000"
_BEGIN, _DELETE, _RESTORE = "begin snapshots", "delete snapshots", "make volumes"
_MOST_OF_A_DESCRIPTION = 255  # characters

Found = Mapping[str, Any]


class AwsCloud:
    """Tags find everything again. A ref's `more` is the ids of its snapshots: what was just made
    may not be listed, and the ids tell how many there are."""

    kind: ClassVar[CloudKind] = CloudKind.AWS

    def __init__(self, account: Account) -> None:
        self._account, self._ec2 = account, client(account)

    def instances(self) -> Iterator[Instance]:
        wanted = {"Name": "instance-state-name", "Values": _IN_USE}
        what = "list the machines"
        for page in self._pages(what, "describe_instances", Filters=[wanted]):
            with translated(what, self._account):
                each = [one for group in page["Reservations"] for one in group["Instances"]]
                found = [words.machine(one) for one in each]
            yield from found

    def start(self, instance: str, tag: str, title: str) -> str:
        naming.judge_tag(tag)
        machine = self._machine(instance)
        told, found = naming.plain(title, 200), self._found(tag)
        with translated("begin snapshots of the machine", self._account):
            if found:
                return str(words.ref_of(found))
            marks = {
                "Name": told or naming.name_of(tag),
                "cloudpilot_backup": tag,
                "cloudpilot_instance": instance,
                "cloudpilot_zone": str(machine["Placement"]["AvailabilityZone"]),
            }
            made = self._ec2.create_snapshots(
                InstanceSpecification={"InstanceId": instance},
                Description=f"CloudPilot: {told}"[:_MOST_OF_A_DESCRIPTION],
                TagSpecifications=words.tags("snapshot", **marks),
            )
            return str(Ref(tag, instance, naming.now(), words.more(made["Snapshots"])))

    def look(self, ref: str) -> Snapshot:
        told = Ref.of(ref)
        found = self._found(told.tag)
        if not found and not told.is_young:
            raise SnapshotMissing("AWS does not have the snapshot.")
        with translated("look at a snapshot", self._account):
            return words.snapshot(told, found)

    def delete(self, ref: str) -> None:
        told = Ref.of(ref)
        found = self._found(told.tag)
        with translated("delete a snapshot", self._account):
            ids = {*words.ids_in(told), *(str(one["SnapshotId"]) for one in found)}
        for identity in sorted(ids):
            with suppress(SnapshotMissing), translated("delete a snapshot", self._account):
                self._ec2.delete_snapshot(SnapshotId=identity)
        if self._found(told.tag):
            raise SnapshotStillThere("AWS still lists some of the snapshot.")

    def list(self) -> Iterator[Snapshot]:
        ours: defaultdict[str, Any] = defaultdict(list)
        for one in self._snapshots({"Name": "tag-key", "Values": [words.BACKUP]}):
            if naming.is_tag(tag := words.tagged(one).get(words.BACKUP)):
                ours[str(tag)].append(one)
        for found in ours.values():
            with translated("list the snapshots", self._account):
                snapshot = words.snapshot(words.ref_of(found), found)
            yield snapshot

    def restore(self, ref: str, part: str, name: str, tag: str) -> Restored:
        called, told = naming.host_name(name, tag), Ref.of(ref)
        parts = {str(one.get("SnapshotId")): one for one in self._found(told.tag)}
        if part not in parts:
            raise SnapshotMissing("AWS has no such part of the snapshot.")
        region = self._account.region
        wanted = [{"Name": f"tag:{words.RESTORE}", "Values": [tag]}]
        what = "look for the new volume"
        for page in self._pages(what, "describe_volumes", Filters=wanted):
            with translated(what, self._account):
                for volume in page["Volumes"]:
                    return words.made(volume, region)
        zone = words.tagged(parts[part]).get(words.ZONE)
        if not zone:
            raise InvalidState("Nobody knows in which zone the machine was: restore it by hand.")
        with translated("make a volume of a snapshot", self._account):
            made = self._ec2.create_volume(
                SnapshotId=part,
                AvailabilityZone=zone,
                VolumeType="gp3",
                ClientToken=tag,
                TagSpecifications=words.tags("volume", Name=called, cloudpilot_restore=tag),
            )
            return words.made({"Tags": [{"Key": "Name", "Value": called}], **made}, region)

    def by_hand(self, snapshot: Snapshot) -> Sequence[Step]:
        return words.by_hand(snapshot, self._account.region)

    def check(self) -> Sequence[CheckLine]:
        in_clear = self._account.endpoint.startswith("http://")
        return checks.lines(self, self._rights, in_clear=in_clear)

    def policy(self) -> str:
        return words.policy(self._account.region)

    def price(self, snapshot: Snapshot) -> str:
        return prices.month(self.kind, snapshot)

    def _pages(self, what: str, call: str, **asked: Any) -> Iterator[Found]:
        with translated(what, self._account):
            pages = iter(
                self._ec2.get_paginator(call).paginate(**asked, PaginationConfig={"PageSize": PAGE})
            )
        while True:
            with translated(what, self._account):
                page = next(pages, None)
            if page is None:
                return
            yield page

    def _snapshots(self, wanted: Mapping[str, Any]) -> Iterator[Found]:
        asked = {"OwnerIds": ["self"], "Filters": [wanted]}
        for page in self._pages("list the snapshots", "describe_snapshots", **asked):
            yield from page.get("Snapshots") or []

    def _found(self, tag: str) -> Sequence[Found]:
        """All with this tag that the list has; the filter is AWS's, and it is not believed."""
        wanted = {"Name": f"tag:{words.BACKUP}", "Values": [tag]}
        listed = self._snapshots(wanted)
        return [one for one in listed if words.tagged(one).get(words.BACKUP) == tag]

    def _machine(self, instance: str) -> Found:
        if not _ID.fullmatch(instance):
            raise InstanceMissing("A machine's id is i- and hexadecimal digits.")
        with translated("look at the machine", self._account):
            answer = self._ec2.describe_instances(InstanceIds=[instance])
            each = [one for group in answer["Reservations"] for one in group["Instances"]]
            found = [one for one in each if one["State"]["Name"] in _IN_USE]
        if not found:
            raise InstanceMissing("AWS has no such machine, or it is terminated.")
        return dict(found[0])

    def _rights(self) -> Sequence[CheckLine]:
        """By dry runs: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html

        Deleting is tried on one of ours: the policy allows nothing else.
        """
        machine, ours = next(self.instances(), None), next(self.list(), None)
        if not machine:
            told = "Rights are tried on a machine, without changing it; there is none."
            return [checks.unknown("rights", told)]
        marks = words.tags("snapshot", cloudpilot_backup=_NOBODY)
        tried: dict[str, Callable[[], Any]] = {
            _BEGIN: lambda: self._ec2.create_snapshots(
                InstanceSpecification={"InstanceId": machine.id},
                TagSpecifications=marks,
                DryRun=True,
            ),
            _RESTORE: lambda: self._ec2.create_volume(
                AvailabilityZone=machine.region, Size=1, VolumeType="gp3", DryRun=True
            ),
        }
        if ours and ours.parts:
            tried[_DELETE] = lambda: self._ec2.delete_snapshot(
                SnapshotId=ours.parts[0].id, DryRun=True
            )
        lacking = [right for right, attempt in tried.items() if not self._may(attempt)]
        if _DELETE in tried:
            return checks.judged((_BEGIN, _DELETE), (_RESTORE,), lacking)
        told = f"{_DELETE} is tried once there is a snapshot of ours: the policy allows no other."
        found = checks.judged((_BEGIN,), (_RESTORE,), lacking, "make and list snapshots")
        return [*found, checks.unknown("delete", told)]

    def _may(self, attempt: Callable[[], Any]) -> bool:
        try:
            with translated("try a right", self._account):
                attempt()
        except CloudDenied:
            return False
        except CloudPilotError as error:
            if code_of(error.__cause__) != "DryRunOperation":
                raise
        return True
