"""The long form: what proves the same in more combinations, larger sizes or longer times.

`make test` leaves these out, and says how many; `make test-long` runs all.
"""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also what is marked as long")


@pytest.hookimpl(trylast=True)  # what others mark counts
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("long")]
