"""Sessions: who is signed in, where, and how it ends."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import update

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import sessions
from cloudpilot.domain.people import Person
from cloudpilot.domain.sessions import IDLE, KEPT, LIFETIME, SEEN, SignedIn
from cloudpilot.errors import NotFound
from tests.support.rows import add_person

A_SECOND = timedelta(seconds=1)


@pytest.fixture
def ada(core: Flask) -> Person:
    with transaction() as session:
        return add_person(session)


def begin(person: Person, agent: str = "a browser") -> str:
    with transaction() as session:
        return sessions.begin(session, person, "192.0.2.7", agent).reveal()


def of(token: str) -> SignedIn | None:
    with reading() as session:
        found = sessions.of_token(session, token)
    return found[0] if found else None


def change(**columns: object) -> None:
    with transaction() as session:
        session.execute(update(SignedIn).values(**columns))


def test_a_token_leads_to_its_person_and_is_kept_nowhere(ada: Person) -> None:
    token, other = begin(ada), begin(ada)
    assert token != other
    assert len(token) >= 43  # 256 bits
    with reading() as session:
        found = sessions.of_token(session, token)
        assert found is not None
        assert found[1].id == ada.id
        rows = session.query(SignedIn).all()
    assert not {token, other} & {str(value) for row in rows for value in vars(row).values()}
    for wrong in ("", "x", token[:-1], token + "=", "\ud800", found[0].token_hash):
        assert of(wrong) is None


@pytest.mark.parametrize(
    ("column", "ago", "alive"),
    [
        ("seen_at", timedelta(0), True),
        ("ended_at", timedelta(0), False),
        ("expires_at", A_SECOND, False),
        ("seen_at", IDLE + A_SECOND, False),
        ("seen_at", IDLE - timedelta(minutes=5), True),
    ],
)
def test_a_session_ends_by_hand_by_age_and_when_it_is_left_alone(
    ada: Person, column: str, ago: timedelta, alive: bool
) -> None:
    token = begin(ada)
    change(**{column: clock.now() - ago})
    assert (of(token) is not None) is alive
    with reading() as session:
        assert len(sessions.listed(session, ada.id)) == alive


def test_who_is_disabled_is_in_no_session(ada: Person) -> None:
    token = begin(ada)
    with transaction() as session:
        session.get_one(Person, ada.id).disabled_at = clock.now()
    assert of(token) is None


def test_it_is_noticed_once_a_minute_that_somebody_is_there(ada: Person) -> None:
    token = begin(ada)
    row = of(token)
    assert row is not None
    assert not sessions.is_stale(row)
    with transaction() as session:
        sessions.saw(session, row)
    unchanged = of(token)
    assert unchanged is not None
    assert unchanged.seen_at == row.seen_at

    change(seen_at=clock.now() - SEEN - A_SECOND)
    row = of(token)
    assert row is not None
    assert sessions.is_stale(row)
    with transaction() as session:
        sessions.saw(session, row)
    seen = of(token)
    assert seen is not None
    assert not sessions.is_stale(seen)
    with reading() as session:
        assert sessions.last_seen(session) == {ada.id: seen.seen_at}


def test_one_is_ended_by_whose_it_is_only(ada: Person) -> None:
    first, second = begin(ada), begin(ada)
    row = of(first)
    assert row is not None

    def end(person_id: UUID, session_id: UUID) -> None:
        with transaction() as session:
            sessions.end(session, person_id, session_id)

    for person_id, session_id in ((uuid4(), row.id), (ada.id, uuid4())):
        with pytest.raises(NotFound):
            end(person_id, session_id)
    end(ada.id, row.id)
    assert (of(first), of(second) is None) == (None, False)
    with pytest.raises(NotFound, match="ended"):
        end(ada.id, row.id)


def test_all_are_ended_but_perhaps_one(ada: Person) -> None:
    tokens = [begin(ada) for _ in range(3)]
    kept = of(tokens[1])
    assert kept is not None
    with transaction() as session:
        assert sessions.end_all(session, ada.id, but=kept.id) == 2
    assert [of(token) is not None for token in tokens] == [False, True, False]
    with transaction() as session:
        assert sessions.end_all(session, ada.id) == 1
    assert of(tokens[1]) is None


def test_what_a_browser_calls_itself_is_cut_and_made_safe(ada: Person) -> None:
    token = begin(ada, "Fire\x00fox\x1b[31m \u202e \ud800" + "x" * 10_000)
    row = of(token)
    assert row is not None
    assert row.agent.startswith("Fire\\x00fox\\x1b[31m \\u202e")
    assert len(row.agent) < 400


def test_rows_of_long_ago_go_when_their_person_comes_back(ada: Person) -> None:
    begin(ada)
    change(expires_at=clock.now() - KEPT - A_SECOND)
    token = begin(ada)
    with reading() as session:
        rows = session.query(SignedIn).all()
    assert [row.token_hash for row in rows] == [sessions.hash_of(token)]
    assert rows[0].expires_at - rows[0].created_at <= LIFETIME + A_SECOND
