"""Google Cloud: a machine image holds all disks of a machine at one time.

All requests are those of https://cloud.google.com/compute/docs/reference/rest/v1 (instances,
machineImages, globalOperations).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from cloudpilot import connections
from cloudpilot.clouds import checks, google_words, naming, prices
from cloudpilot.clouds.account import Account
from cloudpilot.clouds.base import Instance, Restored, Snapshot, State, Step
from cloudpilot.clouds.google_tokens import tokens
from cloudpilot.clouds.naming import Ref
from cloudpilot.clouds.refusals import understood
from cloudpilot.clouds.rest import MOST_PAGES, Rest, path
from cloudpilot.errors import (
    CloudDenied,
    CloudRefused,
    InstanceMissing,
    InvalidState,
    SnapshotMissing,
    SnapshotStillThere,
)
from cloudpilot.keyfile import key_file
from cloudpilot.kinds import CloudKind
from cloudpilot.reports import CheckLine

HOST = "https://compute.googleapis.com"
RIGHTS_HOST = "https://cloudresourcemanager.googleapis.com"
BRAND = CloudKind.GCP.brand
_ID = re.compile(r"([a-z][a-z0-9-]{0,62})/([a-z][a-z0-9-]{0,62})", re.ASCII)
_IMAGE = "look at a machine image"


def load() -> None:
    """Nothing but what every connection needs."""
    connections.load()


class GoogleCloud:
    """An image's name is the tag's, and names are unique: nothing is made twice. A ref's `more` is
    the name of the operation that makes it, where that is known."""

    kind: ClassVar[CloudKind] = CloudKind.GCP

    def __init__(self, account: Account) -> None:
        endpoint = account.endpoint or HOST
        self._in_clear = endpoint.startswith("http://")
        self._project, self._email = account.project, key_file(account.secret)["client_email"]
        given = tokens(account)
        self._rest = Rest(BRAND, endpoint, given, private=account.private)
        self._rights_rest = Rest(
            BRAND, account.endpoint or RIGHTS_HOST, given, private=account.private
        )

    def instances(self) -> Iterator[Instance]:
        what = "list the machines"
        for page in self._pages(what, self._at("aggregated", "instances")):
            with understood(BRAND, what):
                zones = (page.get("items") or {}).values()
                each = [one for zone in zones for one in zone.get("instances") or []]
                found = [google_words.machine(one) for one in each]
            yield from found

    def start(self, instance: str, tag: str, title: str) -> str:
        name = naming.name_of(tag)
        zone, machine = _parts(instance)
        target = self._at("zones", zone, "instances", machine)
        self._rest.ask("look at the machine", "GET", target, missing=InstanceMissing)
        told = Ref(tag, instance, naming.now())
        source = f"projects/{self._project}/zones/{zone}/instances/{machine}"
        body = {
            "name": name,
            "description": f"CloudPilot: {naming.plain(title, 200)}",
            "sourceInstance": source,
        }
        query = {"sourceInstance": source, "requestId": tag}
        what = "begin a machine image"
        images = self._at("global", "machineImages")
        try:
            found = self._rest.ask(what, "POST", images, query, body, missing=InstanceMissing)
        except CloudRefused:
            if self._image(name) is None:
                raise
            return str(told)  # it was begun before
        with understood(BRAND, what):
            return str(Ref(tag, instance, told.at, naming.fit(found["name"])))

    def look(self, ref: str) -> Snapshot:
        told = Ref.of(ref)
        image = self._image(naming.name_of(told.tag))
        settled = image is not None and image.get("status") == "READY"
        operation = None if settled else self._operation(told)
        with understood(BRAND, _IMAGE):
            if image is not None:
                return google_words.snapshot(told, image, operation)
            going = operation is not None and operation["status"] != "DONE"
            if operation is not None and (going or google_words.failure(operation)):
                return google_words.unseen(told, operation)
        raise SnapshotMissing("Google Cloud does not have the machine image.")

    def delete(self, ref: str) -> None:
        told = Ref.of(ref)
        name = naming.name_of(told.tag)
        if self._image(name) is not None:
            try:
                target = self._at("global", "machineImages", name)
                self._rest.ask("delete a machine image", "DELETE", target, missing=SnapshotMissing)
            except SnapshotMissing:
                return
            except CloudRefused as error:
                if not self._is_busy(name):
                    raise
                raise SnapshotStillThere(str(error)) from error
        operation = self._operation(told)
        if self._image(name) is not None:
            raise SnapshotStillThere("Google Cloud still shows the machine image.")
        if operation is not None and operation.get("status") in {"PENDING", "RUNNING"}:
            raise SnapshotStillThere("Google Cloud is still about to make the machine image.")

    def list(self) -> Iterator[Snapshot]:
        what = "list the machine images"
        for page in self._pages(what, self._at("global", "machineImages")):
            with understood(BRAND, what):
                images = [one for one in page.get("items") or [] if naming.tag_in(one["name"])]
                refs = [google_words.ref_of(one) for one in images]
                found = [
                    google_words.snapshot(told, one, None)
                    for told, one in zip(refs, images, strict=True)
                ]
            yield from found

    def restore(self, ref: str, part: str, name: str, tag: str) -> Restored:
        called, told = naming.host_name(name, tag), Ref.of(ref)
        image = self._image(naming.name_of(told.tag))
        if image is None or part != image.get("name"):
            raise SnapshotMissing("Google Cloud has no such machine image.")
        zone = (google_words.instance_of(image) or told.instance).partition("/")[0]
        if not zone:
            raise InvalidState("Nobody knows in which zone the machine was: restore it by hand.")
        what, mark = "make a machine of an image", {"cloudpilot-restore": tag}
        target = self._at("zones", zone, "instances")
        if self._has(f"{target}{path(called)}", mark):
            return google_words.made(called, zone, self._project)
        source = f"projects/{self._project}/global/machineImages/{part}"
        query = {"sourceMachineImage": source, "requestId": tag}
        body = {"name": called, "labels": mark}
        self._rest.ask(what, "POST", target, query, body, missing=SnapshotMissing)
        return google_words.made(called, zone, self._project)

    def by_hand(self, snapshot: Snapshot) -> Sequence[Step]:
        return google_words.by_hand(snapshot, self._project)

    def check(self) -> Sequence[CheckLine]:
        return checks.lines(self, self._rights, in_clear=self._in_clear)

    def policy(self) -> str:
        return google_words.policy(self._project, self._email)

    def price(self, snapshot: Snapshot) -> str:
        return prices.month(self.kind, snapshot)

    def _at(self, *segments: str) -> str:
        return path("compute", "v1", "projects", self._project, *segments)

    def _pages(self, what: str, target: str) -> Iterator[Mapping[str, Any]]:
        query = {"maxResults": "500"}
        for _page in range(MOST_PAGES):
            found = self._rest.ask(what, "GET", target, query)
            yield found
            if not found.get("nextPageToken"):
                return
            query = {"maxResults": "500", "pageToken": str(found["nextPageToken"])}
        raise CloudRefused(f"{BRAND}'s list has no end when asked to {what}.")

    def _image(self, name: str) -> Mapping[str, Any] | None:
        target = self._at("global", "machineImages", name)
        return self._or_none(_IMAGE, target)

    def _operation(self, told: Ref) -> Mapping[str, Any] | None:
        """What makes it; None if nobody knows, as some weeks after its end."""
        if not told.more:
            return None
        target = self._at("global", "operations", told.more)
        return self._or_none("look at what makes a machine image", target)

    def _or_none(self, what: str, target: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self._rest.ask(what, "GET", target, missing=SnapshotMissing)
        except SnapshotMissing:
            return None
        return found

    def _is_busy(self, name: str) -> bool:
        image = self._image(name)
        states = google_words.STATES
        return image is not None and states.get(str(image.get("status"))) is not State.DONE

    def _has(self, target: str, mark: Mapping[str, str]) -> bool:
        """Whether a machine of this name is there; raises CloudRefused if it is another one."""
        found = self._or_none("look for the new machine", target)
        if found is None:
            return False
        if not mark.items() <= (found.get("labels") or {}).items():
            raise CloudRefused("Google Cloud has another machine of that name.")
        return True

    def _rights(self) -> Sequence[CheckLine]:
        """https://cloud.google.com/resource-manager/reference/rest/v1/projects/testIamPermissions"""
        wanted = [*google_words.MAKING, *google_words.RESTORING]
        what, body = "tell what the credentials may do", {"permissions": wanted}
        target = f"{path('v1', 'projects', self._project)}:testIamPermissions"
        try:
            found = self._rights_rest.ask(what, "POST", target, body=body)
        except (CloudDenied, CloudRefused) as error:
            return [checks.unknown("rights", str(error))]
        with understood(BRAND, what):
            lacking = set(wanted) - {str(one) for one in found.get("permissions") or []}
        return checks.judged(google_words.MAKING, google_words.RESTORING, lacking)


def _parts(instance: str) -> tuple[str, str]:
    found = _ID.fullmatch(instance)
    if not found:
        raise InstanceMissing("A machine's id is ZONE/NAME.")
    return found[1], found[2]
