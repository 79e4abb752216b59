"""What the pages of vaults and of clouds show of their checks."""

from typing import Any

from cloudpilot.domain import checked
from cloudpilot.domain.checked import Row


def found_at(row: Row, noun: str) -> dict[str, Any]:
    """What templates/checked need of a row, beside its newest run.

    noun  "vault" or "cloud": how its pages are called
    """
    return {
        "row": row,
        "noun": noun,
        "lines": checked.worst_first(row),
        "worse": checked.worse(row),
    }
