"""Membership: who is let in, with which role, and who may change that.

Only owners make or change owners, and nobody changes what they are themselves: so whoever puts an
owner out is an owner who stays, and the last one cannot be put out. What is checked is read under
a lock, so that two owners who demote each other at once cannot both succeed.
"""

from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.domain import links, people, sessions
from cloudpilot.domain.links import OneTimeLink, Purpose
from cloudpilot.domain.people import Person, Right, folded
from cloudpilot.errors import InvalidState, LinkInvalid, NotAllowed, NotFound, SignInFailed
from cloudpilot.kinds import Role
from cloudpilot.secrets import Secret

_RANK = tuple(Role)  # the greatest first


def roles_to_give(by: Person) -> list[Role]:
    """Which roles this person may give to others, the greatest first."""
    if not by.may(Right.PEOPLE):
        return []
    return [role for role in Role if by.role is Role.OWNER or role is not Role.OWNER]


def may_change(by: Person, person: Person) -> bool:
    """Whether `by` may change this person's role, or disable them."""
    return by.id != person.id and person.role in roles_to_give(by)


def may_reset(by: Person, person: Person) -> bool:
    """Whether `by` may hand out a link that gives this person a new password.

    It lets whoever has it in as that person, so an admin cannot make one for another admin.
    """
    below = _RANK.index(by.role) < _RANK.index(person.role)
    return may_change(by, person) and (by.role is Role.OWNER or below)


def invite(session: Session, by: Person, email: str, role: Role) -> Secret:
    """A link that makes a person with that address and role; returns its token.

    Raises NotAllowed for a role that `by` may not give, InvalidState if the address is taken.
    """
    actor = _locked(session, by.id)[by.id]
    if role not in roles_to_give(actor):
        raise NotAllowed(f"As {actor.role} you may not make somebody {role}.")
    _refuse_taken(session, email)
    for link in links.invitations(session, folded(email)):
        _refuse_replacing(actor, link)
    return links.make(session, Purpose.INVITATION, folded(email), role=role, made_by=by.id)


def withdraw(session: Session, by: Person, link_id: UUID) -> OneTimeLink:
    """Have an invitation let nobody in; raises NotAllowed for a role that `by` may not give."""
    actor = _locked(session, by.id)[by.id]
    link = links.invitation(session, link_id)
    _refuse_replacing(actor, link)
    links.withdraw(session, link)
    return link


def join(session: Session, token: str, *, name: str, password_hash: str) -> Person:
    """Whoever has this invitation becomes a person; raises LinkInvalid, InvalidState."""
    link = links.spend(session, token)
    if link.role is None:
        raise LinkInvalid("This link is no invitation.")
    _refuse_taken(session, link.email)
    return people.add(
        session, email=link.email, name=name, role=link.role, password_hash=password_hash
    )


def offer_reset(session: Session, by: Person, person_id: UUID) -> tuple[Person, Secret]:
    """A link that gives this person a new password; returns whose, and its token."""
    found = _locked(session, by.id, person_id)
    person = _other(found, person_id)
    if person.disabled_at or not may_reset(found[by.id], person):
        raise NotAllowed(f"You may not make a reset link for {person.name}.")
    token = links.make(
        session, Purpose.RESET, person.email, person_id=person.id, made_by=found[by.id].id
    )
    return person, token


def reset_password(session: Session, token: str, password_hash: str) -> Person:
    """Whoever has this reset link gives its person a new password; their sessions end."""
    link = links.spend(session, token)
    if link.person_id is None:
        raise LinkInvalid("This link resets no password.")
    person = _locked(session, link.person_id)[link.person_id]
    if person.disabled_at:
        raise LinkInvalid("This link does not work: the account is disabled.")
    person.password_hash = password_hash
    sessions.end_all(session, person.id)
    return person


def change_password(
    session: Session, person_id: UUID, known_hash: str, new_hash: str, *, keep: UUID
) -> Person:
    """Give this person a new password and end their other sessions.

    known_hash  what the old password was compared with; if it has changed since, SignInFailed
    keep        the session that stays
    """
    person = _locked(session, person_id)[person_id]
    if person.password_hash != known_hash:
        raise SignInFailed("The password was changed a moment ago.")
    person.password_hash = new_hash
    sessions.end_all(session, person.id, but=keep)
    links.withdraw_resets_of(session, person)
    return person


