"""Lanes side by side, each in a process of its own."""

import math
import multiprocessing
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from tests.chaos.cells import CELLS, chosen
from tests.chaos.lane import Shared, template_in
from tests.chaos.parts import PostgresServer
from tests.chaos.play import Outcome, play
from tests.support import rgw as rgw_server
from tests.support.names import below_localhost
from tests.support.rgw import Rgw

ROWS = "CREATE TABLE orders AS SELECT n AS id, md5(n::text) AS what FROM generate_series(1, 5000) n"


def run(
    count: int, lanes: int, seed: int, only: str = "", minutes: float | None = None
) -> list[Outcome]:
    """So many kills of the cells whose name has `only` in it; what became of each, in order.

    minutes  after which none is begun any more; None: all are

    What a lane with a fault has left is kept, and said where.
    """
    cells = [cell for cell in CELLS if only in str(cell)]
    kills = chosen(count, seed, cells)
    last = time.time() + minutes * 60 if minutes else math.inf
    home = Path(mkdtemp(prefix="cp-chaos-"))
    home.chmod(0o755)  # PostgreSQL is another user
    with below_localhost(), rgw_server.running() as rgw, _source(home / "source") as source:
        plain = Rgw(rgw.port, rgw.key_id, rgw.secret)  # what can be handed to another process
        shared = Shared(template_in(home / "template"), source, plain)
        with ProcessPoolExecutor(lanes, multiprocessing.get_context("spawn")) as pool:
            running = [
                pool.submit(play, kills[number::lanes], home / f"lane-{number}", shared, last)
                for number in range(lanes)
            ]
            outcomes = [outcome for one in running for outcome in one.result()]
    if any(outcome.faults for outcome in outcomes):
        print(f"What there was is in {home}.")
    else:
        shutil.rmtree(home)
    return sorted(outcomes, key=lambda outcome: outcome.kill.number)


@contextmanager
def _source(home: Path) -> Iterator[int]:
    """The port of a PostgreSQL with something in it that is worth a backup."""
    server = PostgresServer(home)
    server.start()
    try:
        server.create("shop", ROWS)
        yield server.port
    finally:
        server.kill(15)
