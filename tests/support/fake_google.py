"""Google's Compute Engine as https://cloud.google.com/compute/docs/reference/rest/v1 has it:
machines, machine images, operations; and the tokens of a service account."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

from cloudpilot import clock
from cloudpilot.connections import Answer
from tests.support.fake_cloud import Fake, Request, Thing, said
from tests.support.gcs_signatures import EMAIL, account, verified

PROJECT, ZONE = "shop-123456", "europe-west1-b"
_ROOT = f"/compute/v1/projects/{PROJECT}"


@dataclass
class FakeGoogle(Fake):
    """One project. `tokens` are those that are good."""

    tokens: set[str] = field(default_factory=set)
    lacking: set[str] = field(default_factory=set)  # rights
    given: int = 0  # tokens
    busy: bool = False  # an image that is being made cannot be deleted
    numbers: Any = field(default_factory=lambda: count(1))
    requests: dict[str, str] = field(default_factory=dict)  # operations by their request's id

    def __post_init__(self) -> None:
        self.machines, self.images, self.operations = self.shelf(), self.shelf(), self.shelf()

    @property
    def key_file(self) -> str:
        return account("ours").key_file(f"{self.endpoint}/token")

    @property
    def token(self) -> str:
        """The one that is given now."""
        return f"ya29.secret-of-google-{self.given}"

    def add_machine(self, name: str, **values: Any) -> str:
        """Listed at once."""
        kept, self.unlisted = self.unlisted, 0
        self._machine(name, values)
        self.unlisted = kept
        return f"{ZONE}/{name}"

    def add_image(self, name: str) -> dict[str, Any]:
        """One that is being made."""
        source = f"https://www.googleapis.com{_ROOT}/zones/{ZONE}/instances/web-1"
        values = {
            "name": name,
            "status": "CREATING",
            "creationTimestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "sourceInstance": source,
            "instanceProperties": {"disks": [{"diskSizeGb": "10"}, {"diskSizeGb": "20"}]},
        }
        return self.put(self.images, name, values)

    def settle(self, name: str, status: str, why: str = "") -> None:
        """The image and its operation stand so."""
        for thing in self.operations.values():
            if thing.values["targetLink"].endswith(f"/{name}"):
                thing.values["status"] = "RUNNING" if status == "CREATING" else "DONE"
                if why:
                    thing.values["error"] = {"errors": [{"code": "INTERNAL", "message": why}]}
        self.images[name].values["status"] = status
        if status == "READY":
            self.images[name].values["totalStorageBytes"] = str(3 * 2**30)

    def refused(self, request: Request) -> Answer | None:
        if request.path == "/token" or request.token in self.tokens:
            return None
        return _error(401, f"Request had invalid credentials: {request.token}.", "authError")

    def nowhere(self) -> Answer:
        return _error(404, "Not found.", "notFound")

    def routes(self) -> Sequence[tuple[str, str, Callable[..., Answer]]]:
        zone = f"{_ROOT}/zones/*/instances"
        images = f"{_ROOT}/global/machineImages"
        return (
            ("POST", "/token", self._token),
            ("GET", f"{_ROOT}/aggregated/instances", self._list_machines),
            ("GET", f"{zone}/*", self._get_machine),
            ("POST", zone, self._new_machine),
            ("GET", images, self._list_images),
            ("POST", images, self._new_image),
            ("GET", f"{images}/*", lambda name, _request: self._get(self.images, name)),
            ("DELETE", f"{images}/*", self._delete_image),
            (
                "GET",
                f"{_ROOT}/global/operations/*",
                lambda name, _request: self._get(self.operations, name),
            ),
            ("POST", f"/v1/projects/{PROJECT}:testIamPermissions", self._test_rights),
        )

    def _token(self, request: Request) -> Answer:
        if not self._grants(request.form["assertion"]):
            told = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            return said(400, told)
        self.given += 1
        self.tokens.add(self.token)
        return said(200, {"access_token": self.token, "expires_in": 3599, "token_type": "Bearer"})

    def _grants(self, assertion: str) -> bool:
        """Whether ours has signed it, for us and for now."""
        head, body, signature = assertion.split(".")
        claims = json.loads(_decoded(body))
        now = clock.now().timestamp()
        in_time = claims["iat"] - 60 <= now <= claims["exp"] <= claims["iat"] + 3600
        mine = (claims["iss"], claims["aud"]) == (EMAIL, f"{self.endpoint}/token")
        signed = verified(account("ours").public, _decoded(signature), f"{head}.{body}".encode())
        return in_time and mine and signed

    def _list_machines(self, request: Request) -> Answer:
        shown, more = self._page(request, self.machines.listed())
        zones: dict[str, Any] = {"zones/us-east1-b": {"warning": {"code": "NO_RESULTS_ON_PAGE"}}}
        for one in shown:
            zones.setdefault(f"zones/{ZONE}", {"instances": []})["instances"].append(one)
        return said(200, {"items": zones, **more})

    def _list_images(self, request: Request) -> Answer:
        shown, more = self._page(request, self.images.listed())
        return said(200, {**({"items": shown} if shown else {}), **more})

    def _get_machine(self, zone: str, name: str, _request: Request) -> Answer:
        return self._get(self.machines, f"{zone}/{name}")

    def _new_image(self, request: Request) -> Answer:
        body, asked = request.json, request.query["requestId"]
        if asked in self.requests:
            return said(200, self.operations[self.requests[asked]].values)
        source = body["sourceInstance"].split("/")
        if f"{source[3]}/{source[5]}" not in self.machines:
            return _error(404, "The resource 'instances/x' was not found", "notFound")
        if body["name"] in self.images:
            return _error(409, f"The resource '{body['name']}' already exists", "alreadyExists")
        self.add_image(body["name"])["description"] = body["description"]
        return self._operation(asked, f"machineImages/{body['name']}")

    def _delete_image(self, name: str, _request: Request) -> Answer:
        if name not in self.images:
            return self.nowhere()
        if self.busy and self.images[name].values["status"] == "CREATING":
            return _error(400, "The resource is not ready", "resourceNotReady")
        self.images[name].values["status"] = "DELETING"
        self.remove(self.images, name)
        for thing in self.operations.values():
            if thing.values["targetLink"].endswith(f"/{name}"):
                thing.values["status"] = "DONE"
        return self._operation("", f"machineImages/{name}", "DONE")

    def _new_machine(self, zone: str, request: Request) -> Answer:
        body, image = request.json, request.query["sourceMachineImage"].rpartition("/")[2]
        if request.query["requestId"] in self.requests:
            return said(200, self.operations[self.requests[request.query["requestId"]]].values)
        if image not in self.images:
            return _error(404, "The machine image was not found", "notFound")
        if f"{zone}/{body['name']}" in self.machines:
            return _error(409, "The resource already exists", "alreadyExists")
        self._machine(body["name"], {"labels": body["labels"]})
        return self._operation(request.query["requestId"], f"instances/{body['name']}")

    def _test_rights(self, request: Request) -> Answer:
        has = [one for one in request.json["permissions"] if one not in self.lacking]
        return said(200, {"permissions": has} if has else {})

    def _operation(self, asked: str, target: str, status: str = "RUNNING") -> Answer:
        name = f"operation-{next(self.numbers)}"
        values = {"name": name, "status": status, "progress": 0, "targetLink": target}
        self.operations[name] = Thing(values)
        if asked:
            self.requests[asked] = name
        return said(200, values)

    def _get(self, shelf: Any, key: str) -> Answer:
        return said(200, shelf[key].values) if key in shelf else self.nowhere()

    def _machine(self, name: str, values: dict[str, Any]) -> None:
        access = [{"name": "External NAT", "natIP": "203.0.113.10"}]
        machine = {
            "name": name,
            "zone": f"https://www.googleapis.com{_ROOT}/zones/{ZONE}",
            "networkInterfaces": [{"networkIP": "10.0.0.10", "accessConfigs": access}],
            "disks": [{"diskSizeGb": "10", "boot": True}, {"diskSizeGb": "20"}],
            "status": "RUNNING",
        }
        self.put(self.machines, f"{ZONE}/{name}", machine | values)

    def _page(
        self, request: Request, listed: list[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], dict[str, str]]:
        first = int(request.query.get("pageToken", 0))
        last = first + min(int(request.query.get("maxResults", 500)), self.page)
        return listed[first:last], {"nextPageToken": str(last)} if last < len(listed) else {}


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _error(status: int, message: str, reason: str) -> Answer:
    errors = [{"message": message, "domain": "global", "reason": reason}]
    return said(status, {"error": {"code": status, "message": message, "errors": errors}})
