"""How figures are taken and said."""

import time
from collections.abc import Callable


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    started = time.monotonic()
    work()
    return time.monotonic() - started


def say(what: str, figure: str, aim: str) -> None:
    """One line of the table."""
    print(f"{what:55} {figure:>18}  {aim}", flush=True)
