"""domain.checkups: what got worse, what got better, and who has fallen silent."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import changes, checkups
from cloudpilot.domain.checkups import KEPT, SILENT, SINCE_YESTERDAY, Event, Worsening
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Checkup, Server
from cloudpilot.domain.status import Status
from cloudpilot.kinds import RunKind
from tests.support.rows import add_server

HOUR = timedelta(hours=1)


def line(key: str, level: str = "ok", detail: str = "", *, steady: bool = False) -> dict[str, Any]:
    return {
        "key": key,
        "title": key.capitalize(),
        "level": level,
        "detail": detail,
        "remedy": "" if level == "ok" else "Do it.",
        "steady": steady,
    }


def levels(found: changes.Changes) -> list[tuple[str, str | None, str | None]]:
    return [(change["key"], change["before"], change["after"]) for change in found]


def test_the_first_check_of_all_changes_nothing() -> None:
    assert changes.compare(None, [line("tar", "failed")]) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (line("a"), line("a"), []),
        (line("a"), line("a", "failed"), [("a", "ok", "failed")]),
        (line("a", "failed"), line("a", "warning"), [("a", "failed", "warning")]),
        (line("a", "ok", "1 GB"), line("a", "ok", "2 GB"), []),
        (
            line("a", "ok", "1.34", steady=True),
            line("a", "ok", "1.35", steady=True),
            [("a", "ok", "ok")],
        ),
        (line("a", "ok", "1.34"), line("a", "ok", "1.35", steady=True), []),
        (line("a"), line("b"), []),
        (line("a"), line("b", "warning"), [("b", None, "warning")]),
        (line("a", "failed"), line("b"), [("a", "failed", None)]),
    ],
)
def test_a_line_counts_when_its_level_or_its_steady_words_change(
    before: dict[str, Any], after: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    assert levels(changes.compare([before], [after])) == expected


def test_a_change_says_in_words_what_was_and_what_is() -> None:
    [change] = changes.compare([line("a", "ok", "Fine.")], [line("a", "failed", "Gone.")])
    assert (change["was"], change["detail"], change["remedy"]) == ("Fine.", "Gone.", "Do it.")
    [better] = changes.compare([line("a", "failed", "Gone.")], [])
    assert (better["was"], better["detail"], better["remedy"]) == ("Gone.", "", "")
    assert (changes.is_worse(change), changes.is_better(change)) == (True, False)
    assert (changes.is_worse(better), changes.is_better(better)) == (False, True)


class Past:
    """What a server has answered, told as it happened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str = "web-1") -> None:
        self._patch = monkeypatch
        with transaction() as session:
            self.id: UUID = add_server(session, name).id

    def answers(self, hours_ago: float, *lines: dict[str, Any]) -> None:
        """A Check that succeeded."""
        at = self._moment(hours_ago)
        with self._patch.context() as patch, transaction() as session:
            patch.setattr(clock, "now", lambda: at)
            checkups.keep(session, session.get_one(Server, self.id), lines, {})

    def is_silent(self, hours_ago: float, code: str = "SSH_UNREACHABLE") -> None:
        """A Check that failed."""
        at = self._moment(hours_ago)
        with transaction() as session:
            session.add(
                Run(
                    kind=RunKind.CHECK,
                    status=Status.FAILED,
                    server_id=self.id,
                    subject="web-1",
                    created_at=at,
                    finished_at=at,
                    error_code=code,
                    error_detail=f"No route, {hours_ago} h ago.",
                )
            )

    def _moment(self, hours_ago: float) -> datetime:
        return clock.now() - hours_ago * HOUR


@pytest.fixture
def past(core: Flask, monkeypatch: pytest.MonkeyPatch) -> Past:
    return Past(monkeypatch)


def worse(hours: float = 36) -> list[Worsening]:
    with reading() as session:
        return checkups.worsened(session, clock.now() - hours * HOUR)


def summary(found: list[Worsening]) -> list[tuple[str, str, str | None, str]]:
    return [(one.server.name, one.key, one.before, one.after) for one in found]


