"""Lanes side by side, each in a process of its own."""

import multiprocessing
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import mkdtemp

from tests.chaos.cells import CELLS, chosen
from tests.chaos.lane import template_in
from tests.chaos.play import Outcome, play
from tests.support import rgw as rgw_server
from tests.support.names import below_localhost
from tests.support.rgw import Rgw


def run(count: int, lanes: int, seed: int, only: str = "") -> list[Outcome]:
    """So many kills of the cells whose name has `only` in it; what became of each, in order.

    What a lane with a fault has left is kept, and said where.
    """
    cells = [cell for cell in CELLS if only in str(cell)]
    kills = chosen(count, seed, cells)
    home = Path(mkdtemp(prefix="cp-chaos-"))
    home.chmod(0o755)  # PostgreSQL is another user
    with below_localhost(), rgw_server.running() as rgw:
        template = template_in(home / "template")
        plain = Rgw(rgw.port, rgw.key_id, rgw.secret)  # what can be handed to another process
        with ProcessPoolExecutor(lanes, multiprocessing.get_context("spawn")) as pool:
            running = [
                pool.submit(play, kills[number::lanes], home / f"lane-{number}", template, plain)
                for number in range(lanes)
            ]
            outcomes = [outcome for one in running for outcome in one.result()]
    if any(outcome.faults for outcome in outcomes):
        print(f"What there was is in {home}.")
    else:
        shutil.rmtree(home)
    return sorted(outcomes, key=lambda outcome: outcome.kill.number)
