"""Recovery keys: which one counts, and what of it the panel keeps."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import text

from cloudpilot import recovery
from cloudpilot.db import db, reading, transaction
from cloudpilot.domain import recovery as keys
from cloudpilot.domain.people import Person
from cloudpilot.domain.recovery import PanelKey
from cloudpilot.errors import InvalidState
from cloudpilot.recovery import RecoveryKey
from cloudpilot.secrets import Sealer
from tests.support.rows import add_person


@pytest.fixture
def sealer(core: Flask) -> Sealer:
    found: Sealer = core.extensions["sealer"]
    return found


@pytest.fixture
def owner(core: Flask) -> Person:
    with transaction() as session:
        return add_person(session)


Make = Callable[[], tuple[RecoveryKey, PanelKey]]


@pytest.fixture
def make(sealer: Sealer, owner: Person) -> Make:
    def make() -> tuple[RecoveryKey, PanelKey]:
        made = recovery.new()
        with transaction() as session:
            return made, keys.add(session, sealer, made, "hash", owner)

    return make


def test_a_key_counts_once_somebody_has_shown_that_they_have_it(sealer: Sealer, make: Make) -> None:
    with reading() as session:
        assert keys.current(session) is keys.unconfirmed(session) is None
        assert keys.manifest_key(session, sealer) is None
    made, key = make()
    with reading() as session:
        assert keys.current(session) is None
        assert keys.manifest_key(session, sealer) is None
        waiting = keys.unconfirmed(session)
    assert waiting is not None
    assert (waiting.id, waiting.ending_hash) == (key.id, "hash")
    with transaction() as session:
        keys.confirm(session, key)
    with reading() as session:
        current = keys.current(session)
        assert keys.unconfirmed(session) is None
        assert keys.manifest_key(session, sealer) == recovery.manifest_key(made.secret)
    assert current is not None
    assert (current.recipient, current.ending_hash) == (made.recipient, "hash")


def test_until_the_next_key_is_confirmed_the_former_one_counts(sealer: Sealer, make: Make) -> None:
    _, first = make()
    with transaction() as session:
        keys.confirm(session, first)
    made, second = make()
    with reading() as session:
        assert getattr(keys.current(session), "id", None) == first.id
    with transaction() as session:
        keys.confirm(session, second)
        assert getattr(keys.current(session), "recipient", None) == made.recipient


def test_only_the_newest_can_be_confirmed(sealer: Sealer, make: Make) -> None:
    _, first = make()
    with transaction() as session:
        keys.confirm(session, first)
        since = getattr(keys.current(session), "confirmed_at", None)
    assert since
    with transaction() as session:
        keys.confirm(session, first)  # again, which changes nothing
        assert getattr(keys.current(session), "confirmed_at", None) == since
    _, second = make()
    make()
    with pytest.raises(InvalidState, match="another recovery key"), transaction() as session:
        keys.confirm(session, second)


def test_the_key_itself_is_not_kept(sealer: Sealer, make: Make) -> None:
    made, _ = make()
    with db.engine.connect() as connection:
        kept = str(connection.execute(text("SELECT * FROM recovery_keys")).all())
    assert made.recipient in kept
    assert made.secret.reveal()[16:] not in kept
    assert recovery.manifest_key(made.secret).hex() not in kept
