"""Reaching a run's server: from its row to an open session, and what its host key teaches."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from flask import current_app

from cloudpilot.db import reading, transaction
from cloudpilot.domain import audit
from cloudpilot.domain.audit import Action
from cloudpilot.domain.servers import Server
from cloudpilot.engine.address import Address
from cloudpilot.engine.connecting import connect
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import HostKeyUnknown, SshAuthFailed
from cloudpilot.secrets import Sealer, Secret
from cloudpilot.settings import Settings


@dataclass(frozen=True, slots=True)
class Login:
    """All that it takes to open a session."""

    server_id: UUID
    address: Address
    private_key: Secret
    next_key: Secret | None = None  # of a key change that is under way
    approved: tuple[str, ...] = field(default=(), compare=False)  # host keys, without the expected
    has_offered: bool = field(default=False, compare=False)  # a key that nobody has approved


def login(server_id: UUID) -> Login:
    """How to reach a server, as its row says now."""
    with reading() as session:
        return login_of(session.get_one(Server, server_id))


def login_of(server: Server) -> Login:
    """How to reach the server of this row. Raises CannotOpenError if its key was sealed with
    another of the panel's."""
    sealer: Sealer = current_app.extensions["sealer"]
    settings: Settings = current_app.extensions["settings"]
    accepted = (*server.host_keys, *server.expected_host_keys)
    return Login(
        server.id,
        Address(
            server.host,
            server.port,
            server.username,
            accepted,
            may_be_private=settings.private_networks,
        ),
        sealer.open(server.private_key, server.key_place),
        sealer.open(server.next_private_key, server.next_key_place)
        if server.next_private_key
        else None,
        tuple(server.host_keys),
        server.offered_host_key is not None,
    )


def opened(who: Login) -> Session:
    """An open session; raises what engine.connecting.connect raises.

    A host key that nobody has approved is kept, so that the server's page can show it; one that
    was announced replaces the approved ones.
    """
    try:
        opened_session = _connected(who)
    except HostKeyUnknown as error:
        if error.offered:
            _note_offered(who.server_id, error.offered)
        raise
    if opened_session.host_key not in who.approved:
        _follow(who.server_id, opened_session.host_key)
    elif who.has_offered:
        _note_offered(who.server_id, None)  # it shows an approved key again
    return opened_session


def _connected(who: Login) -> Session:
    """With the other key of a key change that was interrupted, where the first is refused."""
    try:
        return connect(who.address, who.private_key)
    except SshAuthFailed:
        if who.next_key is None:
            raise
    return connect(who.address, who.next_key)


def _note_offered(server_id: UUID, fingerprint: str | None) -> None:
    with transaction() as session:
        server = session.get_one(Server, server_id)
        if fingerprint not in server.host_keys:  # else somebody has approved it this very moment
            server.offered_host_key = fingerprint


def _follow(server_id: UUID, seen: str) -> None:
    """The change that somebody has announced has come."""
    with transaction() as session:
        server = session.get_one(Server, server_id)
        if seen not in server.expected_host_keys:
            return  # another job was first, or it was called off this very moment
        former = server.host_keys
        server.approve(*server.expected_host_keys)
        audit.record(
            session,
            audit.PANEL,
            Action.HOST_KEYS_FOLLOWED,
            server,
            host_keys=server.host_keys,
            former=former,
        )


@contextmanager
def connected(server_id: UUID) -> Iterator[Session]:
    """A session of its own for one job."""
    session = opened(login(server_id))
    try:
        yield session
    finally:
        session.close()
