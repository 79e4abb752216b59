"""The short form of `make chaos`: the same kills each time, and all of them end well."""

import pytest

from tests.chaos.cells import CELLS, Task, Victim, chosen
from tests.chaos.play import Outcome
from tests.chaos.run import run
from tests.support import postgres
from tests.support import rgw as rgw_server
from tests.support.must_run import must_run
from tests.support.openssh import SSHD

KILLS, AT_LEAST = 45, 40  # some come when all is over
LANES = 5  # most of the time each waits
SEED = 9


def all_well(outcomes: list[Outcome]) -> None:
    assert [str(outcome) for outcome in outcomes if outcome.faults] == []
    assert sum(outcome.counts for outcome in outcomes) >= AT_LEAST


def test_every_cell_has_its_turn_before_any_has_two() -> None:
    assert {kill.cell for kill in chosen(len(CELLS), SEED)} == set(CELLS)
    first = [kill.cell for kill in chosen(KILLS, SEED)]
    assert {cell.victim for cell in first} == set(Victim)
    assert {cell.task for cell in first} == set(Task)
    assert chosen(KILLS, SEED) == chosen(KILLS, SEED) != chosen(KILLS, SEED + 1)


def test_whatever_is_killed_nothing_is_lost_left_over_or_untrue() -> None:
    if not rgw_server.is_here():
        must_run("rgw", "Ceph's gateway is not installed")
    if postgres.programs() is None:
        must_run("postgresql", "it is not installed")
    if not SSHD:
        must_run("sshd", "it is not installed")
    all_well(run(KILLS, LANES, SEED))


@pytest.mark.long
def test_the_same_at_other_moments() -> None:
    all_well(run(KILLS, LANES, SEED + 1))
