"""Journeys use SQLite, but where a test asks for PostgreSQL: `on_postgresql`."""

import shutil
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support import postgres


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database."""
    if request.node.get_closest_marker("on_postgresql"):
        template = request.getfixturevalue("postgres_template")
        url = request.getfixturevalue("postgres_url")
        return postgres.create(url, f"t{uuid4().hex}", template)
    shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "panel.db")
    return f"sqlite:///{tmp_path / 'panel.db'}"
