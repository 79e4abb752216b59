"""Azure's Resource Manager as https://learn.microsoft.com/rest/api/compute/ has it: machines, their
network, snapshots, disks; and the tokens of an application."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cloudpilot.connections import Answer
from tests.support.fake_cloud import Fake, Request, Shelf, said

SUBSCRIPTION = "6c9a1f3e-0d52-4b7a-9a3c-5e1d2f4b6a70"
TENANT = "b1f0a4c2-7d3e-4f5a-8c6b-9d0e1f2a3b4c"
CLIENT = "2d4f6a8c-1b3d-4e5f-a7b9-c0d1e2f3a4b5"
SECRET = "5ecret~of-the-application.azure"
GROUP = "shop"
_SCOPE = f"/subscriptions/{SUBSCRIPTION}"


@dataclass
class FakeAzure(Fake):
    """One subscription. `tokens` are those that are good."""

    tokens: set[str] = field(default_factory=set)
    given: int = 0
    seconds: int = 3599  # that a token is good
    actions: list[str] = field(default_factory=lambda: ["Microsoft.Compute/*"])
    hides_network: bool = False

    def __post_init__(self) -> None:
        self.machines, self.snapshots, self.disks = self.shelf(), self.shelf(), self.shelf()
        self.interfaces, self.addresses = self.shelf(), self.shelf()

    @property
    def token(self) -> str:
        """The one that is given now."""
        return f"eyJ-secret-of-azure-{self.given}"

    def add_machine(self, name: str, **values: Any) -> str:
        """Listed at once. Azure writes groups large or small as it likes."""
        kept, self.unlisted = self.unlisted, 0
        identity = _id("Compute", "virtualMachines", name).replace("/shop/", "/SHOP/")
        disks = [_id("Compute", "disks", f"{name}-{one}") for one in ("os", "data")]
        profile = {
            "osDisk": {"name": f"{name}-os", "diskSizeGB": 10, "managedDisk": {"id": disks[0]}},
            "dataDisks": [{"lun": 0, "diskSizeGB": 20, "managedDisk": {"id": disks[1]}}],
        }
        machine = {
            "id": identity,
            "name": name,
            "location": "westeurope",
            "zones": ["1"],
            "properties": {"storageProfile": profile},
        }
        self.put(self.machines, name.lower(), machine | values)
        self._network(name, identity)
        self.unlisted = kept
        return f"{GROUP}/{name}"

    def add_snapshot(self, name: str, tags: dict[str, str]) -> None:
        """Somebody else's."""
        self._snapshot(name, {"location": "westeurope", "tags": tags, "properties": {}})

    def refused(self, request: Request) -> Answer | None:
        if request.path.endswith("/oauth2/v2.0/token"):
            return None
        if request.token not in self.tokens:
            return _error(401, "ExpiredAuthenticationToken", f"{request.token} has expired.")
        if "api-version" not in request.query:
            return _error(400, "MissingApiVersionParameter", "api-version is required.")
        if self.hides_network and "Microsoft.Network" in request.path:
            return _error(403, "AuthorizationFailed", "The client does not have authorization.")
        return None

    def nowhere(self) -> Answer:
        return _error(404, "ResourceNotFound", "The Resource was not found.")

    def routes(self) -> Sequence[tuple[str, str, Callable[..., Answer]]]:
        compute = f"{_SCOPE}/providers/Microsoft.Compute"
        network = f"{_SCOPE}/providers/Microsoft.Network"
        group = f"{_SCOPE}/resourceGroups/*/providers/Microsoft.Compute"
        rights = f"{_SCOPE}/resourceGroups/*/providers/Microsoft.Authorization/permissions"
        return (
            ("POST", f"/{TENANT}/oauth2/v2.0/token", self._token),
            ("GET", f"{compute}/virtualMachines", self._listing(self.machines)),
            ("GET", f"{compute}/snapshots", self._listing(self.snapshots)),
            ("GET", f"{network}/networkInterfaces", self._listing(self.interfaces)),
            ("GET", f"{network}/publicIPAddresses", self._listing(self.addresses)),
            ("GET", f"{group}/virtualMachines/*", self._getting(self.machines)),
            ("GET", f"{group}/snapshots/*", self._getting(self.snapshots)),
            ("GET", f"{group}/disks/*", self._getting(self.disks)),
            ("PUT", f"{group}/snapshots/*", self._put_snapshot),
            ("DELETE", f"{group}/snapshots/*", self._delete_snapshot),
            ("PUT", f"{group}/disks/*", self._put_disk),
            ("GET", rights, self._rights),
        )

    def _token(self, request: Request) -> Answer:
        form = request.form
        told = (form["client_id"], form["client_secret"], form["grant_type"])
        if told != (CLIENT, SECRET, "client_credentials"):
            words = f"AADSTS7000215: Invalid client secret provided: {form['client_secret']}."
            return said(401, {"error": "invalid_client", "error_description": words})
        if form["scope"] != f"{self.endpoint}/.default":
            return said(400, {"error": "invalid_scope", "error_description": "AADSTS70011"})
        self.given += 1
        self.tokens.add(self.token)
        values = {"token_type": "Bearer", "expires_in": self.seconds, "access_token": self.token}
        return said(200, values)

    def _listing(self, shelf: Shelf) -> Callable[..., Answer]:
        def listed(request: Request) -> Answer:
            first = int(request.query.get("$skiptoken", 0))
            found = shelf.listed()
            shown: dict[str, Any] = {"value": found[first : first + self.page]}
            if first + self.page < len(found):
                query = f"api-version={request.query['api-version']}"
                following = f"{query}&%24skiptoken={first + self.page}"
                shown["nextLink"] = f"{self.endpoint}{request.path}?{following}"
            return said(200, shown)

        return listed

    def _getting(self, shelf: Shelf) -> Callable[..., Answer]:
        def got(group: str, name: str, _request: Request) -> Answer:
            key = name.lower()
            if group.lower() != GROUP or key not in shelf:
                return self.nowhere()
            return said(200, shelf[key].values)

        return got

    def _put_snapshot(self, group: str, name: str, request: Request) -> Answer:
        if name in self.snapshots:
            return said(200, self.snapshots[name].values)
        source = request.json["properties"]["creationData"]["sourceResourceId"]
        if group.lower() != GROUP or "/disks/" not in source:
            return _error(404, "NotFound", "The source was not found.")
        return said(202, self._snapshot(name, request.json))

    def _delete_snapshot(self, _group: str, name: str, _request: Request) -> Answer:
        if not self.remove(self.snapshots, name):
            return said(204)
        return said(202, None, Location=f"{self.endpoint}/operations/1", Retry_After="10")

    def _put_disk(self, _group: str, name: str, request: Request) -> Answer:
        source = request.json["properties"]["creationData"]["sourceResourceId"]
        if source.rpartition("/")[2] not in self.snapshots:
            return _error(404, "NotFound", "The snapshot was not found.")
        values = request.json | {"id": _id("Compute", "disks", name), "name": name}
        return said(202, self.put(self.disks, name, values))

    def _rights(self, _group: str, _request: Request) -> Answer:
        return said(200, {"value": [{"actions": self.actions, "notActions": []}]})

    def _snapshot(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        size = 10 if name.endswith("-0") else 20
        properties = {
            **body["properties"],
            "provisioningState": "Updating",
            "diskSizeGB": size,
            "diskSizeBytes": size * 2**30,
            "timeCreated": datetime.now(UTC).isoformat(),
        }
        values = body | {"id": _id("Compute", "snapshots", name), "name": name}
        return self.put(self.snapshots, name, values | {"properties": properties})

    def _network(self, name: str, machine: str) -> None:
        address = _id("Network", "publicIPAddresses", name)
        self.put(
            self.addresses,
            name,
            {"id": address, "properties": {"ipAddress": "203.0.113.10"}},
        )
        way = {"privateIPAddress": "10.0.0.10", "publicIPAddress": {"id": address.upper()}}
        properties = {"virtualMachine": {"id": machine}, "ipConfigurations": [{"properties": way}]}
        self.put(self.interfaces, name, {"id": f"{name}-nic", "properties": properties})


def _id(provider: str, noun: str, name: str) -> str:
    return f"{_SCOPE}/resourceGroups/{GROUP}/providers/Microsoft.{provider}/{noun}/{name}"


def _error(status: int, code: str, message: str) -> Answer:
    return said(status, {"error": {"code": code, "message": message}})
