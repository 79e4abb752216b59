"""The audit log: an entry for each act, in its transaction, and for good."""

import pytest
from flask import Flask
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DatabaseError

from cloudpilot.db import db, reading, transaction
from cloudpilot.domain import audit
from cloudpilot.domain.audit import Action, Actor, AuditEntry
from tests.support.rows import add_person, add_run, add_server


def entries() -> list[AuditEntry]:
    with reading() as session:
        return list(session.scalars(select(AuditEntry).order_by(AuditEntry.id)))


def test_an_entry_says_who_did_what_to_what_and_from_where(core: Flask) -> None:
    with transaction() as session:
        ada = add_person(session)
        server = add_server(session, "web-1")
        by = Actor(ada.email, ada.id, "203.0.113.7")
        audit.record(session, by, Action.SERVER_ADDED, server, host="example.com")
    (entry,) = entries()
    assert (entry.actor, entry.person_id, entry.address) == (ada.email, ada.id, "203.0.113.7")
    assert (entry.action, entry.subject, entry.subject_id) == ("server.added", "servers", server.id)
    assert (entry.subject_name, entry.details) == ("web-1", {"host": "example.com"})


def test_what_has_no_name_is_called_what_the_act_says(core: Flask) -> None:
    with transaction() as session:
        run = add_run(session, add_server(session))
        audit.record(session, audit.PANEL, Action.RUN_STOPPED, run, name="web-1: /etc")
        audit.record(session, audit.PANEL, Action.SIGNED_OUT)
    assert [entry.subject_name for entry in entries()] == ["web-1: /etc", ""]


def test_an_act_that_fails_leaves_no_entry(core: Flask) -> None:
    def fail() -> None:
        with transaction() as session:
            audit.record(session, audit.PANEL, Action.SIGNED_OUT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert entries() == []


@pytest.mark.parametrize(
    "change", [delete(AuditEntry), update(AuditEntry).values(actor="somebody else")]
)
def test_the_database_refuses_to_change_what_was_written(core: Flask, change: object) -> None:
    with transaction() as session:
        audit.record(session, audit.PANEL, Action.SIGNED_OUT)
    with pytest.raises(DatabaseError, match="append-only"), db.engine.begin() as connection:
        connection.execute(change)  # type: ignore[call-overload]
    assert [entry.actor for entry in entries()] == ["CloudPilot"]


@pytest.mark.parametrize("text", ["x" * 10_000, "a\nb\r\x00c", "\u202egnp.exe", "\ud800"])
def test_hostile_names_are_cut_and_made_safe(core: Flask, text: str) -> None:
    with transaction() as session:
        audit.record(session, Actor(text, None, text), Action.SIGN_IN_REFUSED, name=text)
    (entry,) = entries()
    for kept in (entry.actor, entry.address, entry.subject_name):
        assert len(kept) < 350
        assert kept.isprintable()


def test_what_changed_is_told_and_nothing_else(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session, "web-1", port=22)
    changed = audit.changes(server, {"name": "web-1", "port": 2222})
    assert changed == {"port": [22, 2222]}
