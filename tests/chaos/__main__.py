"""python -m tests.chaos [--kills N] [--lanes N] [--seed N] [--only TEXT] [--report FILE]"""

import argparse
import sys
import time
from pathlib import Path

from tests.chaos.report import written
from tests.chaos.run import run

LAST = "## The last run\n\n"


def main() -> None:
    """Kill, say what became of each, and fail if anything was not as it should be."""
    words = argparse.ArgumentParser(prog="python -m tests.chaos")
    words.add_argument("--kills", type=int, default=500)
    words.add_argument("--lanes", type=int, default=4)
    words.add_argument("--seed", type=int, default=int(time.time()))
    words.add_argument("--minutes", type=float, help="begin nothing after so many")
    words.add_argument("--only", default="", help="cells with this in their name: worker/KILL")
    words.add_argument("--report", type=Path, help="a page whose last section is written anew")
    asked = words.parse_args()
    began = time.monotonic()
    outcomes = run(asked.kills, asked.lanes, asked.seed, asked.only, asked.minutes)
    text = written(outcomes, asked.seed, asked.lanes, time.monotonic() - began)
    if asked.report and any(outcome.counts for outcome in outcomes):
        page = asked.report.read_text()
        asked.report.write_text(page.partition(LAST)[0] + LAST + text)
    print(text)
    if not any(outcome.counts for outcome in outcomes):
        sys.exit("Nothing was killed.")
    sys.exit(any(outcome.faults for outcome in outcomes))


if __name__ == "__main__":
    main()
