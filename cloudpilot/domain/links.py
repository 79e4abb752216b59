"""One-time links: an address that lets one person in, once, until it expires."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain.people import Person
from cloudpilot.domain.status import values_of
from cloudpilot.kinds import Role


class Purpose(StrEnum):
    """What a link is good for."""

    INVITATION = "invitation"  # makes a person
    RESET = "reset"  # gives a person a new password


class OneTimeLink(Base):
    """A link that was handed out; we keep the hash of its token."""

    __tablename__ = "one_time_links"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    token_hash: Mapped[str] = mapped_column(unique=True)
    purpose: Mapped[Purpose] = mapped_column(values_of(Purpose))
    email: Mapped[str]  # folded: whose link it is
    role: Mapped[Role | None] = mapped_column(values_of(Role))  # of an invitation
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey(Person.id))  # of a reset
    made_by: Mapped[UUID | None] = mapped_column(ForeignKey(Person.id))  # None: command line
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
