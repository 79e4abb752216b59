"""What a provider cannot promise, or cannot show: reviewed, with the reason and who shows it."""

from typing import NamedTuple


class Known(NamedTuple):
    """`shown_by` is a test, `file.py::name`, that runs where this clause does not."""

    why: str
    shown_by: str


# Of (provider, clause), or one of its cases. test_exceptions.py sees to it that both ends exist.
EXCEPTIONS: dict[tuple[str, str], Known] = {}
