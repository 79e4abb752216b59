"""The database: migrations are the models, times are UTC, a transaction is one step."""

import signal
from datetime import UTC, datetime
from threading import Thread
from types import FrameType

import flask_migrate
import pytest
from flask import Flask
from rq.timeouts import JobTimeoutException
from sqlalchemy import inspect, select, text, update
from sqlalchemy.exc import InternalError, OperationalError, StatementError
from sqlalchemy.orm import Session

from cloudpilot.db import GIVEN_UP, after_commit, db, reading, transaction
from cloudpilot.domain.servers import Server
from tests.support.rows import add_server


def test_models_and_migrations_agree(core: Flask) -> None:
    flask_migrate.check()


def test_migrations_go_down_and_up_again(core: Flask) -> None:
    flask_migrate.downgrade(revision="base")
    assert set(inspect(db.engine).get_table_names()) <= {"alembic_version"}
    flask_migrate.upgrade()
    assert "backups" in inspect(db.engine).get_table_names()


def test_an_instant_comes_back_aware_and_in_utc(core: Flask) -> None:
    at = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    with transaction() as session:
        add_server(session, checked_at=at)
    with reading() as session:
        server = session.scalars(select(Server)).one()
    assert server.checked_at == at
    assert server.checked_at.tzinfo is UTC


def test_a_naive_time_is_refused(core: Flask) -> None:
    with pytest.raises(StatementError, match="which zone"), transaction() as session:
        add_server(session, checked_at=datetime(2026, 1, 1))  # noqa: DTZ001


def test_what_was_read_stays_readable_when_the_connection_is_back(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session, name="web-1")
    assert server.name == "web-1"
    assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_a_failure_undoes_the_step_and_forgets_what_was_to_follow(core: Flask) -> None:
    followed: list[str] = []

    def fail() -> None:
        with transaction() as session:
            add_server(session)
            after_commit(session, lambda: followed.append("x"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with reading() as session:
        assert session.scalars(select(Server)).all() == []
    assert followed == []


def test_what_follows_a_commit_finds_it_committed(core: Flask) -> None:
    found: list[int] = []

    def count() -> None:
        with reading() as session:
            found.append(len(session.scalars(select(Server)).all()))

    with transaction() as session:
        add_server(session)
        after_commit(session, count)
    assert found == [1]


def test_a_step_within_a_step_is_refused(core: Flask) -> None:
    with transaction() as session:
        add_server(session)
        with pytest.raises(RuntimeError, match="two steps"), reading():
            pytest.fail("opened")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_after_a_job_that_was_interrupted_in_a_statement_the_next_step_begins(core: Flask) -> None:
    """By a signal, as RQ ends a job that hangs; its connection is not used again."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise JobTimeoutException

    def wait() -> None:
        with reading() as session:
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            session.execute(text("SELECT pg_sleep(60)"))

    former = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(JobTimeoutException):
            wait()
    finally:
        signal.signal(signal.SIGALRM, former)
    assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    with transaction() as session:
        assert session.scalar(text("SELECT 1")) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_after_its_connection_was_ended_in_a_step_the_next_step_begins(core: Flask) -> None:
    def end(session: Session) -> None:
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(OperationalError), transaction() as session:
        end(session)
    with reading() as session:
        assert session.scalar(text("SELECT 1")) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_vanishes_in_a_step_keeps_nothing_locked_for_long(
    core: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(GIVEN_UP, "idle_in_transaction_session_timeout", "1s")
    with transaction() as session:
        server_id = add_server(session).id
    rename = update(Server).where(Server.id == server_id)
    vanished = db.engine.connect()
    vanished.execute(rename.values(name="of nobody"))
    with transaction() as session:
        session.execute(rename.values(name="of the next"))  # waits
    with pytest.raises(InternalError, match="idle-in-transaction"):
        vanished.close()
    with reading() as session:
        assert session.get_one(Server, server_id).name == "of the next"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_no_question_is_compiled(core: Flask) -> None:
    with reading() as session:
        assert session.scalar(text("SHOW jit")) == "off"


def test_whatever_ending_a_step_meets_the_next_one_begins(
    core: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(session: Session) -> None:
        raise OperationalError("ROLLBACK", None, Exception())

    with monkeypatch.context() as patched, reading():
        patched.setattr(Session, "close", fail)
    with transaction() as session:
        add_server(session)


def test_many_writers_at_once_all_get_through(core: Flask) -> None:
    failures: list[Exception] = []

    def write(number: int) -> None:
        with core.app_context():
            try:
                for round_number in range(5):
                    with transaction() as session:
                        session.scalars(select(Server)).all()  # a reader that becomes a writer
                        add_server(session, name=f"{number}-{round_number}")
            except Exception as error:  # noqa: BLE001
                failures.append(error)

    writers = [Thread(target=write, args=[number]) for number in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    with reading() as session:
        assert len(session.scalars(select(Server)).all()) == 30
