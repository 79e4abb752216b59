"""People: who may use the panel, and what each role may do."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain.status import values_of
from cloudpilot.errors import InvalidState, NotFound
from cloudpilot.kinds import Role


class Right(StrEnum):
    """What one may be allowed to do."""

    VIEW = "view"
    RUN = "run"  # back up now, check, stop
    RESTORE = "restore"  # put files and databases back
    DOWNLOAD = "download"  # take a backup, and all that is in it, away
    DELETE = "delete"  # delete backups
    SERVERS = "servers"  # add and change servers and sites
    VAULTS = "vaults"  # add and change where backups are kept
    FORGET = "forget"  # give up a vault of which nothing is proven gone
    PEOPLE = "people"  # invite people, change their roles, read the audit log
    RECOVERY = "recovery"  # make the recovery key, take all of the panel away, bring it back


RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.OWNER: frozenset(Right),
    Role.ADMIN: frozenset(Right) - {Right.FORGET, Right.RECOVERY},
    Role.MEMBER: frozenset({Right.VIEW, Right.RUN}),
    Role.VIEWER: frozenset({Right.VIEW}),
}


class Person(Base):
    """Somebody who may sign in."""

    __tablename__ = "people"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    email: Mapped[str] = mapped_column(unique=True)  # folded: see `folded`
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(values_of(Role))
    password_hash: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    disabled_at: Mapped[datetime | None]

    def may(self, right: Right) -> bool:
        """The one place where a role turns into a permission."""
        return self.disabled_at is None and right in RIGHTS[self.role]


class SetupCode(Base):
    """The code that makes its user the owner: one row, hashed, dead after use."""

    __tablename__ = "setup_codes"

    id: Mapped[int] = mapped_column(primary_key=True)  # always 1
    code_hash: Mapped[str]
    used_at: Mapped[datetime | None]


def folded(email: str) -> str:
    """An address as we compare it."""
    return email.strip().casefold()


def has_owner(session: Session) -> bool:
    """Whether the panel has been set up."""
    return bool(session.scalar(select(exists().where(Person.role == Role.OWNER))))


def find(session: Session, person_id: UUID) -> Person:
    """Raises NotFound."""
    person = session.get(Person, person_id)
    if person is None:
        raise NotFound("There is no such person.")
    return person


def by_email(session: Session, email: str) -> Person | None:
    """Whose address this is."""
    return session.scalar(select(Person).where(Person.email == folded(email)))


def unchanged(session: Session, person: Person) -> Person | None:
    """The person whose password was looked at outside of this transaction, if it still holds."""
    same = select(Person).where(
        Person.id == person.id,
        Person.password_hash == person.password_hash,
        Person.disabled_at.is_(None),
    )
    return session.scalar(same.with_for_update())


def listed(session: Session) -> list[Person]:
    """Everybody: owners first, and who is disabled last."""
    found = session.scalars(select(Person).order_by(Person.name, Person.id))
    rank = list(Role)
    return sorted(found, key=lambda one: (one.disabled_at is not None, rank.index(one.role)))


def replace_setup_code(session: Session, code_hash: str) -> None:
    """Put a code in the place of one that was lost; raises InvalidState once there is an owner."""
    if has_owner(session):
        raise InvalidState("The panel has an owner already.")
    session.merge(SetupCode(id=1, code_hash=code_hash))


def setup_code_hash(session: Session) -> str | None:
    """What the set-up code is compared with; raises InvalidState if there is an owner already."""
    armed = session.get(SetupCode, 1)
    if has_owner(session) or (armed and armed.used_at):
        raise InvalidState("The panel has an owner already: sign in.")
    return armed.code_hash if armed else None


def create_owner(
    session: Session, code_hash: str, *, email: str, name: str, password_hash: str
) -> Person:
    """The first person. Of two who have given the right code at once, one becomes the owner.

    code_hash  what their code was compared with; raises InvalidState if it is dead by now
    """
    unused = update(SetupCode).where(
        SetupCode.id == 1, SetupCode.used_at.is_(None), SetupCode.code_hash == code_hash
    )
    if not session.execute(unused.values(used_at=clock.now()).returning(SetupCode.id)).first():
        raise InvalidState("The panel has an owner already: sign in.")
    return add(session, email=email, name=name, role=Role.OWNER, password_hash=password_hash)


def add(session: Session, *, email: str, name: str, role: Role, password_hash: str) -> Person:
    """Somebody new."""
    person = Person(email=folded(email), name=name.strip(), role=role, password_hash=password_hash)
    session.add(person)
    session.flush()
    return person
