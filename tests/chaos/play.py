"""One kill after the other in a lane, and what became of each."""

import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloudpilot.domain.status import Status
from tests.chaos import harm
from tests.chaos.cells import Kill, Victim, Way
from tests.chaos.lane import Lane, Shared, lane
from tests.chaos.proof import left_over, twice
from tests.chaos.tasks import KILLED_THERE, SECONDS, TASKS, Doing, Known, settled
from tests.support.until import pause

AWAY = {Victim.WEB: True, Victim.POSTGRESQL: True}  # the panel may say that it is
MAY_FAIL = {Victim.REMOTE, Victim.SERVER}  # what was killed there is lost, and said to be


@dataclass(frozen=True)
class Outcome:
    """What became of one kill.

    stage    where the task was then
    hit      processes or connections; none, if the task was over before one was there
    seconds  from the kill to the end of all that was under way
    failed   the code of the error, if the task has failed as it may
    faults   what should not be
    """

    kill: Kill
    stage: str = ""
    hit: int = 0
    seconds: float = 0
    failed: str | None = None
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        how = "; ".join(self.faults) or (f"failed: {self.failed}" if self.failed else "completed")
        what = f"#{self.kill.number} {self.kill.cell} at {self.stage or 'nothing at work'}"
        return f"{what} ({self.hit} hit): {how}, {self.seconds:.1f} s"

    @property
    def counts(self) -> bool:
        """Whether something was hit while something was at work."""
        return bool(self.hit and self.stage)


def play(kills: Sequence[Kill], home: Path, shared: Shared, last: float) -> list[Outcome]:
    """All of them in a lane of its own; a fault that cannot be put right ends a lane and begins
    another one.

    last  by time.time, when none is begun any more
    """
    logging.disable(logging.CRITICAL)
    left = list(kills)
    outcomes: list[Outcome] = []
    while left and time.time() < last:
        place = home / str(len(outcomes))
        place.mkdir(parents=True)
        with lane(place, shared) as found:
            for outcome in _in_lane(found, left):
                outcomes.append(outcome)
                print(outcome, flush=True)
                left.pop(0)
                if outcome.faults or time.time() > last:
                    break
    return outcomes


def _in_lane(found: Lane, kills: Sequence[Kill]) -> Iterator[Outcome]:
    for kill in list(kills):
        try:
            yield _one(found, kill)
        except Exception as error:  # noqa: BLE001  (whatever it is, the others are to go on)
            said = traceback.format_exc(limit=-4)
            yield Outcome(kill, faults=[f"{type(error).__name__}: {error}\n{said}"])


def _one(found: Lane, kill: Kill) -> Outcome:
    known, doing = TASKS[kill.cell.task], Doing(found)
    known.prepare(doing)
    doing.began = time.monotonic()
    known.begin(doing)
    if kill.at_work:
        _wait(doing, known, lambda: Status.RUNNING in doing.stage())
    seen = time.monotonic()
    share = kill.moment * known.seconds * (0.6 if kill.at_work else 1)
    _wait(doing, known, lambda: time.monotonic() - seen >= share)
    stage, killed, hit = doing.stage(), time.monotonic(), harm.do(found, kill)
    while not hit and not doing.is_over():
        stage, killed, hit = doing.stage(), time.monotonic(), harm.do(found, kill)
        known.help(doing)
    _wait(doing, known, lambda: time.monotonic() - killed > SECONDS)
    seconds = time.monotonic() - killed
    if not doing.is_over():
        return Outcome(kill, stage, hit, seconds, None, [f"not over: {doing.details()}"])
    faults = known.faults(doing) + _unexpected(kill, doing) + twice(doing)
    faults += _left(doing, killed + SECONDS) + found.visitor.faults(
        AWAY.get(kill.cell.victim, False)
    )
    if not faults:
        known.tidy(doing)
        settled(doing)
        faults = _left(doing, time.monotonic() + SECONDS)
    return Outcome(kill, stage, hit, seconds, doing.failed, faults)


def _wait(doing: Doing, known: Known, enough: Callable[[], bool]) -> None:
    """Until it is over, or enough."""
    while not enough() and not doing.is_over():
        known.help(doing)
        pause(0.05)


def _unexpected(kill: Kill, doing: Doing) -> list[str]:
    if doing.failed is None:
        return []
    was_killed = kill.cell.victim in MAY_FAIL and kill.cell.way is not Way.CUT
    excused = was_killed and doing.failed in KILLED_THERE
    return [] if excused else [f"it has failed: {doing.failed}"]


def _left(doing: Doing, deadline: float) -> list[str]:
    """What is left over for good."""
    while (found := left_over(doing)) and time.monotonic() < deadline:
        pause(0.2)
    return found