def change_role(session: Session, by: Person, person_id: UUID, role: Role) -> tuple[Person, Role]:
    """Give somebody another role; returns the person and the role before. It holds at once.

    Raises NotAllowed, and InvalidState if it would change nothing.
    """
    actor, person = _changeable(session, by, person_id)
    if role not in roles_to_give(actor):
        raise NotAllowed(f"As {actor.role} you may not make somebody {role}.")
    before = person.role
    if before is role:
        raise InvalidState(f"{person.name} is {role} already.")
    person.role = role
    links.withdraw_all_of(session, person)
    return person, before


def disable(session: Session, by: Person, person_id: UUID) -> Person:
    """Let somebody in no more: their sessions end, and links that they made die."""
    _, person = _changeable(session, by, person_id)
    if person.disabled_at:
        raise InvalidState(f"{person.name} is disabled already.")
    person.disabled_at = clock.now()
    sessions.end_all(session, person.id)
    links.withdraw_all_of(session, person)
    return person


def enable(session: Session, by: Person, person_id: UUID) -> Person:
    """Let somebody in again, with the password that they had."""
    _, person = _changeable(session, by, person_id)
    if not person.disabled_at:
        raise InvalidState(f"{person.name} is not disabled.")
    person.disabled_at = None
    return person


def rescue_owner(session: Session, email: str | None) -> tuple[Person, Secret, bool]:
    """For whoever has the command line: a reset link for an owner, who is let in again.

    email  whose; None where there is one owner only. Somebody who is no owner becomes one if no
           owner can sign in any more.
    Returns the person, the link's token, and whether more than the password will be theirs again.
    """
    owners = [p for p in _locked(session).values() if p.role is Role.OWNER]
    person = people.by_email(session, email) if email else owners[0] if len(owners) == 1 else None
    if person is None:
        names = ", ".join(owner.email for owner in owners)
        raise NotFound(f"Say whose: the owners are {names}." if owners else "There is no owner.")
    if person.role is not Role.OWNER and any(not owner.disabled_at for owner in owners):
        raise NotAllowed(f"{person.email} is {person.role}, and there is an owner who may sign in.")
    restored = bool(person.disabled_at) or person.role is not Role.OWNER
    person.role, person.disabled_at = Role.OWNER, None
    token = links.make(session, Purpose.RESET, person.email, person_id=person.id)
    return person, token, restored


def end_session(session: Session, by: Person, person_id: UUID, session_id: UUID | None) -> Person:
    """End one session of somebody else, or all of them (None)."""
    _, person = _changeable(session, by, person_id)
    if session_id:
        sessions.end(session, person.id, session_id)
    else:
        sessions.end_all(session, person.id)
    return person


def _changeable(session: Session, by: Person, person_id: UUID) -> tuple[Person, Person]:
    """Who acts and on whom, as they are now; raises NotAllowed, NotFound."""
    found = _locked(session, by.id, person_id)
    person = _other(found, person_id)
    if not may_change(found[by.id], person):
        raise NotAllowed(f"You may not change what {person.name} is.")
    return found[by.id], person


def _other(found: dict[UUID, Person], person_id: UUID) -> Person:
    if person_id not in found:
        raise NotFound("There is no such person.")
    return found[person_id]


def _locked(session: Session, *ids: UUID) -> dict[UUID, Person]:
    """These people and all owners as they are now, until this transaction ends.

    All are locked by one statement, in order: who waits for another has locked nothing that the
    other waits for.
    """
    rows = select(Person).where(or_(Person.id.in_(ids), Person.role == Role.OWNER))
    locked = rows.order_by(Person.id).with_for_update().execution_options(populate_existing=True)
    return {person.id: person for person in session.scalars(locked)}


def _refuse_replacing(by: Person, link: OneTimeLink) -> None:
    if link.role not in roles_to_give(by):
        raise NotAllowed(f"As {by.role} you may not end the invitation of {link.email}.")


def _refuse_taken(session: Session, email: str) -> None:
    if people.by_email(session, email):
        raise InvalidState("Somebody with this address is here already.")
