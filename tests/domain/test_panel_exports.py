"""The panel's exports in vaults: when one is due, late, too old."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloudpilot import clock, recovery
from cloudpilot.db import transaction
from cloudpilot.domain import panel_exports
from cloudpilot.domain import recovery as keys
from cloudpilot.domain.panel_exports import AGAIN, EVERY, KEPT, LATE, PanelExport
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import BackupInProgress, InvalidState, VaultDenied
from cloudpilot.kinds import RunKind
from tests.support.rows import add_person
from tests.support.vaulting import add_vault

MINUTE = timedelta(minutes=1)


def add_key(core: Flask, session: Session) -> str:
    """A recovery key that counts; for whom it encrypts."""
    by = session.query(keys.Person).first() or add_person(session)
    key = keys.add(session, core.extensions["sealer"], recovery.new(), "hash", by)
    keys.confirm(session, key)
    return key.recipient


def add_export(session: Session, vault: Vault, age: timedelta, **columns: Any) -> PanelExport:
    """One that was stored, unless `stored_at` says otherwise."""
    at = clock.now() - age
    values = {"vault_id": vault.id, "key": f"k{age}", "created_at": at, "stored_at": at, "size": 9}
    made = PanelExport(**(values | columns))
    session.add(made)
    session.flush()
    return made


def late(session: Session) -> bool:
    """As the overview asks."""
    key = keys.current(session)
    assert key
    return panel_exports.is_any_late(session, key)


def test_without_a_recovery_key_nothing_is_due(core: Flask) -> None:
    with transaction() as session:
        vault = add_vault(session)
        assert panel_exports.due(session) == panel_exports.standings(session) == []
        with pytest.raises(InvalidState, match="no recovery key"):
            panel_exports.ask(session, vault)


def test_each_vault_has_one_a_day(core: Flask) -> None:
    with transaction() as session:
        mine = {"recipient": add_key(core, session)}
        new, fresh, old = (add_vault(session, name) for name in ("new", "fresh", "old"))
        add_vault(session, "removed", removed_at=clock.now())
        add_export(session, fresh, EVERY - MINUTE, **mine)
        add_export(session, old, EVERY + MINUTE, **mine)
        assert set(panel_exports.due(session)) == {new.id, old.id}
        run = panel_exports.ask(session, new)
        assert (run.kind, run.vault_id) == (RunKind.EXPORT, new.id)
        assert panel_exports.due(session) == [old.id]
        with pytest.raises(BackupInProgress):
            panel_exports.ask(session, new)


def test_one_that_failed_is_followed_within_the_hour_and_a_new_key_at_once(core: Flask) -> None:
    with transaction() as session:
        mine = {"recipient": add_key(core, session)}
        vault = add_vault(session)
        add_export(session, vault, AGAIN - MINUTE, stored_at=None, **mine)
        assert panel_exports.due(session) == []
        add_export(session, vault, MINUTE, **mine)
        add_key(core, session)
        assert panel_exports.due(session) == [vault.id]


def test_a_failure_is_kept_with_its_remedy(core: Flask) -> None:
    with transaction() as session:
        add_key(core, session)
        run = panel_exports.ask(session, add_vault(session))
        panel_exports.failed(session, run, VaultDenied("The store answered 403."))
        [standing] = panel_exports.standings(session)
        assert standing.last
        assert (standing.last.error_code, standing.newest) == ("VAULT_DENIED", None)
        assert standing.last.remedy.startswith("Check the vault's key")
        assert not standing.is_late  # there was no time yet
        assert not late(session)


def test_it_is_late_after_two_days(core: Flask) -> None:
    with transaction() as session:
        mine = {"recipient": add_key(core, session)}
        vault = add_vault(session, created_at=clock.now() - timedelta(days=9))
        add_export(session, vault, timedelta(hours=1), recipient="of a former key")
        newest = add_export(session, vault, LATE - MINUTE, **mine)
        [standing] = panel_exports.standings(session)
        assert (standing.newest, standing.there, standing.is_late) == (newest, 2, False)
        assert not late(session)
        newest.created_at -= 2 * MINUTE
        session.flush()
        [standing] = panel_exports.standings(session)
        assert standing.is_late
        assert late(session)


def test_of_what_is_there_the_newest_seven_stay(core: Flask) -> None:
    with transaction() as session:
        vault = add_vault(session)
        rows = [
            add_export(session, vault, timedelta(days=days), recipient="r")
            for days in range(1, KEPT + 3)
        ]
        failed = add_export(
            session, vault, timedelta(days=3, hours=1), stored_at=None, recipient=""
        )
        add_export(session, vault, timedelta(days=20), gone_at=clock.now(), recipient="")
        coming = add_export(session, vault, timedelta(), stored_at=None, recipient="")
        other = add_export(session, add_vault(session, "b"), timedelta(days=99), recipient="")
        going = panel_exports.to_go(session, vault.id)
        assert [one.id for one in going] == [rows[-1].id, rows[-2].id, failed.id]
        assert not {coming.id, other.id} & {one.id for one in going}


def test_rows_of_what_is_gone_go_but_for_the_newest(core: Flask) -> None:
    with transaction() as session:
        vault, other = add_vault(session), add_vault(session, "other")
        gone: dict[str, Any] = {"gone_at": clock.now(), "recipient": "r"}
        failed = gone | {"stored_at": None, "error_code": "VAULT_DENIED"}
        old = [add_export(session, vault, timedelta(days=days), **gone) for days in (30, 40)]
        old.append(add_export(session, vault, timedelta(days=29), **failed))
        stay = [
            add_export(session, vault, timedelta(days=50), recipient="r"),  # it lies there still
            # As the panel before this one has left it: it may be whole.
            add_export(session, vault, timedelta(days=60), stored_at=None, recipient="r"),
            add_export(session, other, timedelta(days=70), **gone),
        ]
        days = range(2, 2 + KEPT)
        stay += [add_export(session, vault, timedelta(days=one), **failed) for one in days]
        panel_exports.prune(session, vault.id)
        left = set(session.scalars(select(PanelExport.id)))
        assert left == {one.id for one in stay}
        # Of a day of failures, one an hour, all are needed to tell when the next is due.
        stay += [add_export(session, vault, timedelta(hours=n), **failed) for n in range(20)]
        panel_exports.prune(session, vault.id)
        left = set(session.scalars(select(PanelExport.id)))
        assert left == {one.id for one in stay if one not in stay[3 : 3 + KEPT]}
        assert not {one.id for one in old} & left
