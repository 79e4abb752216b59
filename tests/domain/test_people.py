"""domain.people: who becomes the owner, who may sign in, who may do what."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from flask import Flask
from sqlalchemy import func, select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import people
from cloudpilot.domain.people import RIGHTS, Person, Right
from cloudpilot.errors import CloudPilotError, InvalidConfig, InvalidState
from cloudpilot.kinds import Role
from cloudpilot.secrets import Secret

CODE = Secret("the code")
PASSWORD = Secret("correct horse battery")


def create(code: Secret = CODE, password: Secret = PASSWORD) -> Person:
    with transaction() as session:
        return people.create_owner(
            session, code, email=" Ada@Example.COM ", name="Ada", password=password
        )


@pytest.fixture
def armed(core: Flask) -> None:
    with transaction() as session:
        people.replace_setup_code(session, CODE)


@pytest.mark.usefixtures("armed")
def test_the_right_code_makes_the_owner_once() -> None:
    assert create().role is Role.OWNER
    with pytest.raises(InvalidState, match="owner already"):
        create()
    with transaction() as session, pytest.raises(InvalidState):
        people.replace_setup_code(session, CODE)


@pytest.mark.usefixtures("armed")
@pytest.mark.parametrize("code", ["", "the cod", "the code ", "x" * 5000])
def test_a_wrong_code_makes_nobody(code: str) -> None:
    with pytest.raises(InvalidConfig, match="set-up code is wrong"):
        create(Secret(code))
    with reading() as session:
        assert not people.has_owner(session)


@pytest.mark.usefixtures("core")
def test_without_a_code_nobody_can_take_the_panel() -> None:
    with pytest.raises(InvalidConfig, match="prints a new one"):
        create(Secret(""))


@pytest.mark.usefixtures("armed")
def test_a_short_password_leaves_the_code_alive() -> None:
    for password in ("short", "x" * 2000):
        with pytest.raises(InvalidConfig, match="at least 10"):
            create(password=Secret(password))
    create()


def test_of_two_who_send_the_right_code_at_once_one_becomes_owner(core: Flask, armed: None) -> None:
    def take(number: int) -> bool:
        with core.app_context():
            try:
                with transaction() as session:
                    people.create_owner(
                        session, CODE, email=f"{number}@x.org", name="x", password=PASSWORD
                    )
            except CloudPilotError:
                return False
            return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(take, range(4))) == 1
    with reading() as session:
        assert session.scalar(select(func.count(Person.id))) == 1


@pytest.mark.usefixtures("armed")
def test_signing_in_takes_the_address_and_the_password() -> None:
    owner = create()
    with reading() as session:
        found = people.signed_in(session, "ADA@example.com", PASSWORD)
        assert found is not None
        assert found.id == owner.id
        assert people.signed_in(session, "ada@example.com", Secret("wrong")) is None
        assert people.signed_in(session, "eve@example.com", PASSWORD) is None
    with transaction() as session:
        session.get_one(Person, owner.id).disabled_at = clock.now()
    with reading() as session:
        assert people.signed_in(session, "ada@example.com", PASSWORD) is None


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
