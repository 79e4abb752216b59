"""Membership: invitations, roles, resets, and that an owner always stays."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select, update

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import links, membership, people, sessions
from cloudpilot.domain.links import GOOD_FOR, OneTimeLink, Purpose
from cloudpilot.domain.people import Person
from cloudpilot.errors import (
    CloudPilotError,
    InvalidState,
    LinkInvalid,
    NotAllowed,
    NotFound,
    SignInFailed,
)
from cloudpilot.kinds import Role
from cloudpilot.secrets import Secret

O, A, M, V = Role.OWNER, Role.ADMIN, Role.MEMBER, Role.VIEWER  # noqa: E741
GIVES = {O: {O, A, M, V}, A: {A, M, V}, M: set(), V: set()}  # who gives which role, and changes it
RESETS = {O: {O, A, M, V}, A: {M, V}, M: set(), V: set()}  # who makes a reset link for whom


def add(role: Role, email: str = "") -> Person:
    with transaction() as session:
        return people.add(
            session,
            email=email or f"{role}-{uuid4().hex[:8]}@example.com",
            name=role.title(),
            role=role,
            password_hash="of a password",
        )


def now(person: Person) -> Person:
    with reading() as session:
        return people.find(session, person.id)


def invite(by: Person, email: str, role: Role) -> Secret:
    with transaction() as session:
        return membership.invite(session, by, email, role)


def join(token: Secret) -> Person:
    with transaction() as session:
        return membership.join(session, token.reveal(), name=" Bea ", password_hash="hers")


def offer(by: Person, person: Person) -> Secret:
    with transaction() as session:
        return membership.offer_reset(session, by, person.id)[1]


def reset(token: Secret) -> Person:
    with transaction() as session:
        return membership.reset_password(session, token.reveal(), "new")


def change_role(by: Person, person: Person, role: Role) -> Person:
    with transaction() as session:
        return membership.change_role(session, by, person.id, role)[0]


def disable(by: Person, person: Person) -> Person:
    with transaction() as session:
        return membership.disable(session, by, person.id)


def enable(by: Person, person: Person) -> Person:
    with transaction() as session:
        return membership.enable(session, by, person.id)


def sign_in(person: Person) -> str:
    with transaction() as session:
        return sessions.begin(session, person, "192.0.2.1", "a browser").reveal()


def is_in(token: str) -> bool:
    with reading() as session:
        return sessions.of_token(session, token) is not None


def refused(act: Callable[[], object]) -> bool:
    try:
        act()
    except NotAllowed:
        return True
    return False


@pytest.mark.parametrize("by", Role)
@pytest.mark.parametrize("role", Role)
def test_who_gives_which_role(core: Flask, by: Role, role: Role) -> None:
    """An owner always stays, so that it is the role alone that decides."""
    add(O)
    actor, other = add(by), add(V if role is not V else M)
    may = role in GIVES[by]
    assert refused(lambda: invite(actor, "new@example.com", role)) is not may
    assert refused(lambda: change_role(actor, other, role)) is not may
    assert (now(other).role is role) is may


@pytest.mark.parametrize("by", Role)
@pytest.mark.parametrize("role", Role)
def test_who_changes_whom(core: Flask, by: Role, role: Role) -> None:
    add(O)
    actor, person = add(by), add(role)
    token = sign_in(person)
    assert membership.may_change(actor, person) is (role in GIVES[by])
    assert refused(lambda: change_role(actor, person, V if role is not V else M)) is (
        role not in GIVES[by]
    )
    person = add(role)
    assert refused(lambda: disable(actor, person)) is (role not in GIVES[by])
    assert (now(person).disabled_at is None) is (role not in GIVES[by])

    with transaction() as session:
        session.execute(
            update(Person).where(Person.id == person.id).values(disabled_at=clock.now())
        )
    assert refused(lambda: enable(actor, person)) is (role not in GIVES[by])

    other = add(role)
    token = sign_in(other)

    def end() -> None:
        with transaction() as session:
            membership.end_session(session, actor, other.id, None)

    assert refused(end) is is_in(token) is (role not in GIVES[by])


@pytest.mark.parametrize("by", Role)
@pytest.mark.parametrize("role", Role)
def test_who_resets_whose_password(core: Flask, by: Role, role: Role) -> None:
    actor, person = add(by), add(role)
    assert membership.may_reset(actor, person) is (role in RESETS[by])
    assert refused(lambda: offer(actor, person)) is (role not in RESETS[by])


def test_an_admin_does_not_end_an_invitation_to_be_an_owner(core: Flask) -> None:
    owner, admin = add(O), add(A)
    token = invite(owner, "new@example.com", O)
    with reading() as session:
        link = links.opened(session, token.reveal())

    def withdraw(by: Person) -> None:
        with transaction() as session:
            membership.withdraw(session, by, link.id)

    assert refused(lambda: invite(admin, " New@example.com", V))
    assert refused(lambda: withdraw(admin))
    with reading() as session:
        assert links.opened(session, token.reveal()).role is O
    assert not refused(lambda: invite(admin, "another@example.com", V))
    assert not refused(lambda: invite(admin, "another@example.com", M))
    withdraw(owner)
    with reading() as session, pytest.raises(LinkInvalid):
        links.opened(session, token.reveal())


@pytest.mark.parametrize("act", [disable, enable, offer])
def test_nobody_does_it_to_themselves(core: Flask, act: Callable[[Person, Person], object]) -> None:
    add(O)
    for role in (O, A):
        actor = add(role)
        assert refused(lambda actor=actor: act(actor, actor))
        assert refused(lambda actor=actor: change_role(actor, actor, V))


def test_who_is_not_there_cannot_be_changed(core: Flask) -> None:
    owner = add(O)
    with pytest.raises(NotFound):
        disable(owner, Person(id=uuid4()))


def test_what_changes_nothing_is_said(core: Flask) -> None:
    owner, member = add(O), add(M)
    with pytest.raises(InvalidState, match="is member already"):
        change_role(owner, member, M)
    with pytest.raises(InvalidState, match="is not disabled"):
        enable(owner, member)
    disable(owner, member)
    with pytest.raises(InvalidState, match="is disabled already"):
        disable(owner, member)
    assert enable(owner, member).disabled_at is None


def test_who_was_demoted_a_moment_ago_acts_no_more(core: Flask) -> None:
    """What the request was let in with is looked at again, under the lock."""
    first, second, viewer = add(O), add(O), add(V)
    change_role(first, second, V)
    assert second.role is O  # as their own request still believes
    for act in (
        lambda: change_role(second, first, V),
        lambda: change_role(second, viewer, A),
        lambda: invite(second, "x@example.com", O),
        lambda: offer(second, first),
    ):
        assert refused(act)


@pytest.mark.parametrize("attempt", range(3))
@pytest.mark.parametrize("act", [disable, lambda by, person: change_role(by, person, A)])
def test_of_owners_who_put_each_other_out_at_once_one_stays(
    core: Flask, act: Callable[[Person, Person], object], attempt: int
) -> None:
    owners = [add(O) for _ in range(4)]
    together = Barrier(4)

    def put_out(number: int) -> bool:
        with core.app_context():
            together.wait(10)
            try:
                act(owners[number], owners[(number + 1) % 4])
            except CloudPilotError:
                return False
            return True

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(put_out, range(4)))
    left = [one for one in map(now, owners) if one.role is O and one.disabled_at is None]
    assert len(left) == 4 - sum(done)
    assert left


def test_who_was_disabled_a_moment_ago_puts_the_last_owner_not_out(core: Flask) -> None:
    owner, other = add(O), add(O)
    disable(owner, other)
    assert other.disabled_at is None  # as their own request still believes
    assert refused(lambda: disable(other, owner))


def test_an_invitation_makes_a_person_once(core: Flask) -> None:
    owner = add(O)
    token = invite(owner, " Bea@Example.com ", M)
    with reading() as session:
        assert links.opened(session, token.reveal()).email == "bea@example.com"
        assert token.reveal() not in {link.token_hash for link in links.invitations(session)}
    bea = join(token)
    assert (bea.email, bea.name, bea.role) == ("bea@example.com", "Bea", M)
    with pytest.raises(LinkInvalid):
        join(token)
    with reading() as session:
        assert links.invitations(session) == []


def test_of_several_who_come_with_one_link_at_once_one_comes_in(core: Flask) -> None:
    token = invite(add(O), "bea@example.com", M)
    together = Barrier(4)

    def come(_: int) -> bool:
        with core.app_context():
            together.wait(10)
            try:
                join(token)
            except CloudPilotError:
                return False
            return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(come, range(4))) == 1


def test_nobody_is_invited_who_is_here(core: Flask) -> None:
    owner, member = add(O), add(M)
    with pytest.raises(InvalidState, match="here already"):
        invite(owner, member.email.upper(), V)
    token = invite(owner, "bea@example.com", V)
    add(V, "bea@example.com")
    with pytest.raises(InvalidState, match="here already"):
        join(token)


def test_a_new_invitation_replaces_the_old_one(core: Flask) -> None:
    owner = add(O)
    old, other = invite(owner, "bea@example.com", A), invite(owner, "eve@example.com", V)
    new = invite(owner, "bea@example.com", V)
    with pytest.raises(LinkInvalid):
        join(old)
    assert (join(new).role, join(other).role) == (V, V)


@pytest.mark.parametrize("purpose", Purpose)
def test_a_link_dies_of_age(core: Flask, purpose: Purpose) -> None:
    owner, member = add(O), add(M)
    token = offer(owner, member) if purpose is Purpose.RESET else invite(owner, "b@x.org", V)
    use: Callable[[Secret], Person] = reset if purpose is Purpose.RESET else join
    with transaction() as session:
        link = session.scalars(select(OneTimeLink)).one()
        assert link.expires_at - link.created_at <= GOOD_FOR[purpose] + timedelta(seconds=1)
        link.expires_at = clock.now() - timedelta(seconds=1)
    with pytest.raises(LinkInvalid):
        use(token)
    with reading() as session:
        waiting = links.invitations(session)
        assert [link.is_expired for link in waiting] == [True] * (purpose is Purpose.INVITATION)


def test_an_invitation_is_withdrawn(core: Flask) -> None:
    owner = add(O)
    token = invite(owner, "bea@example.com", V)
    with transaction() as session:
        (link,) = links.invitations(session)
        links.withdraw(session, links.invitation(session, link.id))
    with pytest.raises(LinkInvalid):
        join(token)
    offer(owner, add(M))
    with reading() as session:
        rows = select(OneTimeLink.id).where(OneTimeLink.purpose == Purpose.RESET)
        for link_id in (link.id, uuid4(), session.scalars(rows).one()):
            with pytest.raises(NotFound):
                links.invitation(session, link_id)


def test_a_link_is_good_for_its_own_purpose_only(core: Flask) -> None:
    owner, member = add(O), add(M)
    invitation, reset_link = invite(owner, "bea@example.com", V), offer(owner, member)
    with pytest.raises(LinkInvalid):
        reset(invitation)
    with pytest.raises(LinkInvalid):
        join(reset_link)
    assert (reset(reset_link).id, join(invitation).role) == (member.id, V)  # nothing was used up


def test_a_reset_ends_all_sessions(core: Flask) -> None:
    owner, member = add(O), add(M)
    sessions_of_member, of_owner = [sign_in(member), sign_in(member)], sign_in(owner)
    token = offer(owner, member)
    assert all(map(is_in, sessions_of_member))  # an offer alone ends nothing
    assert reset(token).password_hash == "new"
    assert not any(map(is_in, sessions_of_member))
    assert is_in(of_owner)
    with pytest.raises(LinkInvalid):
        reset(token)


def test_a_reset_lets_nobody_in_who_was_disabled(core: Flask) -> None:
    owner, member = add(O), add(M)
    token = offer(owner, member)
    with transaction() as session:
        session.get_one(Person, member.id).disabled_at = clock.now()
    with pytest.raises(LinkInvalid, match="disabled"):
        reset(token)
    assert refused(lambda: offer(owner, member))


@pytest.mark.parametrize("act", [disable, lambda by, person: change_role(by, person, V)])
def test_links_of_who_was_put_out_die(core: Flask, act: Callable[[Person, Person], object]) -> None:
    """Or an admin who is put out comes back as somebody else."""
    owner, admin, member = add(O), add(A), add(M)
    made = [invite(admin, "accomplice@example.com", A), offer(admin, member)]
    other = invite(owner, "bea@example.com", V)
    act(owner, admin)
    for token, use in zip(made, (join, reset), strict=True):
        with pytest.raises(LinkInvalid):
            use(token)
    assert join(other).role is V


def test_a_reset_link_does_not_grow_with_its_person(core: Flask) -> None:
    """An admin makes a link for a member, who becomes an owner: the link must not open that."""
    owner, admin, member = add(O), add(A), add(M)
    token = offer(admin, member)
    change_role(owner, member, O)
    with pytest.raises(LinkInvalid):
        reset(token)


def test_disabling_ends_sessions_for_good(core: Flask) -> None:
    owner, member = add(O), add(M)
    token = sign_in(member)
    disable(owner, member)
    enable(owner, member)
    assert not is_in(token)


def test_a_new_password_ends_the_other_sessions_and_reset_links(core: Flask) -> None:
    owner, member = add(O), add(M)
    kept, other = sign_in(member), sign_in(member)
    token = offer(owner, member)
    with reading() as session:
        found = sessions.of_token(session, kept)
    assert found

    def change(known_hash: str) -> None:
        with transaction() as session:
            membership.change_password(session, member.id, known_hash, "new", keep=found[0].id)

    with pytest.raises(SignInFailed):
        change("of another password")
    change("of a password")
    assert (is_in(kept), is_in(other), now(member).password_hash) == (True, False, "new")
    with pytest.raises(LinkInvalid):
        reset(token)


def test_one_session_of_somebody_is_ended(core: Flask) -> None:
    owner, member = add(O), add(M)
    first, second = sign_in(member), sign_in(member)
    with reading() as session:
        found = sessions.of_token(session, first)
    assert found
    with transaction() as session:
        membership.end_session(session, owner, member.id, found[0].id)
    assert (is_in(first), is_in(second)) == (False, True)


def rescue(email: str | None = None) -> tuple[Person, Secret, bool]:
    with transaction() as session:
        return membership.rescue_owner(session, email)


def test_the_only_owner_is_rescued_without_being_named(core: Flask) -> None:
    owner = add(O, "ada@example.com")
    person, token, restored = rescue()
    assert (person.id, restored) == (owner.id, False)
    assert reset(token).password_hash == "new"


def test_of_several_owners_one_has_to_be_named(core: Flask) -> None:
    add(O, "ada@example.com")
    disable(add(O), add(O, "bob@example.com"))
    with pytest.raises(NotFound, match=r"owners are .*ada@example.com"):
        rescue()
    person, _, restored = rescue("Bob@example.com")
    assert (person.email, person.disabled_at, restored) == ("bob@example.com", None, True)


def test_nobody_else_becomes_an_owner_while_there_is_one(core: Flask) -> None:
    member = add(M)
    with pytest.raises(NotFound, match="There is no owner"):
        rescue()
    owner = add(O)
    with pytest.raises(NotAllowed):
        rescue(member.email)
    with pytest.raises(NotFound):
        rescue("nobody@example.com")
    with transaction() as session:
        session.get_one(Person, owner.id).disabled_at = clock.now()
    person, token, restored = rescue(member.email)
    assert (person.role, restored) == (O, True)
    assert reset(token).role is O
