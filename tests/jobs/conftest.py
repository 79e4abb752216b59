"""A machine of its own for a module with the row of a server that is set up there; a site whose
backups go to a vault."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask

from cloudpilot.db import transaction
from cloudpilot.domain import servers
from cloudpilot.kinds import Privilege, Role, VaultKind
from tests.support.at_work import FOREIGN, KEYS
from tests.support.database import by_name, database
from tests.support.machine import Machine, machine
from tests.support.rows import add_person, add_real_server, add_server, add_site
from tests.support.sshd import Sshd
from tests.support.uploading import Store, add_vault, of_kind


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of one kind, by the test's name unless it says which: a run with a real server
    takes seconds, and what the kinds differ in is tested on both where rows are (tests/domain)."""
    return database(getattr(request, "param", by_name(request.node.nodeid)), request, tmp_path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("machine")) as found:
        yield found


@pytest.fixture
def server_id(core: Flask, prepared: Machine) -> UUID:
    """The row of a server that is set up, with somebody else's key beside ours."""
    prepared.as_root(f"rm -f {KEYS}")
    prepared.set_up(Privilege.FULL)
    prepared.as_root(f"printf '{FOREIGN}' >>{KEYS}")
    sealer = core.extensions["sealer"]
    with transaction() as session:
        add_person(session, Role.OWNER)
        add_server(
            session,
            id=prepared.server_id,
            host="127.0.0.1",
            port=prepared.sshd.port,
            host_keys=[prepared.sshd.fingerprint],
            public_key=prepared.public_key,
            private_key=sealer.seal(prepared.private_key, servers.key_place(prepared.server_id)),
            privilege=Privilege.FULL,
        )
    return prepared.server_id


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Store:
    """An empty bucket; in S3, unless a test says otherwise."""
    return of_kind(getattr(request, "param", VaultKind.S3), request.getfixturevalue)


@pytest.fixture
def site_id(core: Flask, server: Sshd, tmp_path: Path) -> UUID:
    """A site on the real server, of one file."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_bytes(os.urandom(6_000))
    with transaction() as session:
        row = add_real_server(core, session, server, tmp_path / "root")
        return add_site(session, row, paths=[str(tmp_path / "site")], excludes=[]).id


@pytest.fixture
def vault_id(core: Flask, store: Store) -> UUID:
    return add_vault(core, store)
