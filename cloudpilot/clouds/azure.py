"""Azure: an incremental snapshot of each managed disk, one after another.

All requests are those of https://learn.microsoft.com/rest/api/compute/ (virtual machines,
snapshots, disks) and https://learn.microsoft.com/rest/api/virtualnetwork/; tokens are those of
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from cloudpilot import connections
from cloudpilot.clouds import azure_rights, checks, naming, prices
from cloudpilot.clouds import azure_words as words
from cloudpilot.clouds.account import Account
from cloudpilot.clouds.base import Instance, Restored, Snapshot, Step
from cloudpilot.clouds.naming import Ref
from cloudpilot.clouds.refusals import understood
from cloudpilot.clouds.rest import Rest, path
from cloudpilot.clouds.tokens import Granted
from cloudpilot.errors import (
    CloudDenied,
    CloudRefused,
    InstanceMissing,
    SnapshotMissing,
    SnapshotStillThere,
)
from cloudpilot.kinds import CloudKind
from cloudpilot.reports import CheckLine

HOST = "https://management.azure.com"
LOGIN_HOST = "https://login.microsoftonline.com"
BRAND = CloudKind.AZURE.brand
MACHINES = {"api-version": "2024-07-01"}
DISKS = {"api-version": "2024-03-02"}  # and snapshots
NETWORK = {"api-version": "2024-05-01"}
_COUNT = re.compile(r"[1-9]\d{0,2}", re.ASCII)

Found = Mapping[str, Any]


def load() -> None:
    """Nothing but what every connection needs."""
    connections.load()


class AzureCloud:
    """Names are made of the tag and of a number, and a PUT makes one name once. A ref's `more` is
    how many disks there were."""

    kind: ClassVar[CloudKind] = CloudKind.AZURE

    def __init__(self, account: Account) -> None:
        endpoint = account.endpoint or HOST
        self._in_clear = endpoint.startswith("http://")
        self._subscription = account.project
        url = f"{account.endpoint or LOGIN_HOST}{path(account.tenant, 'oauth2', 'v2.0', 'token')}"
        form = {
            "grant_type": "client_credentials",
            "client_id": account.key_id,
            "client_secret": account.secret.reveal(),
            "scope": f"{endpoint}/.default",
        }
        given = Granted(BRAND, url, lambda: form, account.secret, private=account.private)
        self._rest = Rest(BRAND, endpoint, given, private=account.private)

    def instances(self) -> Iterator[Instance]:
        what = "list the machines"
        known: Mapping[str, tuple[str, ...]] | None = None
        for page in self._pages(what, "Compute", "virtualMachines", MACHINES):
            if known is None:
                known = self._addresses()
            with understood(BRAND, what):
                found = [words.instance(one, known) for one in page]
            yield from found

    def start(self, instance: str, tag: str, title: str) -> str:
        naming.judge_tag(tag)
        machine = self._machine(instance)
        with understood(BRAND, "look at the machine"):
            disks = [disk for disk, _size in words.disks(machine)]
            location = str(machine["location"])
        if not disks:
            raise CloudRefused("The machine has no managed disk: Azure takes snapshots of those.")
        told = Ref(tag, instance.lower(), naming.now(), str(len(disks)))
        for number, disk in enumerate(disks):
            body = {
                "location": location,
                "tags": words.tags(told, title),
                "properties": {
                    "creationData": {"createOption": "Copy", "sourceResourceId": disk},
                    "incremental": True,
                },
            }
            self._put_once(told, number, body)
        return str(told)

    def look(self, ref: str) -> Snapshot:
        told = self._told(ref)
        found = self._found(told)
        if not found and not told.is_young:
            raise SnapshotMissing("Azure does not have the snapshot.")
        with understood(BRAND, "look at a snapshot"):
            return words.snapshot(told, found)

    def delete(self, ref: str) -> None:
        told = self._told(ref)
        for target in self._targets(told):
            with suppress(SnapshotMissing):
                what = "delete a snapshot"
                self._rest.ask(what, "DELETE", target, DISKS, missing=SnapshotMissing)
        if self._found(told):
            raise SnapshotStillThere("Azure still shows some of the snapshot.")

    def list(self) -> Iterator[Snapshot]:
        what = "list the snapshots"
        ours: defaultdict[str, Any] = defaultdict(list)
        for page in self._pages(what, "Compute", "snapshots", DISKS):
            with understood(BRAND, what):
                for one in filter(words.is_ours, page):
                    ours[one["tags"][words.BACKUP]].append(one)
        for found in ours.values():
            with understood(BRAND, what):
                snapshot = words.snapshot(words.ref_of(found), found)
            yield snapshot

    def restore(self, ref: str, part: str, name: str, tag: str) -> Restored:
        called, told = naming.host_name(name, tag), self._told(ref)
        named = {str(one.get("name")): one for one in self._found(told)}
        if part not in named:
            raise SnapshotMissing("Azure has no such part of the snapshot.")
        target = self._at(words.parts(told.instance)[0], "Compute", "disks", called)
        if self._has(target, tag):
            return words.made(target, called)
        what = "make a disk of a snapshot"
        with understood(BRAND, what):
            body = {
                "location": named[part]["location"],
                "tags": {words.RESTORE: tag},
                "sku": {"name": "StandardSSD_LRS"},
                "properties": {
                    "creationData": {
                        "createOption": "Copy",
                        "sourceResourceId": named[part]["id"],
                    }
                },
                **self._zones(told.instance),
            }
        self._rest.ask(what, "PUT", target, DISKS, body, missing=SnapshotMissing)
        return words.made(target, called)

    def by_hand(self, snapshot: Snapshot) -> Sequence[Step]:
        return words.by_hand(snapshot, self._subscription)

    def check(self) -> Sequence[CheckLine]:
        return checks.lines(self, self._rights, in_clear=self._in_clear)

    def policy(self) -> str:
        return azure_rights.policy(self._subscription)

    def price(self, snapshot: Snapshot) -> str:
        return prices.month(self.kind, snapshot)

    def _at(self, group: str, provider: str, *segments: str) -> str:
        scope = ("resourceGroups", group) if group else ()
        provided = ("providers", f"Microsoft.{provider}", *segments)
        return path("subscriptions", self._subscription, *scope, *provided)

    def _pages(
        self, what: str, provider: str, noun: str, version: Mapping[str, str]
    ) -> Iterator[Sequence[Found]]:
        target = self._at("", provider, noun)
        for page in self._rest.followed(what, target, version, "nextLink"):
            with understood(BRAND, what):
                found = [dict(one) for one in page["value"]]
            yield found

    def _addresses(self) -> Mapping[str, tuple[str, ...]]:
        """Of machines, by their ids; none where the credentials may not read them."""
        what = "list the addresses"
        try:
            interfaces, public = (
                [one for page in self._pages(what, "Network", noun, NETWORK) for one in page]
                for noun in ("networkInterfaces", "publicIPAddresses")
            )
        except CloudDenied:
            return {}
        with understood(BRAND, what):
            return words.addresses(interfaces, public)

    def _machine(self, instance: str) -> Found:
        group, name = words.parts(instance)
        target = self._at(group, "Compute", "virtualMachines", name)
        what = "look at the machine"
        found: Found = self._rest.ask(what, "GET", target, MACHINES, missing=InstanceMissing)
        return found

    def _zones(self, instance: str) -> Mapping[str, Any]:
        """Where its disks have to be, to be attached to it; nothing if it is gone."""
        try:
            zones = self._machine(instance).get("zones")
        except InstanceMissing:
            return {}
        return {"zones": zones} if zones else {}

    def _told(self, ref: str) -> Ref:
        told = Ref.of(ref)
        if not words.is_id(told.instance) or not _COUNT.fullmatch(told.more):
            raise SnapshotMissing("This is no ref of a snapshot at Azure.")
        return told

    def _target(self, told: Ref, number: int) -> str:
        name = f"{naming.name_of(told.tag)}-{number}"
        return self._at(words.parts(told.instance)[0], "Compute", "snapshots", name)

    def _targets(self, told: Ref) -> Sequence[str]:
        return [self._target(told, number) for number in range(int(told.more))]

    def _found(self, told: Ref) -> Sequence[Found]:
        each = [self._or_none("look at a snapshot", target) for target in self._targets(told)]
        return [one for one in each if one is not None]

    def _or_none(self, what: str, target: str) -> Found | None:
        try:
            found: Found = self._rest.ask(what, "GET", target, DISKS, missing=SnapshotMissing)
        except SnapshotMissing:
            return None
        return found

    def _put_once(self, told: Ref, number: int, body: object) -> None:
        target = self._target(told, number)
        if self._or_none("look at a snapshot", target) is None:
            self._rest.ask("begin a snapshot", "PUT", target, DISKS, body)

    def _has(self, target: str, tag: str) -> bool:
        """Whether this disk is there; raises CloudRefused if it is another one."""
        found = self._or_none("look for the new disk", target)
        if found is not None and (found.get("tags") or {}).get(words.RESTORE) != tag:
            raise CloudRefused("Azure has another disk of that name.")
        return found is not None

    def _rights(self) -> Sequence[CheckLine]:
        machine = next(self.instances(), None)
        if machine is None:
            told = "Azure tells rights only where a machine is, and shows none."
            return [checks.unknown("rights", told)]
        group = words.parts(machine.id)[0]
        return azure_rights.lines(self._rest, self._at(group, "Authorization", "permissions"))
