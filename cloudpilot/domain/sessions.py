"""Sessions: who is signed in, on which browser, until when. A row each, so that one can end it."""

import hashlib
import secrets as randomness
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, ForeignKey, Index, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain.people import Person
from cloudpilot.errors import NotFound
from cloudpilot.secrets import Secret
from cloudpilot.text import decode

LIFETIME = timedelta(days=30)  # of a session, however busy
IDLE = timedelta(days=7)  # without a sign of a person
SEEN = timedelta(minutes=1)  # how exactly we know when somebody was there last
KEPT = timedelta(days=30)  # how long an ended session still says which addresses are a person's
TOKEN_BYTES = 32
AGENT_LENGTH = 300


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


def begin(session: Session, person: Person, address: str, agent: str) -> Secret:
    """A new session of this person; returns the token that nobody but their browser gets."""
    now = clock.now()
    session.execute(
        delete(SignedIn).where(SignedIn.person_id == person.id, SignedIn.expires_at < now - KEPT)
    )
    token = Secret(randomness.token_urlsafe(TOKEN_BYTES))
    called = decode(agent[:AGENT_LENGTH].encode("utf-8", "backslashreplace"))
    session.add(
        SignedIn(
            token_hash=hash_of(token.reveal()),
            person_id=person.id,
            address=address,
            agent=called,
            expires_at=now + LIFETIME,
        )
    )
    session.flush()
    return token


def of_token(session: Session, token: str) -> tuple[SignedIn, Person] | None:
    """Whose session it is, unless it has ended, expired or was left alone; in one query."""
    rows = select(SignedIn, Person).join(Person, SignedIn.person_id == Person.id)
    mine = SignedIn.token_hash == hash_of(token)
    found = session.execute(rows.where(mine, Person.disabled_at.is_(None), *_alive())).first()
    return (found[0], found[1]) if found else None


def is_stale(row: SignedIn) -> bool:
    """Whether it is time to write down that somebody is still there."""
    return row.seen_at < clock.now() - SEEN


def saw(session: Session, row: SignedIn) -> None:
    """Somebody is there; of several requests at once, one writes."""
    stale = update(SignedIn).where(SignedIn.id == row.id, SignedIn.seen_at < clock.now() - SEEN)
    session.execute(stale.values(seen_at=clock.now()))


def listed(session: Session, person_id: UUID) -> list[SignedIn]:
    """The sessions that are alive, who was there last first."""
    rows = select(SignedIn).where(SignedIn.person_id == person_id, *_alive())
    return list(session.scalars(rows.order_by(SignedIn.seen_at.desc(), SignedIn.id)))


def last_seen(session: Session) -> Mapping[UUID, datetime]:
    """When each person was there last, by their id; nobody who has never been."""
    rows = select(SignedIn.person_id, func.max(SignedIn.seen_at)).group_by(SignedIn.person_id)
    return {row[0]: row[1] for row in session.execute(rows)}


def end(session: Session, person_id: UUID, session_id: UUID) -> SignedIn:
    """End one session of that person; raises NotFound if it is none of theirs or has ended."""
    row = session.get(SignedIn, session_id)
    if row is None or row.person_id != person_id or row.ended_at:
        raise NotFound("There is no such session; it may have ended by now.")
    row.ended_at = clock.now()
    return row


def end_all(session: Session, person_id: UUID, but: UUID | None = None) -> int:
    """End all sessions of that person, except one if it is named; returns how many."""
    mine = update(SignedIn).where(SignedIn.person_id == person_id, SignedIn.ended_at.is_(None))
    if but:
        mine = mine.where(SignedIn.id != but)
    return len(session.execute(mine.values(ended_at=clock.now()).returning(SignedIn.id)).all())


def hash_of(token: str) -> str:
    """What we keep of a token. It is 256 random bits: nothing slow is needed to protect it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _alive() -> tuple[ColumnElement[bool], ...]:
    now = clock.now()
    return SignedIn.ended_at.is_(None), SignedIn.expires_at > now, SignedIn.seen_at > now - IDLE
