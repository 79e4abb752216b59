"""domain.people: who becomes the owner, who may sign in, who may do what."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import people
from cloudpilot.domain.people import RIGHTS, Person, Right
from cloudpilot.errors import CloudPilotError, InvalidState, NotFound
from cloudpilot.kinds import Role
from tests.support.rows import add_person

CODE = "the hash of a code"
RIGHTS_OF = {  # literally, so that nobody changes a role by accident
    Role.OWNER: "view run restore download delete servers vaults forget people recovery",
    Role.ADMIN: "view run restore download delete servers vaults people",
    Role.MEMBER: "view run",
    Role.VIEWER: "view",
}


def create(code_hash: str = CODE, email: str = " Ada@Example.COM ") -> Person:
    with transaction() as session:
        return people.create_owner(
            session, code_hash, email=email, name="Ada", password_hash="of a password"
        )


@pytest.fixture
def armed(core: Flask) -> None:
    with transaction() as session:
        people.replace_setup_code(session, CODE)


@pytest.mark.usefixtures("armed")
def test_the_code_makes_the_owner_once() -> None:
    with reading() as session:
        assert people.setup_code_hash(session) == CODE
    assert (create().role, create_again()) == (Role.OWNER, "InvalidState")
    with transaction() as session, pytest.raises(InvalidState):
        people.replace_setup_code(session, CODE)
    with reading() as session, pytest.raises(InvalidState, match="owner already"):
        people.setup_code_hash(session)


def create_again() -> str:
    try:
        create()
    except InvalidState as error:
        return type(error).__name__
    return "an owner"


@pytest.mark.usefixtures("armed")
def test_a_code_that_was_replaced_meanwhile_makes_nobody() -> None:
    """It was compared outside of the transaction."""
    with transaction() as session:
        people.replace_setup_code(session, "the hash of another")
    assert create_again() == "InvalidState"
    with reading() as session:
        assert not people.has_owner(session)


@pytest.mark.usefixtures("core")
def test_without_a_code_nobody_can_take_the_panel() -> None:
    with reading() as session:
        assert people.setup_code_hash(session) is None
    assert create_again() == "InvalidState"


def test_of_two_who_send_the_right_code_at_once_one_becomes_owner(core: Flask, armed: None) -> None:
    def take(number: int) -> bool:
        with core.app_context():
            try:
                create(email=f"{number}@x.org")
            except CloudPilotError:
                return False
            return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(take, range(4))) == 1
    with reading() as session:
        assert session.scalar(select(func.count(Person.id))) == 1


@pytest.mark.usefixtures("armed")
def test_a_person_is_found_by_id_and_by_address() -> None:
    owner = create()
    with reading() as session:
        found = people.by_email(session, " ADA@example.com")
        assert found is not None
        assert found.id == owner.id
        assert people.by_email(session, "eve@example.com") is None
        assert people.find(session, owner.id).name == "Ada"
        with pytest.raises(NotFound):
            people.find(session, uuid4())


@pytest.mark.usefixtures("armed")
@pytest.mark.parametrize(
    "change", [{"password_hash": "another"}, {"disabled_at": clock.now()}, None]
)
def test_who_has_changed_since_the_password_was_looked_at_is_not_let_in(
    change: dict[str, object] | None,
) -> None:
    seen = create()
    with transaction() as session:
        for column, value in (change or {}).items():
            setattr(session.get_one(Person, seen.id), column, value)
    seen.password_hash = "of a password"
    with transaction() as session:
        assert (people.unchanged(session, seen) is None) is (change is not None)


@pytest.mark.usefixtures("core")
def test_everybody_is_listed_by_role_and_who_is_out_comes_last() -> None:
    with transaction() as session:
        for role in reversed(Role):
            add_person(session, role)
        session.query(Person).filter_by(role=Role.ADMIN).one().disabled_at = clock.now()
    with reading() as session:
        roles = [person.role for person in people.listed(session)]
    assert roles == [Role.OWNER, Role.MEMBER, Role.VIEWER, Role.ADMIN]


@pytest.mark.parametrize("role", Role)
def test_each_role_has_its_rights(role: Role) -> None:
    assert RIGHTS[role] == {Right(word) for word in RIGHTS_OF[role].split()}


def test_each_role_may_what_the_lesser_may() -> None:
    chain = [RIGHTS[role] for role in (Role.VIEWER, Role.MEMBER, Role.ADMIN, Role.OWNER)]
    assert all(lesser <= greater for lesser, greater in pairwise(chain))
    assert chain[0] == {Right.VIEW}
    assert Right.DELETE not in RIGHTS[Role.MEMBER]


def test_who_is_disabled_may_nothing() -> None:
    person = Person(role=Role.OWNER, disabled_at=clock.now())
    assert not any(person.may(right) for right in Right)
    person.disabled_at = None
    assert all(person.may(right) for right in Right)
