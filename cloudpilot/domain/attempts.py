"""Attempts: how often one may try to get in, from an address and at an account.

They are rows, since Redis may be emptied at any time: that opens no door and closes none. An
attempt is written down before the password is looked at, and taken back if it was right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address

from sqlalchemy import ColumnElement, Index, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain.people import Person, folded
from cloudpilot.domain.sessions import KEPT, SignedIn
from cloudpilot.errors import TooManyAttempts

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
REMEMBERED = timedelta(days=1)
BY_ADDRESS = ((20, MINUTE), (200, HOUR))
BY_ACCOUNT = ((6, MINUTE), (60, HOUR))
PRUNED = 100  # rows at a time
NETWORK_BITS = 64  # of an IPv6 address: all of one household's are one


class SignInFailure(Base):
    """One refused attempt to get in."""

    __tablename__ = "sign_in_failures"
    __table_args__ = (Index(None, "address", "at"), Index(None, "account_hash", "at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=clock.now)
    address: Mapped[str]  # see `network_of`
    account_hash: Mapped[str]  # of what was typed, which need not be anybody's; "" at other doors


@dataclass(frozen=True, slots=True)
class Knock:
    """Who tries to get in where.

    account_hash  stands for the account that is tried, without saying it; "" if it is no account
    email         whose account that is
    """

    network: str
    account_hash: str = ""
    email: str = ""


def network_of(address: str) -> str:
    """What we count as one address.

    >>> network_of("192.0.2.7"), network_of("2001:db8:1:2:3:4:5:6"), network_of("::ffff:192.0.2.7")
    ('192.0.2.7', '2001:db8:1:2::/64', '192.0.2.7')
    >>> network_of("a socket")
    ''
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    rest = 128 - NETWORK_BITS
    return f"{IPv6Address(int(found) >> rest << rest)}/{NETWORK_BITS}"


def begin(session: Session, knock: Knock) -> SignInFailure:
    """Count one attempt; raises TooManyAttempts, which counts nothing.

    The account's limit holds for strangers only: who tries from where its owner has signed in
    lately neither counts there nor is refused, so that nobody can lock the owner out.
    """
    _prune(session)
    _take_turns(session, f"network {knock.network}")
    _refuse_after(session, BY_ADDRESS, [SignInFailure.address == knock.network])
    known = _known_networks(session, knock.email) if knock.account_hash else set()
    if knock.account_hash and knock.network not in known:
        _take_turns(session, f"account {knock.account_hash}")
        there = SignInFailure.account_hash == knock.account_hash
        _refuse_after(session, BY_ACCOUNT, [there, SignInFailure.address.not_in(known)])
    attempt = SignInFailure(address=knock.network, account_hash=knock.account_hash)
    session.add(attempt)
    session.flush()
    return attempt


def was_right(session: Session, attempt: SignInFailure) -> None:
    """It was no failure."""
    session.execute(delete(SignInFailure).where(SignInFailure.id == attempt.id))


def is_first(session: Session, attempt: SignInFailure) -> bool:
    """Whether it is the first of its kind within a minute: so much of it is worth an entry."""
    before = select(SignInFailure.id).where(
        SignInFailure.address == attempt.address,
        SignInFailure.account_hash == attempt.account_hash,
        SignInFailure.at > attempt.at - MINUTE,
        SignInFailure.id < attempt.id,
    )
    return session.scalar(before.limit(1)) is None


def _refuse_after(
    session: Session,
    limits: Sequence[tuple[int, timedelta]],
    conditions: Sequence[ColumnElement[bool]],
) -> None:
    """Found by the attempt that used the limit up, however many there are."""
    now = clock.now()
    for count, window in limits:
        rows = select(SignInFailure.at).where(*conditions, SignInFailure.at > now - window)
        last = session.scalar(rows.order_by(SignInFailure.at.desc()).offset(count - 1).limit(1))
        if last:
            seconds = int((last + window - now).total_seconds()) + 1
            raise TooManyAttempts("Too many attempts from here or for this account.", seconds)


def _take_turns(session: Session, whose: str) -> None:
    """One at a time until the transaction ends, so that each counts those before it. SQLite needs
    no lock: there one transaction writes at a time anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(whose, 0))))


def _known_networks(session: Session, email: str) -> set[str]:
    """From where this account was used lately."""
    rows = select(SignedIn.address).join(Person, SignedIn.person_id == Person.id)
    rows = rows.where(Person.email == folded(email), SignedIn.seen_at > clock.now() - KEPT)
    return {network_of(address) for address in session.scalars(rows.distinct())}


def _prune(session: Session) -> None:
    """The oldest go first, a few at a time: nobody who tries pays for all the others."""
    oldest = session.execute(
        select(SignInFailure.id, SignInFailure.at).order_by(SignInFailure.id).limit(PRUNED)
    )
    old = [row.id for row in oldest if row.at < clock.now() - REMEMBERED]
    if old:
        session.execute(delete(SignInFailure).where(SignInFailure.id.in_(old)))
