"""A machine of its own for a module, and the row of a server that is set up there."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from flask import Flask

from cloudpilot.db import transaction
from cloudpilot.domain import servers
from cloudpilot.kinds import Privilege, Role
from tests.support.at_work import FOREIGN, KEYS
from tests.support.machine import Machine, machine
from tests.support.rows import add_person, add_server


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
