"""Attempts to get in: counted by address and by account, in rows."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import attempts, sessions
from cloudpilot.domain.attempts import PRUNED, REMEMBERED, Knock, SignInFailure, network_of
from cloudpilot.domain.sessions import KEPT, SignedIn
from cloudpilot.errors import TooManyAttempts
from tests.support.rows import add_person

ADA = ("the hash of ada", "owner@example.com")
EVE = ("the hash of nobody", "nobody@example.com")
HOME = "2001:db8:1:2::/64"


def knock(network: str, account: tuple[str, str] = ("", "")) -> SignInFailure:
    with transaction() as session:
        return attempts.begin(session, Knock(network, *account))


def tries(networks: list[str], account: tuple[str, str] = ("", "")) -> list[bool]:
    """Which of these attempts are let through."""
    let = []
    for network in networks:
        try:
            knock(network, account)
        except TooManyAttempts:
            let.append(False)
        else:
            let.append(True)
    return let


def age(seconds: float) -> None:
    """Let so much time pass."""
    with transaction() as session:
        rows = session.scalars(select(SignInFailure))
        for row in rows:
            row.at -= timedelta(seconds=seconds)


def at_home(network_address: str = "2001:db8:1:2::7") -> None:
    """Ada has signed in there."""
    with transaction() as session:
        sessions.begin(session, add_person(session), network_address, "")


def test_an_address_tries_twenty_times_a_minute(core: Flask) -> None:
    assert tries(["192.0.2.1"] * 22) == [True] * 20 + [False] * 2
    assert tries(["192.0.2.2"]) == [True]
    age(61)
    assert tries(["192.0.2.1"] * 21) == [True] * 20 + [False]


def test_it_is_said_how_long_to_wait_and_what_was_refused_does_not_count(core: Flask) -> None:
    for _ in range(20):
        knock("192.0.2.1")
    age(20)
    for _ in range(3):
        with pytest.raises(TooManyAttempts) as refused:
            knock("192.0.2.1")
        assert 38 <= (refused.value.seconds or 0) <= 41
    with reading() as session:
        assert session.scalar(select(func.count(SignInFailure.id))) == 20


def test_an_address_tries_two_hundred_times_an_hour(core: Flask) -> None:
    for _ in range(10):
        assert tries(["192.0.2.1"] * 20) == [True] * 20
        age(70)
    assert tries(["192.0.2.1"]) == [False]
    age(3600)
    assert tries(["192.0.2.1"]) == [True]


@pytest.mark.parametrize("account", [ADA, EVE])
def test_an_account_is_tried_six_times_a_minute_from_wherever(
    core: Flask, account: tuple[str, str]
) -> None:
    """Whether it is anybody's makes no difference: nobody learns who is here."""
    at_home()
    strangers = [f"192.0.2.{n}" for n in range(8)]
    assert tries(strangers, account) == [True] * 6 + [False] * 2
    assert tries(["192.0.2.9"], ("another", "x@example.com")) == [True]
    assert tries(["192.0.2.9"]) == [True]
    age(61)
    assert tries(strangers, account) == [True] * 6 + [False] * 2


@pytest.mark.parametrize("far", [True, False])
def test_of_twelve_at_once_as_many_get_through_as_may(core: Flask, far: bool) -> None:
    if not far:
        tries(["192.0.2.1"] * 14)  # of the address's twenty, six are left
    together = Barrier(12)

    def one(n: int) -> bool:
        with core.app_context():
            together.wait()
            return tries([f"192.0.2.{n}"], EVE)[0] if far else tries(["192.0.2.1"])[0]

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(one, range(12))) == 6


def test_an_account_is_tried_sixty_times_an_hour(core: Flask) -> None:
    for _ in range(10):
        assert tries([f"192.0.2.{n}" for n in range(6)], EVE) == [True] * 6
        age(70)
    assert tries(["192.0.2.9"], EVE) == [False]


def test_nobody_locks_the_owner_out_of_where_they_are_at_home(core: Flask) -> None:
    at_home()
    assert tries([f"192.0.2.{n}" for n in range(7)], ADA)[-1] is False
    assert tries([HOME] * 21, ADA) == [True] * 20 + [False]  # the address's own limit holds


def test_what_fails_at_home_does_not_count_against_the_account(core: Flask) -> None:
    at_home()
    assert tries([HOME] * 10, ADA) == [True] * 10
    assert tries([f"192.0.2.{n}" for n in range(7)], ADA) == [True] * 6 + [False]


def test_where_one_was_long_ago_is_no_home(core: Flask) -> None:
    at_home()
    with transaction() as session:
        session.execute(update(SignedIn).values(seen_at=clock.now() - KEPT - timedelta(hours=1)))
    assert tries([HOME] * 7, ADA) == [True] * 6 + [False]


def test_an_attempt_that_was_right_is_taken_back(core: Flask) -> None:
    for _ in range(30):
        attempt = knock("192.0.2.1", EVE)
        with transaction() as session:
            attempts.was_right(session, attempt)
    with reading() as session:
        assert session.scalar(select(func.count(SignInFailure.id))) == 0


def test_one_of_a_kind_and_minute_is_worth_an_entry(core: Flask) -> None:
    def is_first(attempt: SignInFailure) -> bool:
        with reading() as session:
            return attempts.is_first(session, attempt)

    kinds = [("192.0.2.1", ADA), ("192.0.2.1", EVE), ("192.0.2.2", ADA)]
    assert [is_first(knock(*kind)) for kind in kinds * 2] == [True] * 3 + [False] * 3
    age(61)
    assert [is_first(knock(*kind)) for kind in kinds] == [True] * 3


def test_rows_of_yesterday_are_dropped_some_at_a_time(core: Flask) -> None:
    old = clock.now() - REMEMBERED - timedelta(seconds=1)
    with transaction() as session:
        for n in range(PRUNED + 5):
            session.add(SignInFailure(address=f"{n}", account_hash="", at=old))
    for left in (6, 2):
        knock("192.0.2.1")
        with reading() as session:
            assert session.scalar(select(func.count(SignInFailure.id))) == left


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", HOME),
        ("2001:db8:1:2:bbbb::9%eth0", HOME),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::1", "::/64"),
        ("", ""),
        ("unix:", ""),
    ],
)
def test_what_counts_as_one_address(address: str, network: str) -> None:
    assert network_of(address) == network
