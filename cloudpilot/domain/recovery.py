"""Recovery keys: for whom the panel's exports are encrypted. The keys themselves are not here.

Only a key of which somebody has shown that they wrote it down counts: else what is encrypted for
it may open with nothing that anybody has.
"""

from base64 import b64decode, b64encode
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Select, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock, recovery
from cloudpilot.db import Base
from cloudpilot.domain.people import Person
from cloudpilot.errors import InvalidState
from cloudpilot.recovery import RecoveryKey
from cloudpilot.secrets import Sealer, Secret


class PanelKey(Base):
    """One recovery key; of those that were confirmed the newest is used."""

    __tablename__ = "recovery_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    recipient: Mapped[str]  # public: "age1…"
    manifest_key: Mapped[str]  # sealed at `manifest_key_place`; base64 of 32 bytes
    # Argon2id of its last characters: for who types them, and types them again.
    ending_hash: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey(Person.id))
    confirmed_at: Mapped[datetime | None]

    @property
    def manifest_key_place(self) -> str:
        """Where the sealed key of manifests belongs."""
        return f"recovery_keys/{self.id}/manifest_key"


def current(session: Session) -> PanelKey | None:
    """The key that exports are encrypted for, if there is one."""
    return session.scalar(_newest().where(PanelKey.confirmed_at.is_not(None)))


def unconfirmed(session: Session) -> PanelKey | None:
    """A key that is to be the next one, once somebody has shown that they have it."""
    newest = session.scalar(_newest())
    return newest if newest and newest.confirmed_at is None else None


def manifest_key(session: Session, sealer: Sealer) -> bytes | None:
    """The 32 bytes that sign manifests, if there is a recovery key.

    Raises CannotOpenError.
    """
    key = current(session)
    if key is None:
        return None
    return b64decode(sealer.open(key.manifest_key, key.manifest_key_place).reveal())


def add(
    session: Session, sealer: Sealer, made: RecoveryKey, ending_hash: str, by: Person
) -> PanelKey:
    """A new key, to be confirmed. What `made` opens is not kept.

    ending_hash  of recovery.ending
    """
    key = PanelKey(id=uuid4(), recipient=made.recipient, created_by=by.id, ending_hash=ending_hash)
    derived = Secret(b64encode(recovery.manifest_key(made.secret)).decode())
    key.manifest_key = sealer.seal(derived, key.manifest_key_place)
    session.add(key)
    session.flush()
    return key


def confirm(session: Session, key: PanelKey) -> None:
    """Somebody has it: from now on it counts, if it did not before. Raises InvalidState if a newer
    one was made."""
    newest = session.scalar(_newest())
    if newest is None or newest.id != key.id:
        raise InvalidState("Meanwhile another recovery key was made.")
    waiting = update(PanelKey).where(PanelKey.id == key.id, PanelKey.confirmed_at.is_(None))
    session.execute(waiting.values(confirmed_at=clock.now()))


def _newest() -> Select[PanelKey]:
    return select(PanelKey).order_by(PanelKey.created_at.desc(), PanelKey.id).limit(1)
