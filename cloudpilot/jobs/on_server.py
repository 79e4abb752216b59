"""Reaching a run's server: from its row to an open session, and what its host key teaches."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from flask import current_app

from cloudpilot.db import reading, transaction
from cloudpilot.domain.servers import Server
from cloudpilot.engine.ssh import Address, Session, connect
from cloudpilot.errors import HostKeyUnknown
from cloudpilot.secrets import Sealer, Secret
from cloudpilot.settings import Settings


@dataclass(frozen=True, slots=True)
class Login:
    """All that it takes to open a session."""

    server_id: UUID
    address: Address
    private_key: Secret
    has_offered: bool = field(default=False, compare=False)  # a key that nobody has approved


def login(server_id: UUID) -> Login:
    """How to reach a server, as its row says now."""
    with reading() as session:
        server = session.get_one(Server, server_id)
    sealer: Sealer = current_app.extensions["sealer"]
    settings: Settings = current_app.extensions["settings"]
    return Login(
        server.id,
        Address(
            server.host,
            server.port,
            server.username,
            tuple(server.host_keys),
            may_be_private=settings.private_networks,
        ),
        sealer.open(server.private_key, server.key_place),
        server.offered_host_key is not None,
    )


def opened(who: Login) -> Session:
    """An open session; raises what engine.ssh.connect raises.

    A host key that nobody has approved is kept, so that the server's page can show it.
    """
    try:
        opened_session = connect(who.address, who.private_key)
    except HostKeyUnknown as error:
        if error.offered:
            _note_offered(who.server_id, error.offered)
        raise
    if who.has_offered:
        _note_offered(who.server_id, None)  # it shows an approved key again
    return opened_session


def _note_offered(server_id: UUID, fingerprint: str | None) -> None:
    with transaction() as session:
        session.get_one(Server, server_id).offered_host_key = fingerprint


@contextmanager
def connected(server_id: UUID) -> Iterator[Session]:
    """A session of its own for one job."""
    session = opened(login(server_id))
    try:
        yield session
    finally:
        session.close()
