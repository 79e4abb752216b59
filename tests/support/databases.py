"""Fixtures of real database servers that are backed up, one of each kind for a test session."""

from collections.abc import Iterator

import pytest

from tests.support import mariadb as mariadb_server
from tests.support import postgresql as postgresql_server
from tests.support.mariadb import MariaDb
from tests.support.must_run import must_run
from tests.support.postgres import programs
from tests.support.postgresql import PostgreSql


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """A MariaDB with nothing in it; who kills it starts one of their own."""
    if not mariadb_server.is_here():
        must_run("mariadb", "it is not installed")
    with mariadb_server.running() as found:
        yield found


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    """A PostgreSQL with nothing in it; who kills it starts one of their own."""
    if programs() is None:
        must_run("postgresql", "it is not installed")
    with postgresql_server.running() as found:
        yield found
