"""Which machine of which cloud a server is: what a snapshot of it is made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import clouds
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import ACTIVE
from cloudpilot.errors import BackupInProgress, InvalidConfig, InvalidState
from cloudpilot.kinds import Place, RunKind

Instance = Mapping[str, Any]  # as a cloud's row keeps it
NAMED = 3  # servers that a sentence names


@dataclass(frozen=True, slots=True)
class Use:
    """What a cloud is used for.

    servers    that are machines of it
    snapshots  that are there or on their way, as far as we know
    run        the oldest piece of work there that has not ended
    """

    servers: Sequence[Server]
    snapshots: int
    run: Run | None

    @property
    def holds(self) -> bool:
        """Whether it must stay the account that it is."""
        return bool(self.servers or self.snapshots)

    @property
    def is_free(self) -> bool:
        """Whether it can be removed."""
        return not (self.holds or self.run)


def matching(seen: Iterable[Instance], addresses: Iterable[str], name: str) -> Instance | None:
    """The machine that a server with these addresses is; if none has one of them, the only one of
    that name. None if nobody can say.

    >>> seen = [{"id": "i-1", "name": "web", "addresses": ["203.0.113.9"]},
    ...         {"id": "i-2", "name": "db", "addresses": ["203.0.113.8"]}]
    >>> matching(seen, ["203.0.113.8"], "web")["id"], matching(seen, ["shop.example"], "web")["id"]
    ('i-2', 'i-1')
    >>> matching(seen, ["shop.example"], "mail") is None
    True
    """
    seen, wanted = list(seen), set(addresses)
    by_address = [one for one in seen if wanted & set(one["addresses"])]
    found = by_address or [one for one in seen if one["name"] == name]
    return found[0] if len(found) == 1 else None


def link(session: Session, server: Server, cloud: Cloud, instance_id: str) -> None:
    """From now on snapshots of the server are of this machine. Raises InvalidConfig for one that
    the cloud's last check has not seen, or that another server is; InvalidState meanwhile."""
    _refuse_while_made(session, server)
    found = next((one for one in cloud.instances or () if one["id"] == instance_id), None)
    if found is None:
        raise InvalidConfig(f"{cloud.name} has not shown this machine: check the cloud again.")
    others = select(Server.name).where(
        Server.cloud_id == cloud.id,
        Server.instance_id == instance_id,
        Server.id != server.id,
        Server.removed_at.is_(None),
    )
    if name := session.scalar(others.limit(1)):
        raise InvalidConfig(f"{found['name'] or instance_id} is {name} already.")
    server.cloud_id, server.instance_id = cloud.id, instance_id
    server.instance_name = str(found["name"])[:200]


def unlink(session: Session, server: Server) -> None:
    """No snapshots of the server from now on; those that there are stay. Raises InvalidState."""
    _refuse_while_made(session, server)
    server.cloud_id = server.instance_id = server.instance_name = None


def _refuse_while_made(session: Session, server: Server) -> None:
    making = select(Run.id).where(
        Run.server_id == server.id, Run.kind == RunKind.SNAPSHOT, Run.status.in_(ACTIVE)
    )
    if session.scalar(making.limit(1)):
        raise InvalidState(f"A snapshot of {server.name} is being made.")


def linked(session: Session, cloud: Cloud) -> Sequence[Server]:
    """The servers that are machines of it, by name."""
    rows = select(Server).where(Server.cloud_id == cloud.id, Server.removed_at.is_(None))
    return session.scalars(rows.order_by(Server.name, Server.id)).all()


def counted(session: Session) -> dict[UUID, int]:
    """By cloud: how many servers are machines of it; those with none are not in it."""
    rows = select(Server.cloud_id, func.count()).where(
        Server.cloud_id.is_not(None), Server.removed_at.is_(None)
    )
    found = session.execute(rows.group_by(Server.cloud_id))
    return {cloud_id: count for cloud_id, count in found if cloud_id}


def use(session: Session, cloud: Cloud) -> Use:
    """What keeps it where it is, and from being removed."""
    snapshots = select(func.count(Copy.id)).where(
        Copy.cloud_id == cloud.id, Copy.place == Place.CLOUD, Copy.status != CopyStatus.GONE
    )
    under_way = select(Run).where(Run.cloud_id == cloud.id, Run.status.in_(ACTIVE))
    return Use(
        servers=linked(session, cloud),
        snapshots=session.scalar(snapshots) or 0,
        run=session.scalar(under_way.order_by(Run.created_at, Run.id).limit(1)),
    )


def is_used(session: Session, cloud: Cloud) -> bool:
    """Whether servers are linked to it, or snapshots are there, as far as we know."""
    return use(session, cloud).holds


def remove_cloud(session: Session, cloud: Cloud) -> None:
    """Forget the account and its secret. Raises InvalidState while anything is there that only it
    can delete, BackupInProgress while it is asked."""
    cloud = clouds.locked(session, cloud.id)
    its = use(session, cloud)
    names = ", ".join(server.name for server in its.servers[:NAMED])
    if names:
        more = f" and {len(its.servers) - NAMED} more" if len(its.servers) > NAMED else ""
        raise InvalidState(f"It is the cloud of {names}{more}: unlink them first.")
    if its.snapshots:
        raise InvalidState("Snapshots are there: delete them first.")
    if its.run:
        raise BackupInProgress(f"{cloud.name} is being asked just now.")
    cloud.removed_at, cloud.secret = clock.now(), ""
    cloud.lines = cloud.instances = cloud.next_check_at = None
