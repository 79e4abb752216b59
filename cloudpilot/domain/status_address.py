"""The address that tells any monitor whether all is well: a token, of which we keep the hash."""

import secrets as randomness
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain.people import Person
from cloudpilot.domain.sessions import TOKEN_BYTES, hash_of
from cloudpilot.secrets import Secret


class StatusAddress(Base):
    """One address; of several the newest is good."""

    __tablename__ = "status_addresses"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    token_hash: Mapped[str] = mapped_column(unique=True)
    made_by: Mapped[UUID | None] = mapped_column(ForeignKey(Person.id))
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    ended_at: Mapped[datetime | None]


def current(session: Session) -> StatusAddress | None:
    """The address that is good, if there is one."""
    rows = select(StatusAddress).where(StatusAddress.ended_at.is_(None))
    return session.scalar(rows.order_by(StatusAddress.created_at.desc()).limit(1))


def make(session: Session, by: Person) -> tuple[StatusAddress, Secret]:
    """A new address; the one before it is dead. Nobody can read its token again."""
    end(session)
    token = Secret(randomness.token_urlsafe(TOKEN_BYTES))
    address = StatusAddress(token_hash=hash_of(token.reveal()), made_by=by.id)
    session.add(address)
    session.flush()
    return address, token


def end(session: Session) -> None:
    """From now on there is none."""
    alive = update(StatusAddress).where(StatusAddress.ended_at.is_(None))
    session.execute(alive.values(ended_at=clock.now()))


def is_good(session: Session, token: str) -> bool:
    """Whether this is the token of the address."""
    rows = select(StatusAddress.id).where(
        StatusAddress.token_hash == hash_of(token), StatusAddress.ended_at.is_(None)
    )
    return session.scalar(rows) is not None
