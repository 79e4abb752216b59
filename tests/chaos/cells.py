"""What is killed, how, and while what is done: the cells of the matrix, and which are taken."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, islice


class Victim(StrEnum):
    """What is killed or cut off. `cut` is: from the others; a web from its database and Redis, a
    server from the panel and the vault."""

    WEB = "web"
    WORKER = "worker"  # all of its processes
    HORSE = "horse"  # the process of one job
    CLOCK = "clock"
    REDIS = "redis"  # it forgets everything
    POSTGRESQL = "postgresql"
    SSH = "ssh"  # the server's end of the connections
    REMOTE = "remote"  # the process group of the run, on the server
    SERVER = "server"  # all that runs for us there, and sshd


class Way(StrEnum):
    """How."""

    TERM = "TERM"
    KILL = "KILL"
    CUT = "cut"


class Task(StrEnum):
    """What is being done."""

    BACKUP = "backup"
    UPLOAD = "upload"
    INCREMENT = "increment"
    RESTORE = "restore"
    SNAPSHOT = "snapshot"
    DELETE = "delete"


@dataclass(frozen=True, order=True)
class Cell:
    """One of them."""

    victim: Victim
    way: Way
    task: Task

    def __str__(self) -> str:
        return f"{self.victim}/{self.way}/{self.task}"


@dataclass(frozen=True)
class Kill:
    """A cell at one moment.

    at_work  counted from when something of it was seen to run, else from when it was asked for
    moment   as a share of the time that the task takes when nobody disturbs it
    seed     of what else is left to chance
    """

    number: int
    cell: Cell
    at_work: bool
    moment: float
    seed: int


def is_possible(cell: Cell) -> bool:
    """Whether there is such a thing: a snapshot needs no server, a job is cut off with its worker,
    and a process on the server is cut off from nothing but a vault."""
    if cell.task is Task.SNAPSHOT and cell.victim in {Victim.SSH, Victim.REMOTE, Victim.SERVER}:
        return False
    if cell.task is Task.DELETE and cell.victim is Victim.REMOTE:
        return False  # a deletion leaves no process of its own there
    if cell.way is not Way.CUT:
        return True
    if cell.victim is Victim.REMOTE:
        return cell.task is Task.UPLOAD
    return cell.victim is not Victim.HORSE


CELLS = tuple(
    cell
    for victim in Victim
    for task in Task
    for way in Way
    if is_possible(cell := Cell(victim, way, task))
)


def chosen(count: int, seed: int, cells: Sequence[Cell] = CELLS) -> list[Kill]:
    """So many kills: every cell once before any is taken twice, every victim and task early."""
    chance = random.Random(seed)
    return [
        Kill(number, cell, chance.random() < 0.6, chance.uniform(0, 0.9), chance.randrange(2**32))
        for number, cell in enumerate(islice(_in_turn(cells, chance), count))
    ]


def _in_turn(cells: Sequence[Cell], chance: random.Random) -> Iterator[Cell]:
    """Shuffled, and then so that victims follow each other: a short row has all of them."""
    by_victim = {victim: [cell for cell in cells if cell.victim is victim] for victim in Victim}
    for some in by_victim.values():
        chance.shuffle(some)
    left = {victim: list(some) for victim, some in by_victim.items()}
    for victim in cycle(victim for victim, some in by_victim.items() if some):
        if not any(left.values()):
            left = {victim: list(some) for victim, some in by_victim.items()}
        if left[victim]:
            yield left[victim].pop()
