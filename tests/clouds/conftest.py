"""What holds for all tests of clouds."""

import pytest

from tests.clouds.exceptions import EXCEPTIONS


@pytest.fixture(autouse=True)
def _known_exceptions(request: pytest.FixtureRequest) -> None:
    """A clause that a provider cannot promise is in the reviewed table, with who shows it."""
    server = getattr(request.cls, "server", "")
    for clause in (request.function.__name__, request.node.name):
        if known := EXCEPTIONS.get((server, clause)):
            pytest.skip(f"{known.why}: {known.shown_by}")
