"""Changing a server's SSH key: the new one is proven before the former one goes."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot.domain import runs
from cloudpilot.domain.audit import Action, AuditEntry
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.errors import SshNotConfigured
from cloudpilot.kinds import RunKind
from cloudpilot.secrets import Sealer, Secret


def claim(server: Server) -> str:
    """What a key change and the removal of the panel's key must not do side by side."""
    return f"key:server:{server.id}"


def change(session: Session, server: Server, by: Person | None) -> Run:
    """A run that gives the server a new key.

    Raises SshNotConfigured if we may not log in, BackupInProgress if one is under way.
    """
    if not server.is_ready:
        raise SshNotConfigured(f"{server.name} has not been set up yet: its host key is unknown.")
    return runs.add(
        session,
        Run(
            kind=RunKind.ROTATE,
            claim=claim(server),
            server_id=server.id,
            requested_by=by.id if by else None,
            subject=server.name,
        ),
    )


def latest_change(session: Session, server: Server) -> Run | None:
    """The newest run of that kind."""
    rows = select(Run).where(Run.server_id == server.id, Run.kind == RunKind.ROTATE)
    return session.scalar(rows.order_by(Run.created_at.desc(), Run.id).limit(1))


def latest_trust(session: Session, server: Server) -> AuditEntry | None:
    """When its host keys were last approved, or followed as announced, and by whom."""
    trusted = (Action.HOST_KEYS_APPROVED, Action.HOST_KEYS_FOLLOWED)
    rows = select(AuditEntry).where(
        AuditEntry.subject_id == server.id, AuditEntry.action.in_(trusted)
    )
    return session.scalar(rows.order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(1))


def keep_next(server: Server, sealer: Sealer, private_key: Secret, public_key: str) -> None:
    """The key that is to become the server's, before the server hears of it."""
    server.next_public_key = public_key
    server.next_private_key = sealer.seal(private_key, server.next_key_place)


def swap(server: Server, sealer: Sealer) -> None:
    """The next key becomes the key, and the former the one that is still to be taken away."""
    former = sealer.open(server.private_key, server.key_place)
    coming = sealer.open(server.next_private_key or "", server.next_key_place)
    server.public_key, server.next_public_key = server.next_public_key or "", server.public_key
    server.private_key = sealer.seal(coming, server.key_place)
    server.next_private_key = sealer.seal(former, server.next_key_place)


def forget_next(server: Server, public_key: str) -> None:
    """That key is out, if it is still the one that is on record."""
    if server.next_public_key == public_key:
        server.next_public_key = server.next_private_key = None
