"""A server that the panel is being taken off: nothing more is begun there."""

import pytest
from flask import Flask

from cloudpilot.db import transaction
from cloudpilot.domain import moving, uninstalls
from cloudpilot.errors import BackupInProgress, InvalidConfig
from tests.support.rows import add_person, add_run, add_server


def test_no_backup_is_begun_while_the_panel_is_taken_off(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session)
        uninstalls.prove(session, server, add_person(session), keep=True, said={"key": True})
    with transaction() as session, pytest.raises(BackupInProgress, match="being removed"):
        add_run(session, server)


def test_the_panel_is_not_taken_off_while_a_backup_is_made(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session)
        add_run(session, server)
    with transaction() as session, pytest.raises(BackupInProgress):
        uninstalls.prove(session, server, add_person(session), keep=True, said={"key": True})


def test_a_user_who_holds_the_key_is_not_exchanged(core: Flask) -> None:
    """The former one would keep the key, and its removal would be proven with the other."""
    with transaction() as session:
        server = add_server(session)
        with pytest.raises(InvalidConfig, match="key is with cloudpilot"):
            moving.allow(session, server, {"username": "backup"}, same=True)
        server.host_keys = []  # not set up yet
        moving.allow(session, server, {"username": "backup"}, same=True)
