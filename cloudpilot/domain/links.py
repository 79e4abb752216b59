"""One-time links: an address that lets one person in, once, until it expires."""

import secrets as randomness
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, ForeignKey, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain.people import Person
from cloudpilot.domain.sessions import TOKEN_BYTES, hash_of
from cloudpilot.domain.status import values_of
from cloudpilot.errors import LinkInvalid, NotFound
from cloudpilot.kinds import Role
from cloudpilot.secrets import Secret


class Purpose(StrEnum):
    """What a link is good for."""

    INVITATION = "invitation"  # makes a person
    RESET = "reset"  # gives a person a new password


GOOD_FOR: Mapping[Purpose, timedelta] = {
    Purpose.INVITATION: timedelta(days=7),
    Purpose.RESET: timedelta(days=1),
}
_DEAD = "This link does not work: it was used, withdrawn, or has expired."


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

    @property
    def is_expired(self) -> bool:
        """Whether it has been there for too long."""
        return self.expires_at <= clock.now()


def make(session: Session, purpose: Purpose, email: str, **columns: object) -> Secret:
    """A new link; an older one of the same purpose for the same address dies.

    Returns the token, which nobody can read again. The columns are role, person_id, made_by.
    """
    _withdraw(session, OneTimeLink.purpose == purpose, OneTimeLink.email == email)
    token = Secret(randomness.token_urlsafe(TOKEN_BYTES))
    link = OneTimeLink(
        token_hash=hash_of(token.reveal()),
        purpose=purpose,
        email=email,
        expires_at=clock.now() + GOOD_FOR[purpose],
        **columns,
    )
    session.add(link)
    session.flush()
    return token


def opened(session: Session, token: str) -> OneTimeLink:
    """The link with this token, which stays good; raises LinkInvalid."""
    link = session.scalar(
        select(OneTimeLink).where(OneTimeLink.token_hash == hash_of(token), *_good())
    )
    if link is None:
        raise LinkInvalid(_DEAD)
    return link


def spend(session: Session, token: str) -> OneTimeLink:
    """Use the link up: of several who come with it at once, one succeeds; raises LinkInvalid."""
    unused = update(OneTimeLink).where(OneTimeLink.token_hash == hash_of(token), *_good())
    spent = session.scalar(unused.values(used_at=clock.now()).returning(OneTimeLink.id))
    if spent is None:
        raise LinkInvalid(_DEAD)
    return session.get_one(OneTimeLink, spent)


def invitations(session: Session, email: str | None = None) -> list[OneTimeLink]:
    """Those that wait for an answer, and those of late that have got none.

    email  folded: of this address only
    """
    rows = select(OneTimeLink).where(
        OneTimeLink.purpose == Purpose.INVITATION,
        OneTimeLink.used_at.is_(None),
        OneTimeLink.withdrawn_at.is_(None),
        OneTimeLink.expires_at > clock.now() - GOOD_FOR[Purpose.INVITATION],
    )
    if email is not None:
        rows = rows.where(OneTimeLink.email == email)
    return list(session.scalars(rows.order_by(OneTimeLink.created_at.desc())))


def invitation(session: Session, link_id: UUID) -> OneTimeLink:
    """An invitation that has got no answer; raises NotFound."""
    link = session.get(OneTimeLink, link_id)
    if link is None or link.purpose is not Purpose.INVITATION or link.used_at or link.withdrawn_at:
        raise NotFound("There is no such invitation; it may have been accepted by now.")
    return link


def withdraw(session: Session, link: OneTimeLink) -> None:
    """From now on it lets nobody in."""
    _withdraw(session, OneTimeLink.id == link.id)


def withdraw_resets_of(session: Session, person: Person) -> None:
    """This person needs none of them any more."""
    _withdraw(session, OneTimeLink.person_id == person.id)


def withdraw_all_of(session: Session, person: Person) -> None:
    """What this person was given and has given: they are not who they were when it was made."""
    mine = or_(OneTimeLink.person_id == person.id, OneTimeLink.made_by == person.id)
    _withdraw(session, mine)


def _withdraw(session: Session, *conditions: ColumnElement[bool]) -> None:
    unused = OneTimeLink.used_at.is_(None), OneTimeLink.withdrawn_at.is_(None)
    session.execute(
        update(OneTimeLink).where(*conditions, *unused).values(withdrawn_at=clock.now())
    )


def _good() -> tuple[ColumnElement[bool], ...]:
    return (
        OneTimeLink.used_at.is_(None),
        OneTimeLink.withdrawn_at.is_(None),
        OneTimeLink.expires_at > clock.now(),
    )
