"""Which tests of several workers must not run at the same time: journeys, which watch processes,
ports and clocks of the whole machine, and the kills, which take all of it."""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

JOURNEYS = (
    "tests/journeys/",
    "tests/chaos/",
    # Types a signed address as a person does: who looks for such in all processes would see it.
    "tests/downloads/test_members.py::test_a_large_file_in_a_vault_comes_without_the_panel",
)


class Together(LoadScopeScheduling):
    """All journeys on one worker, one after the other; each other test wherever there is time.

    (Marks of xdist_group do this only as long as pytest lets a plugin rename tests.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return JOURNEYS[0] if nodeid.startswith(JOURNEYS) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    """Asked by pytest-xdist, in the process that hands out the tests."""
    return Together(config, log)
