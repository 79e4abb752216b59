"""The machines that clouds' last checks saw, and which servers of the panel they are, or may be."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot.domain import clouds, instances, servers
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.instances import Instance
from cloudpilot.domain.servers import Server


@dataclass(frozen=True, slots=True)
class Machine:
    """One of them.

    server  that it is; None if nobody has linked one
    likely  the only server without a machine that seems to be this one, by address or name
    """

    cloud: Cloud
    told: Instance  # as a cloud's row keeps it
    server: Server | None
    likely: Server | None = None

    @property
    def id(self) -> str:
        """By which a form names it; no other machine of any cloud has the same."""
        return f"{self.cloud.id}:{self.told['id']}"

    @property
    def name(self) -> str:
        """As the cloud calls it, or else its id."""
        return str(self.told["name"] or self.told["id"])

    @property
    def order(self) -> tuple[int, str, str]:
        """Those that are servers first, then those that may be, each by name."""
        rank = 0 if self.server else 1 if self.likely else 2
        return rank, self.name.casefold(), str(self.told["id"])

    def has(self, words: str) -> bool:
        """Whether its name, id or one of its addresses holds these words."""
        known = (self.name, str(self.told["id"]), *self.told["addresses"])
        return any(words.casefold() in str(one).casefold() for one in known)


def of(session: Session, cloud: Cloud) -> list[Machine]:
    """The machines of one cloud, those that matter first."""
    linked = {server.instance_id: server for server in instances.linked(session, cloud)}
    seen = cloud.instances or []
    free = [one for one in seen if one["id"] not in linked]
    alone = [server for server in servers.listed(session) if server.cloud_id is None]
    likely: dict[str, list[Server]] = {}
    for server in alone:
        if found := instances.matching(free, [server.host], server.name):
            likely.setdefault(str(found["id"]), []).append(server)
    machines = [
        Machine(cloud, one, linked.get(str(one["id"])), _only(likely.get(str(one["id"]), ())))
        for one in seen
    ]
    return sorted(machines, key=lambda one: one.order)


def free(session: Session, server: Server) -> list[Machine]:
    """All machines of all clouds that this server may be, by name: those that no other one is."""
    rows = select(Server).where(Server.cloud_id.is_not(None), Server.removed_at.is_(None))
    taken = {
        (one.cloud_id, one.instance_id) for one in session.scalars(rows) if one.id != server.id
    }
    return sorted(
        (
            Machine(cloud, one, None)
            for cloud in clouds.listed(session)
            for one in cloud.instances or ()
            if (cloud.id, one["id"]) not in taken
        ),
        key=lambda one: one.order,
    )


def likely(machines: Iterable[Machine], server: Server) -> Machine | None:
    """The one that this server seems to be."""
    known = list(machines)
    found = instances.matching((one.told for one in known), [server.host], server.name)
    return next((one for one in known if one.told is found), None)


def _only(found: Sequence[Server]) -> Server | None:
    return found[0] if len(found) == 1 else None
