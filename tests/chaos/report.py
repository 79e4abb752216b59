"""What became of all kills, as a page."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median

from tests.chaos.cells import Task, Victim
from tests.chaos.play import Outcome


def written(outcomes: Sequence[Outcome], seed: int, lanes: int, seconds: float) -> str:
    """Markdown: how many went well, by what was killed and by what was being done."""
    met = [outcome for outcome in outcomes if outcome.counts]
    good = [outcome for outcome in met if not outcome.faults]
    lost = sum(outcome.failed is not None for outcome in good)
    times = sorted(outcome.seconds for outcome in good) or [0.0]
    head = f"""\
**{len(good)} of {len(met)}** kills went as they should (seed {seed}, {lanes} lanes,
{seconds / 60:.0f} minutes); {len(outcomes) - len(met)} more came when all was over.

In {lost} of them what was killed on the server was lost, said to be, and left nothing; in all
others what was asked for was done, once. From the kill to the end of all that was under way it took
{median(times):.1f} s (median), {times[-1]:.1f} s at most.
"""
    lines = [head, *_table(outcomes)]
    faults = [str(outcome) for outcome in outcomes if outcome.faults]
    return "\n".join([*lines, *(["", "Not as they should:", "", *faults] if faults else []), ""])


def _table(outcomes: Sequence[Outcome]) -> list[str]:
    by_cell: dict[tuple[Victim, Task], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_cell[outcome.kill.cell.victim, outcome.kill.cell.task].append(outcome)
    rows = [[victim, *(_count(by_cell[victim, task]) for task in Task)] for victim in Victim]
    return [_row(["killed or cut", *Task]), _row(["---"] * (len(Task) + 1)), *map(_row, rows)]


def _count(outcomes: Sequence[Outcome]) -> str:
    met = [outcome for outcome in outcomes if outcome.counts]
    good = [outcome for outcome in met if not outcome.faults]
    return f"{len(good)} of {len(met)}" if met else "–"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
