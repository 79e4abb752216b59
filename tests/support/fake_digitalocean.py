"""DigitalOcean's API as https://docs.digitalocean.com/reference/api/digitalocean/ has it: Droplets,
their actions, snapshots, volumes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import uuid4

from cloudpilot.connections import Answer
from tests.support.fake_cloud import Fake, Request, Shelf, Thing, said

TOKEN = "dop_v1_" + "5ecre7" * 8


@dataclass
class FakeDigitalOcean(Fake):
    """One team with Droplets."""

    token: str = TOKEN
    forbidden: set[str] = field(default_factory=set)  # methods that the token has no scope for
    ids: Any = field(default_factory=lambda: count(1_001))

    def __post_init__(self) -> None:
        self.droplets, self.snapshots = self.shelf(), self.shelf()
        self.volumes, self.actions = self.shelf(), self.shelf()

    def add_droplet(self, name: str, volumes: int = 0) -> str:
        """A machine, listed at once."""
        made = [self._volume(f"{name}-data-{number}", 20)["id"] for number in range(volumes)]
        droplet = self._droplet({"name": name, "region": "fra1", "size": "s-1vcpu-1gb"})
        droplet["volume_ids"] = made
        return str(droplet["id"])

    def add_snapshot(self, name: str) -> None:
        """Somebody else's."""
        self._snapshot(name, "1", "droplet", 10)

    def finish(self, name: str, status: str) -> None:
        """The actions that make a snapshot of this name have ended so."""
        for thing in self.actions.values():
            if thing.values["name"] != name or thing.values["status"] == status:
                continue
            thing.values["status"] = status
            droplet = str(thing.values["resource_id"])
            known = {one.values["action"] for one in self.snapshots.values()}
            if status == "completed" and thing.values["id"] not in known:
                self._snapshot(name, droplet, "droplet", 10)["action"] = thing.values["id"]
            if status != "completed":
                for key, one in list(self.snapshots.items()):
                    if one.values["action"] == thing.values["id"]:
                        del self.snapshots[key]

    def refused(self, request: Request) -> Answer | None:
        if request.token != self.token:
            return _error(401, "Unauthorized", f"Unable to authenticate you with {request.token}.")
        if request.method in self.forbidden:
            return _error(403, "Forbidden", "You are missing the required permission.")
        return None

    def nowhere(self) -> Answer:
        return MISSING

    def routes(self) -> Sequence[tuple[str, str, Callable[..., Answer]]]:
        return (
            ("GET", "/v2/droplets", self._list_droplets),
            ("POST", "/v2/droplets", lambda request: self._new_droplet(request.json)),
            ("GET", "/v2/droplets/*", lambda key, _request: _one(self.droplets, key, "droplet")),
            ("GET", "/v2/droplets/*/actions", self._list_actions),
            ("POST", "/v2/droplets/*/actions", lambda key, request: self._act(key, request.json)),
            ("GET", "/v2/actions/*", lambda key, _request: _one(self.actions, key, "action")),
            ("GET", "/v2/snapshots", self._list_snapshots),
            ("DELETE", "/v2/snapshots/*", self._delete_snapshot),
            ("GET", "/v2/volumes", self._list_volumes),
            ("POST", "/v2/volumes", lambda request: self._new_volume(request.json)),
            ("POST", "/v2/volumes/*/snapshots", self._snapshot_volume),
        )

    def _list_droplets(self, request: Request) -> Answer:
        mark = request.query.get("tag_name")
        found = [one for one in self.droplets.listed() if not mark or mark in one["tags"]]
        return self._page(request, "droplets", found)

    def _list_actions(self, droplet: str, request: Request) -> Answer:
        if droplet not in self.droplets:
            return MISSING
        mine = [one for one in self.actions.listed() if str(one["resource_id"]) == droplet]
        return self._page(request, "actions", mine[::-1])

    def _list_snapshots(self, request: Request) -> Answer:
        return self._page(request, "snapshots", self.snapshots.listed())

    def _list_volumes(self, request: Request) -> Answer:
        name = request.query.get("name")
        listed = [one for one in self.volumes.listed() if not name or one["name"] == name]
        return self._page(request, "volumes", listed)

    def _delete_snapshot(self, key: str, _request: Request) -> Answer:
        return said(204) if self.remove(self.snapshots, key) else MISSING

    def _snapshot_volume(self, volume: str, request: Request) -> Answer:
        if volume not in self.volumes:
            return MISSING
        body = request.json
        made = self._snapshot(body["name"], volume, "volume", 20, body.get("tags"))
        return said(201, {"snapshot": made})

    def busy(self, droplet: str, kind: str) -> None:
        """The Droplet is at something else."""
        self._act(droplet, {"type": kind, "name": ""})

    def _act(self, droplet: str, body: Any) -> Answer:
        if droplet not in self.droplets:
            return MISSING
        for one in self.actions.values():
            pending = one.values["status"] == "in-progress"
            if pending and str(one.values["resource_id"]) == droplet:
                told = "Droplet already has a pending event."
                return _error(422, "unprocessable_entity", told)
        action = {
            "id": next(self.ids),
            "status": "in-progress",
            "type": body["type"],
            "name": body["name"],  # kept for the test; DigitalOcean does not tell it
            "started_at": _now(),
            "completed_at": None,
            "resource_id": int(droplet),
            "resource_type": "droplet",
        }
        self.actions[str(action["id"])] = Thing(action)
        return said(201, {"action": _told(action)})

    def _new_droplet(self, body: Any) -> Answer:
        if str(body["image"]) not in self.snapshots or not isinstance(body["image"], int):
            return _error(422, "unprocessable_entity", "You specified an invalid image.")
        if not set(body["name"]) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-"):
            return _error(
                422, "unprocessable_entity", "Only valid hostname characters are allowed."
            )
        return said(202, {"droplet": self._droplet(body)})

    def _new_volume(self, body: Any) -> Answer:
        if body["snapshot_id"] not in self.snapshots:
            return _error(404, "not_found", "snapshot not found")
        if any(one.values["name"] == body["name"] for one in self.volumes.values()):
            return _error(409, "conflict", "a volume with that name already exists")
        made = self._volume(body["name"], body["size_gigabytes"], body["tags"])
        return said(201, {"volume": made})

    def _droplet(self, body: Any) -> dict[str, Any]:
        number = next(self.ids)
        return self.put(
            self.droplets,
            str(number),
            {
                "id": number,
                "name": body["name"],
                "disk": 10,
                "status": "active",
                "region": {"slug": body["region"], "name": "Frankfurt 1"},
                "size_slug": body["size"],
                "image_id": body.get("image"),
                "networks": {
                    "v4": [
                        {"ip_address": "10.0.0.10", "type": "private"},
                        {"ip_address": "203.0.113.10", "type": "public"},
                    ],
                    "v6": [],
                },
                "volume_ids": [],
                "tags": body.get("tags", []),
                "created_at": _now(),
            },
        )

    def _volume(self, name: str, size: int, tags: list[str] | None = None) -> dict[str, Any]:
        key = str(uuid4())
        values = {"id": key, "name": name, "size_gigabytes": size, "tags": tags or []}
        return self.put(self.volumes, key, values | {"region": {"slug": "fra1"}})

    def _snapshot(
        self, name: str, resource: str, kind: str, size: int, tags: list[str] | None = None
    ) -> dict[str, Any]:
        key = str(uuid4()) if kind == "volume" else str(next(self.ids))
        values = {
            "id": key,
            "name": name,
            "created_at": _now(),
            "regions": ["fra1"],
            "resource_id": resource,
            "resource_type": kind,
            "min_disk_size": size,
            "size_gigabytes": size / 4,
            "tags": tags or [],
            "action": None,
        }
        return self.put(self.snapshots, key, values)

    def _page(self, request: Request, noun: str, listed: list[dict[str, Any]]) -> Answer:
        number = int(request.query.get("page", 1))
        size = min(int(request.query.get("per_page", 20)), self.page)
        first = (number - 1) * size
        links: dict[str, Any] = {}
        if first + size < len(listed):
            following = f"{self.endpoint}{request.path}?page={number + 1}&per_page={size}"
            links = {"pages": {"next": following, "last": following}}
        shown = [_told(one) for one in listed[first : first + size]]
        return said(200, {noun: shown, "links": links, "meta": {"total": len(listed)}})


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """Without what only the test knows."""
    hidden = {"action"} | ({"name"} if "started_at" in values else set())
    return {name: value for name, value in values.items() if name not in hidden}


def _one(shelf: Shelf, key: str, noun: str) -> Answer:
    if key not in shelf:
        return MISSING
    return said(200, {noun: _told(shelf[key].values)})


def _error(status: int, code: str, message: str) -> Answer:
    return said(status, {"id": code, "message": message, "request_id": str(uuid4())})


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


MISSING = _error(404, "not_found", "The resource you requested could not be found.")
