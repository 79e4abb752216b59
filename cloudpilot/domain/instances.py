"""Which machine of which cloud a server is: what a snapshot of it is made of."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
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


def is_used(session: Session, cloud: Cloud) -> bool:
    """Whether servers are linked to it, or snapshots are there, as far as we know."""
    return bool(linked(session, cloud)) or _has_snapshots(session, cloud)


def _has_snapshots(session: Session, cloud: Cloud) -> bool:
    rows = select(Copy.id).where(
        Copy.cloud_id == cloud.id, Copy.place == Place.CLOUD, Copy.status != CopyStatus.GONE
    )
    return session.scalar(rows.limit(1)) is not None


def remove_cloud(session: Session, cloud: Cloud) -> None:
    """Forget the account and its secret. Raises InvalidState while anything is there that only it
    can delete, BackupInProgress while it is asked."""
    cloud = clouds.locked(session, cloud.id)
    names = ", ".join(server.name for server in linked(session, cloud))
    if names:
        raise InvalidState(f"It is the cloud of {names}: unlink them first.")
    if _has_snapshots(session, cloud):
        raise InvalidState("Snapshots are there: delete them first.")
    under_way = select(Run.id).where(Run.cloud_id == cloud.id, Run.status.in_(ACTIVE))
    if session.scalar(under_way.limit(1)):
        raise BackupInProgress(f"{cloud.name} is being asked just now.")
    cloud.removed_at, cloud.secret = clock.now(), ""
    cloud.lines = cloud.instances = cloud.next_check_at = None
