"""Sessions: who is signed in, on which browser, until when. A row each, so that one can end it."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain.people import Person


class SignedIn(Base):
    """One browser in which somebody has signed in. The cookie holds the token, we its hash."""

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "person_id", "created_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    token_hash: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey(Person.id))
    address: Mapped[str]  # of the network, at sign-in
    agent: Mapped[str]  # what the browser calls itself
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    seen_at: Mapped[datetime] = mapped_column(default=clock.now)  # to the minute
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class SignInFailure(Base):
    """One refused attempt to sign in. Counted here, since Redis may be emptied at any time."""

    __tablename__ = "sign_in_failures"
    __table_args__ = (Index(None, "address", "at"), Index(None, "account_hash", "at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=clock.now)
    address: Mapped[str]
    account_hash: Mapped[str]  # of the address that was typed, which need not be anybody's
