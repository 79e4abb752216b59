"""DigitalOcean: a snapshot of the Droplet's own disk, and one of each volume at it.

All requests are those of https://docs.digitalocean.com/reference/api/digitalocean/ (Droplets,
Droplet Actions, Snapshots, Block Storage).
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from cloudpilot import connections
from cloudpilot.clouds import checks, naming, prices
from cloudpilot.clouds import digitalocean_words as words
from cloudpilot.clouds.account import Account
from cloudpilot.clouds.base import Instance, Restored, Snapshot, Step
from cloudpilot.clouds.naming import Ref
from cloudpilot.clouds.refusals import understood
from cloudpilot.clouds.rest import MOST_PAGES, Rest, path
from cloudpilot.clouds.tokens import Fixed
from cloudpilot.errors import (
    CloudDenied,
    CloudRefused,
    InstanceMissing,
    InvalidState,
    SnapshotMissing,
    SnapshotStillThere,
)
from cloudpilot.kinds import CloudKind
from cloudpilot.reports import CheckLine

HOST = "https://api.digitalocean.com"
PAGE = 200  # the most of one answer
BRAND = CloudKind.DIGITALOCEAN.brand
_ID = re.compile(r"[1-9]\d{0,18}", re.ASCII)
_NOBODY = "00000000-0000-0000-0000-000000000000"

Found = Mapping[str, Any]


def load() -> None:
    """Nothing but what every connection needs."""
    connections.load()


class DigitalOceanCloud:
    """Names and tags find everything again: `cloudpilot-<tag>`. A ref's `more` is the id of the
    Droplet's action (0 if nobody knows it) and how many volumes there were: "36804636.1"."""

    kind: ClassVar[CloudKind] = CloudKind.DIGITALOCEAN

    def __init__(self, account: Account) -> None:
        endpoint = account.endpoint or HOST
        self._in_clear = endpoint.startswith("http://")
        self._rest = Rest(BRAND, endpoint, Fixed(account.secret), private=account.private)

    def instances(self) -> Iterator[Instance]:
        what = "list the Droplets"
        for found in self._all(what, path("v2", "droplets"), "droplets"):
            with understood(BRAND, what):
                one = words.machine(found)
            yield one

    def start(self, instance: str, tag: str, title: str) -> str:
        name = naming.name_of(tag)
        droplet = self._droplet(instance)
        ours = self._ours().get(tag, [])
        with understood(BRAND, "look at the Droplet"):
            had = {str(one["resource_id"]) for one in ours}
            volumes = [str(one) for one in droplet.get("volume_ids") or []]
        action = 0 if instance in had else self._pending(instance) or self._begin(instance, name)
        body = {"name": name, "tags": ["cloudpilot", words.mark_of_droplet(instance)]}
        for volume in volumes:
            if volume not in had:
                target = path("v2", "volumes", volume, "snapshots")
                self._rest.ask("begin a snapshot of a volume", "POST", target, body=body)
        return str(Ref(tag, instance, naming.now(), f"{action}.{len(volumes)}"))

    def look(self, ref: str) -> Snapshot:
        told = Ref.of(ref)
        return self._looked(told, self._ours().get(told.tag, []))

    def delete(self, ref: str) -> None:
        told = Ref.of(ref)
        for one in self._ours().get(told.tag, []):
            what, target = "delete a snapshot", path("v2", "snapshots", str(one.get("id")))
            with suppress(SnapshotMissing):
                self._rest.ask(what, "DELETE", target, missing=SnapshotMissing)
        if self._status(told) == "in-progress":
            raise SnapshotStillThere("DigitalOcean is making it and cannot be told to give it up.")
        if self._ours().get(told.tag):
            raise SnapshotStillThere("DigitalOcean still lists some of the snapshot.")

    def list(self) -> Iterator[Snapshot]:
        for tag, found in self._ours().items():
            with understood(BRAND, "list the snapshots"):
                told = words.ref_of(tag, found)
            yield self._looked(told, found)

    def restore(self, ref: str, part: str, name: str, tag: str) -> Restored:
        called, told = naming.host_name(name, tag), Ref.of(ref)
        found = [one for one in self._ours().get(told.tag, []) if str(one.get("id")) == part]
        if not found:
            raise SnapshotMissing("DigitalOcean has no such part of the snapshot.")
        with understood(BRAND, "restore a snapshot"):
            restore = self._volume_of if words.is_volume(found[0]) else self._droplet_of
            return restore(found[0], called, words.mark_of_restore(tag))

    def by_hand(self, snapshot: Snapshot) -> Sequence[Step]:
        return words.by_hand(snapshot.parts)

    def check(self) -> Sequence[CheckLine]:
        return checks.lines(self, self._rights, in_clear=self._in_clear)

    def policy(self) -> str:
        return words.POLICY

    def price(self, snapshot: Snapshot) -> str:
        return prices.month(self.kind, snapshot)

    def _all(self, what: str, target: str, noun: str, **query: str) -> Iterator[Found]:
        """Every one of a list; pages are asked for by number, never by the address that is told."""
        for page in range(1, MOST_PAGES):
            asked = {**query, "per_page": str(PAGE), "page": str(page)}
            found = self._rest.ask(what, "GET", target, asked)
            with understood(BRAND, what):
                listed = [dict(one) for one in found[noun]]
                is_last = not ((found.get("links") or {}).get("pages") or {}).get("next")
            yield from listed
            if is_last:
                return
        raise CloudRefused(f"DigitalOcean's list has no end when asked to {what}.")

    def _ours(self) -> Mapping[str, Sequence[Found]]:
        """All that has a name of ours, by tag: snapshots of Droplets and of volumes alike."""
        found: defaultdict[str, Any] = defaultdict(list)
        for one in self._all("list the snapshots", path("v2", "snapshots"), "snapshots"):
            if tag := naming.tag_in(one.get("name")):
                found[tag].append(one)
        return found

    def _looked(self, told: Ref, found: Sequence[Found]) -> Snapshot:
        with understood(BRAND, "look at a snapshot"):
            has_image = any(not words.is_volume(one) for one in found)
            action = "completed" if has_image else self._status(told)
            if not found and action in {"", "completed"} and not told.is_young:
                raise SnapshotMissing("DigitalOcean does not have the snapshot.")
            return words.snapshot(told, found, action)

    def _status(self, told: Ref) -> str:
        """Of the Droplet's action; "" if nobody knows it."""
        action = words.numbers(told)[0]
        if not action:
            return "in-progress" if told.instance and self._pending(told.instance) else ""
        what = "look at a snapshot's action"
        try:
            found = self._rest.ask(
                what, "GET", path("v2", "actions", str(action)), missing=SnapshotMissing
            )
        except SnapshotMissing:
            return ""
        with understood(BRAND, what):
            return str(found["action"]["status"])

    def _droplet(self, instance: str) -> Found:
        if not _ID.fullmatch(instance):
            raise InstanceMissing("A Droplet's id is a number.")
        what = "look at the Droplet"
        target = path("v2", "droplets", instance)
        found = self._rest.ask(what, "GET", target, missing=InstanceMissing)
        with understood(BRAND, what):
            return dict(found["droplet"])

    def _pending(self, instance: str) -> int:
        """The Droplet's snapshot that is being made, whoever began it: there is one at most, and
        DigitalOcean does not tell its name. 0 for none."""
        what = "list the Droplet's actions"
        target = path("v2", "droplets", instance, "actions")
        try:
            found = self._rest.ask(what, "GET", target, {"per_page": "20"}, missing=InstanceMissing)
        except InstanceMissing:
            return 0
        with understood(BRAND, what):
            for one in found["actions"]:
                if (one["type"], one["status"]) == ("snapshot", "in-progress"):
                    return int(one["id"])
        return 0

    def _begin(self, instance: str, name: str) -> int:
        what = "begin a snapshot of the Droplet"
        target, body = (
            path("v2", "droplets", instance, "actions"),
            {"type": "snapshot", "name": name},
        )
        found = self._rest.ask(what, "POST", target, body=body, missing=InstanceMissing)
        with understood(BRAND, what):
            return int(found["action"]["id"])

    def _droplet_of(self, image: Found, called: str, mark: str) -> Restored:
        target = path("v2", "droplets")
        for found in self._all("look for the new Droplet", target, "droplets", tag_name=mark):
            return words.droplet_made(found)
        try:
            source = self._droplet(str(image["resource_id"]))
        except InstanceMissing as error:
            raise InvalidState(
                "The Droplet is gone, so nobody knows what size it had: restore it by hand."
            ) from error
        body = {
            "name": called,
            "region": source["region"]["slug"],
            "size": source["size_slug"],
            "image": int(image["id"]),
            "tags": [mark],
        }
        made = self._rest.ask("make a Droplet of a snapshot", "POST", target, body=body)
        return words.droplet_made(made["droplet"])

    def _volume_of(self, snapshot: Found, called: str, mark: str) -> Restored:
        target = path("v2", "volumes")
        for found in self._all("look for the new volume", target, "volumes", name=called):
            if mark in (found.get("tags") or []):
                return words.volume_made(found)
        body = {
            "name": called,
            "region": snapshot["regions"][0],
            "size_gigabytes": int(snapshot["min_disk_size"]),
            "snapshot_id": str(snapshot["id"]),
            "tags": [mark],
        }
        made = self._rest.ask("make a volume of a snapshot", "POST", target, body=body)
        return words.volume_made(made["volume"])

    def _rights(self) -> Sequence[CheckLine]:
        """Tried on what cannot exist: a token without the right is refused before that is seen."""
        body = {"type": "snapshot", "name": "cloudpilot-check"}
        tries = (
            ("begin snapshots", "POST", path("v2", "droplets", "0", "actions"), body),
            ("delete snapshots", "DELETE", path("v2", "snapshots", _NOBODY), None),
        )
        lacking = []
        for right, method, target, sent in tries:
            try:
                self._rest.ask(right, method, target, body=sent, missing=InstanceMissing)
            except CloudDenied:
                lacking.append(right)
            except (InstanceMissing, CloudRefused):
                continue
        return [checks.allowed("rights", [right for right, *_more in tries], lacking)]
