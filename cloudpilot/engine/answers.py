"""What remote/look.sh answers, understood."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from cloudpilot.engine.statuses import failure
from cloudpilot.errors import CloudPilotError, CommandFailed, RunLost, RunStopped
from cloudpilot.redaction import redacted
from cloudpilot.reports import Report
from cloudpilot.text import decode, lines

LIVES = frozenset({"alive", "dead", "rebooted", "none", "gone"})
NUMBER_AT_MOST = 2**63 - 1  # what a column of the database takes
WANTS_AT_MOST = 8  # lines
AGO_AT_MOST = 10 * 366 * 24 * 3600  # seconds: nobody's work ended before
LOST = "The process is gone and left no word."
REBOOTED = "The server was restarted while it was at work."
INCOMPLETE = "The script ended without saying that its work is complete."
STOPPED = "Stopped on request."

_WANT = re.compile(r"([a-z]{1,20}) ([1-9][0-9]{0,4})")


@dataclass(slots=True)
class _Words:
    """The answer, by the word that each of its lines begins with."""

    by_tag: dict[str, list[str]] = field(default_factory=dict)

    def all(self, tag: str) -> list[str]:
        return self.by_tag.get(tag, [])

    def last(self, tag: str) -> str:
        return self.all(tag)[-1] if tag in self.by_tag else ""


def parse(answer: bytes) -> Report:
    """The report in an answer; raises CommandFailed if it is not a whole answer.

    >>> report = parse(b"now 1\\nlife alive\\nprogress archive 512 2048\\nL tar: hello\\nend\\n")
    >>> report.stage, report.done, report.total, report.log, report.over
    ('archive', 512, 2048, 'tar: hello', False)
    >>> parse(b"now 1\\nlife dead\\nexit 71\\nE 1 GB is free.\\nend\\n").error
    DiskFull('1 GB is free.')
    >>> parse(b"now 1\\nlife gone\\nend\\n").never_started
    True
    """
    words = _sorted(lines(decode(answer, limit=len(answer))))
    life, status = words.last("life"), number(words.last("exit"))
    if life not in LIVES or "end" not in words.by_tag:
        raise CommandFailed("The server's answer to a look cannot be understood.")
    stopped = "stop" in words.by_tag
    over = status is not None or life in {"dead", "rebooted"} or (life == "none" and stopped)
    result = dict(line.split("=", 1) for line in words.all("R") if "=" in line)
    stage, done, total = _progress(words.last("progress"))
    return Report(
        stage=stage,
        done=done,
        total=total,
        log=redacted("\n".join(words.all("L"))),
        over=over,
        ended_ago=_ago(words),
        error=_why(words, life, status, result) if over else None,
        result=result if over else {},
        census=tuple(words.all("C")) if over else (),
        warnings=tuple(map(redacted, words.all("W"))) if over else (),
        wants=() if over else _wants(words.all("want")),
        never_started=life in {"none", "gone"} and not over,
    )


def _sorted(answer: Sequence[str]) -> _Words:
    words = _Words()
    for line in answer:
        tag, _, rest = line.partition(" ")
        words.by_tag.setdefault(tag, []).append(rest)
    return words


def _why(
    words: _Words, life: str, status: int | None, result: dict[str, str]
) -> CloudPilotError | None:
    if status is not None:
        complete = result.get("complete") == "1"
        if status == 0:
            return None if complete else RunLost(INCOMPLETE)
        return failure(status, redacted(words.last("E")))
    if "stop" in words.by_tag:
        return RunStopped(STOPPED)
    return RunLost(REBOOTED if life == "rebooted" else LOST)


def _ago(words: _Words) -> int:
    """How many seconds ago its last word was written, by one clock: that it differs from ours, or
    was set meanwhile, makes no end that has yet to come.

    >>> [_ago(_sorted(f"now 100\\nended {at}".splitlines())) for at in ("93", "107", "", "x")]
    [7, 0, 0, 0]
    """
    now, ended = number(words.last("now")), number(words.last("ended"))
    return 0 if now is None or ended is None else max(0, min(now - ended, AGO_AT_MOST))


def _progress(text: str) -> tuple[str, int, int | None]:
    """Stage, bytes done, bytes in all.

    >>> _progress("measure 0 -")
    ('measure', 0, None)
    >>> _progress("odd")
    ('odd', 0, None)
    """
    stage, _, numbers = text.partition(" ")
    done, _, total = numbers.partition(" ")
    return stage, number(done) or 0, number(total)


def _wants(said: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Of which items which part lacks a request; what is odd is nothing.

    >>> _wants(["archive 17", "archive", "../x 1", "index 1"])
    (('archive', 17), ('index', 1))
    """
    found = [_WANT.fullmatch(line) for line in said[:WANTS_AT_MOST]]
    return tuple((match[1], int(match[2])) for match in found if match)


def number(text: str) -> int | None:
    """Digits, as a column of the database can hold them."""
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    return min(int(text), NUMBER_AT_MOST)
