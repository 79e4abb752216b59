"""Whatever a server answers to a look becomes a report or CommandFailed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudpilot.engine.answers import parse
from cloudpilot.engine.statuses import BY_EXIT_STATUS
from cloudpilot.errors import CloudPilotError, CommandFailed, RunLost, RunStopped
from cloudpilot.reports import Report

COMPLETE = "exit 0\nR size=5\nR odd\nR complete=1\nW one\nW two"


def answer(life: str, rest: str = "") -> Report:
    return parse(f"welcome to web-1\nnow 1\nlife {life}\n{rest}\nend\n".encode())


def test_it_runs() -> None:
    report = answer("alive", "progress archive 5 10\nR size=5\nW early\nL a\nL \nL b")
    assert (report.over, report.error, report.never_started) == (False, None, False)
    assert (report.stage, report.done, report.total, report.log) == ("archive", 5, 10, "a\n\nb")
    assert (report.result, report.warnings) == ({}, ())


@pytest.mark.parametrize("life", ["alive", "dead", "rebooted"])
def test_it_is_complete(life: str) -> None:
    report = answer(life, COMPLETE)
    assert (report.over, report.error) == (True, None)
    assert report.result == {"size": "5", "complete": "1"}
    assert report.warnings == ("one", "two")


@pytest.mark.parametrize("status", [*BY_EXIT_STATUS, 1, 255])
def test_an_exit_status_has_a_kind_and_a_sentence(status: int) -> None:
    error = answer("dead", f"exit {status}\nE First.\nE It was so.").error
    assert type(error) is BY_EXIT_STATUS.get(status, CommandFailed)
    assert str(error) == "It was so."


@pytest.mark.parametrize(
    ("life", "rest", "kind", "words"),
    [
        ("dead", "", RunLost, "left no word"),
        ("rebooted", "", RunLost, "restarted"),
        ("dead", "stop", RunStopped, "on request"),
        ("rebooted", "stop", RunStopped, "on request"),
        ("none", "stop", RunStopped, "on request"),
        ("dead", "exit 0\nR size=5", RunLost, "complete"),
        ("dead", "stop\nexit 75\nE Stopped on request.", RunStopped, "on request"),
        ("dead", "exit odd", RunLost, "left no word"),
        ("dead", "exit 5", CommandFailed, "exit status 5"),
    ],
)
def test_it_is_over_without_success(
    life: str, rest: str, kind: type[CloudPilotError], words: str
) -> None:
    report = answer(life, rest)
    assert report.over
    assert type(report.error) is kind
    assert words in str(report.error)


@pytest.mark.parametrize("life", ["none", "gone"])
def test_it_never_started(life: str) -> None:
    report = answer(life)
    assert (report.never_started, report.over, report.error) == (True, False, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("archive 5 10", ("archive", 5, 10)),
        ("archive 5 -", ("archive", 5, None)),
        ("archive -5 1e9", ("archive", 0, None)),
        ("archive ٥ 10", ("archive", 0, 10)),
        (f"archive {'9' * 19} {'9' * 20}", ("archive", 2**63 - 1, None)),
        ("", ("", 0, None)),
    ],
)
def test_odd_progress_is_no_progress(text: str, expected: tuple[str, int, int | None]) -> None:
    report = answer("alive", f"progress {text}")
    assert (report.stage, report.done, report.total) == expected


@pytest.mark.parametrize("data", [b"", b"end\n", b"life alive\n", b"life odd\nend\n", b"\x00"])
def test_half_an_answer_is_none(data: bytes) -> None:
    with pytest.raises(CommandFailed):
        parse(data)


TAGS = ["now", "life", "stop", "exit", "progress", "R", "W", "L", "E", "end", "odd", ""]
odd_lines = st.tuples(st.sampled_from(TAGS), st.binary(max_size=20) | st.just(b"alive"))


@given(st.lists(odd_lines).map(lambda rows: b"\n".join(a.encode() + b" " + b for a, b in rows)))
def test_no_answer_breaks_it(data: bytes) -> None:
    try:
        report = parse(data)
    except CommandFailed:
        return
    assert report.over or report.error is None
    for text in (report.stage, report.log, *report.warnings, *report.result.values()):
        assert not {"\0", "\x1b", "\u2028"} & set(text)