def test_worse_than_yesterday_is_what_is_still_worse(past: Past) -> None:
    past.answers(48, line("tar"), line("curl"), line("disk", "warning"), line("clock"))
    past.answers(24, line("tar", "failed"), line("curl", "failed"), line("disk"), line("clock"))
    past.answers(1, line("tar", "failed"), line("curl"), line("disk"), line("clock", "warning"))
    assert summary(worse()) == [
        ("web-1", "tar", "ok", "failed"),
        ("web-1", "clock", "ok", "warning"),
    ]
    assert worse()[0].remedy == "Do it."
    assert summary(worse(hours=10)) == [("web-1", "clock", "ok", "warning")]
    assert worse(hours=0.5) == []
    assert timedelta(days=1) < SINCE_YESTERDAY < timedelta(days=2)


def test_of_several_changes_of_a_line_the_first_and_the_last_count(past: Past) -> None:
    past.answers(30, line("tar", "warning"))
    past.answers(20, line("tar"))
    past.answers(10, line("tar", "failed"))
    assert summary(worse()) == [("web-1", "tar", "warning", "failed")]
    assert summary(worse(hours=15)) == [("web-1", "tar", "ok", "failed")]


def test_a_server_that_answered_yesterday_and_does_not_today_is_worse(past: Past) -> None:
    past.is_silent(50)
    assert worse(hours=60) == []  # it has never answered: that is no news
    past.answers(30, line("tar"))
    past.is_silent(5)
    past.is_silent(4, code="STOPPED")
    past.is_silent(3)
    [one] = worse()
    assert (one.key, one.before, one.after) == (SILENT, "ok", "failed")
    assert one.detail == "No route, 3 h ago."
    assert clock.now() - one.at > 4.9 * HOUR
    assert worse(hours=4) == []  # four hours ago it was silent already
    past.answers(1, line("tar"))
    assert worse() == []


def test_the_worst_comes_first_and_what_was_removed_not_at_all(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, removed = Past(monkeypatch, "a"), Past(monkeypatch, "b")
    for one, level in ((past, "failed"), (other, "warning"), (removed, "failed")):
        one.answers(20, line("tar"))
        one.answers(10, line("tar", level))
    removed.is_silent(1)
    with transaction() as session:
        session.get_one(Server, removed.id).removed_at = clock.now()
    assert [one.server.name for one in worse()] == ["web-1", "a"]


def test_one_server_knows_its_own_worse_lines(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Past(monkeypatch, "other")
    for one, key in ((past, "tar"), (other, "curl")):
        one.answers(20, line(key))
        one.answers(10, line(key, "failed"))
    with reading() as session:
        worse_lines = checkups.worse_lines(session, past.id)
    assert list(worse_lines) == ["tar"]
    assert 9 * HOUR < clock.now() - worse_lines["tar"] < 11 * HOUR


def events(past: Past) -> list[Event]:
    with reading() as session:
        return checkups.history(session, past.id)


def test_a_history_tells_changes_silences_and_the_first_check(past: Past) -> None:
    past.answers(50, line("tar"))
    past.answers(40, line("tar"))
    past.answers(30, line("tar", "failed"))
    past.is_silent(20)
    past.is_silent(19)
    past.answers(10, line("tar"))
    past.is_silent(5)
    found = events(past)
    assert [(event.failed, event.first, levels(event.changes)) for event in found] == [
        (1, False, []),
        (0, False, [("tar", "failed", "ok")]),
        (2, False, []),
        (0, False, [("tar", "ok", "failed")]),
        (0, True, []),
    ]
    silence = found[2]
    assert silence.run
    assert silence.run.error_detail == "No route, 19 h ago."
    assert clock.now() - silence.at > 19.9 * HOUR


def test_a_server_that_was_never_checked_has_no_history(past: Past) -> None:
    assert events(past) == []


def test_a_history_is_as_long_as_a_page(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkups, "EVENTS_SHOWN", 2)
    for hours in range(6, 0, -1):
        past.answers(hours, line("tar", "failed" if hours % 2 else "ok"))
    assert len(events(past)) == 2


def test_checkups_are_kept_for_ninety_days_and_the_latest_for_ever(past: Past) -> None:
    for days in (200, 100, 89, 1):
        past.answers(days * 24, line("tar"))

    def count() -> int:
        with reading() as session:
            return session.scalar(select(func.count()).select_from(Checkup)) or 0

    assert timedelta(days=90) == KEPT
    assert count() == 2
    with reading() as session:
        assert clock.now() - session.get_one(Server, past.id).checked_at < 25 * HOUR  # type: ignore[operator]
