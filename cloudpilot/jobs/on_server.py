"""Reaching a run's server: from its row to an open session, and what its host key teaches."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from flask import current_app

from cloudpilot.db import reading, transaction
from cloudpilot.domain.servers import Server
from cloudpilot.engine.ssh import Address, Session, connect
from cloudpilot.errors import HostKeyUnknown
from cloudpilot.secrets import Sealer, Secret


@dataclass(frozen=True, slots=True)
class Login:
    """All that it takes to open a session."""

    server_id: UUID
    address: Address
    private_key: Secret


def login(server_id: UUID) -> Login:
    """How to reach a server, as its row says now."""
    with reading() as session:
        server = session.get_one(Server, server_id)
    sealer: Sealer = current_app.extensions["sealer"]
    return Login(
        server.id,
        Address(server.host, server.port, server.username, tuple(server.host_keys)),
        sealer.open(server.private_key, server.key_place),
    )


def opened(who: Login) -> Session:
    """An open session; raises what engine.ssh.connect raises.

    A host key that nobody has approved is kept, so that the server's page can show it.
    """
    try:
        return connect(who.address, who.private_key)
    except HostKeyUnknown as error:
        if error.offered:
            with transaction() as session:
                session.get_one(Server, who.server_id).offered_host_key = error.offered
        raise


@contextmanager
def connected(server_id: UUID) -> Iterator[Session]:
    """A session of its own for one job."""
    session = opened(login(server_id))
    try:
        yield session
    finally:
        session.close()
