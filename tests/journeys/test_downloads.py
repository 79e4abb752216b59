"""A download that a restart of the web breaks off."""

from http.client import HTTPConnection, IncompleteRead
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from flask import Flask

from tests.support.signed_in import NAME, cookie
from tests.support.until import until
from tests.support.world import World

BEGUN = 100_000  # bytes


def asked(world: World, core: Flask, run_id: UUID, **headers: str) -> HTTPConnection:
    connection = HTTPConnection(urlsplit(world.processes.url).netloc, timeout=30)
    headers["Cookie"] = f"{NAME}={cookie(core, world.person_id)}"
    connection.request("GET", f"/backups/{world.backup(run_id).id}/download", headers=headers)
    return connection


def test_who_downloads_while_the_web_restarts_sees_it_and_goes_on_from_there(
    world: World, core: Flask
) -> None:
    run_id = world.back_up()
    world.ended(run_id)
    whole = world.archive(run_id).read_bytes()
    world.processes.environ["GUNICORN_CMD_ARGS"] = "--graceful-timeout 1"
    world.processes.start("web")
    connection = asked(world, core, run_id)
    answer = connection.getresponse()
    got = answer.read(BEGUN)
    assert world.processes.stop("web") == 0
    with pytest.raises((IncompleteRead, ConnectionError)) as broken:
        got += answer.read()
    got += getattr(broken.value, "partial", b"")
    connection.close()
    assert BEGUN <= len(got) < len(whole)
    until(world.working, lambda left: not left)  # nothing goes on reading there
    world.processes.start("web")
    connection = asked(world, core, run_id, Range=f"bytes={len(got)}-")
    answer = connection.getresponse()
    assert answer.status == 206
    assert got + answer.read() == whole
    connection.close()
