"""People: who may use the panel, and what each role may do."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from uuid import UUID, uuid4

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import exists, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain.status import values_of
from cloudpilot.errors import InvalidConfig, InvalidState
from cloudpilot.kinds import Role
from cloudpilot.secrets import Secret

PASSWORD_LENGTH = 10  # characters, at least
PASSWORD_LENGTH_AT_MOST = 1024  # so that hashing a megabyte is nobody's way to stop the panel
_hasher = PasswordHasher()


class Right(StrEnum):
    """What one may be allowed to do."""

    VIEW = "view"
    RUN = "run"  # back up now, check, stop
    RESTORE = "restore"  # put files and databases back
    DOWNLOAD = "download"  # take a backup, and all that is in it, away
    DELETE = "delete"  # delete backups
    SERVERS = "servers"  # add and change servers and sites
    VAULTS = "vaults"  # add and change where backups are kept
    PEOPLE = "people"  # invite people, change their roles, read the audit log


RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.OWNER: frozenset(Right),
    Role.ADMIN: frozenset(Right),
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


def replace_setup_code(session: Session, code: Secret) -> None:
    """Put `code` in the place of one that was lost; raises InvalidState once there is an owner."""
    if has_owner(session):
        raise InvalidState("The panel has an owner already.")
    session.merge(SetupCode(id=1, code_hash=_hasher.hash(code.reveal())))


def create_owner(
    session: Session, code: Secret, *, email: str, name: str, password: Secret
) -> Person:
    """The first person. Of two who send the right code at once, one becomes the owner.

    Raises InvalidConfig for a wrong code or password, InvalidState if there is an owner already.
    """
    armed = session.get(SetupCode, 1)
    if has_owner(session) or (armed and armed.used_at):
        raise InvalidState("The panel has an owner already: sign in.")
    if armed is None or not _matches(armed.code_hash, code):
        raise InvalidConfig(
            "The set-up code is wrong. `flask --app wsgi setup-code` prints a new one."
        )
    password_hash = hashed(password)
    unused = update(SetupCode).where(SetupCode.id == 1, SetupCode.used_at.is_(None))
    if not session.execute(unused.values(used_at=clock.now()).returning(SetupCode.id)).first():
        raise InvalidState("The panel has an owner already: sign in.")
    owner = Person(
        email=folded(email), name=name.strip(), role=Role.OWNER, password_hash=password_hash
    )
    session.add(owner)
    session.flush()
    return owner


def signed_in(session: Session, email: str, password: Secret) -> Person | None:
    """The person with this address and password, unless disabled.

    An unknown address takes as long as a wrong password.
    """
    person = session.scalar(select(Person).where(Person.email == folded(email)))
    right = _matches(person.password_hash if person else _nobodys_hash(), password)
    return person if person and right and not person.disabled_at else None


def hashed(password: Secret) -> str:
    """The Argon2id hash of a new password; raises InvalidConfig for one that is too short."""
    if not PASSWORD_LENGTH <= len(password.reveal()) <= PASSWORD_LENGTH_AT_MOST:
        raise InvalidConfig(f"A password has at least {PASSWORD_LENGTH} characters.")
    return _hasher.hash(password.reveal())


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(
        "nobody's"
    )  # made on first use: it takes 64 MiB, which a worker never needs


def _matches(known_hash: str, given: Secret) -> bool:
    if len(given.reveal()) > PASSWORD_LENGTH_AT_MOST:
        return False
    try:
        return _hasher.verify(known_hash, given.reveal())
    except (VerificationError, InvalidHashError):
        return False
