"""Servers that let few in or are far away: work is done once, or said to be out of reach."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from cloudpilot.engine.connecting import connect
from cloudpilot.engine.program import Program
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import SshUnreachable
from tests.engine.conftest import Backups
from tests.support.proxy import always, proxied
from tests.support.sshd import Sshd, private_sshd
from tests.support.until import until


class Text(Program):
    """A program of a test's own."""

    def text(self) -> bytes:
        return self.name.encode()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    top = tmp_path / "site"
    top.mkdir()
    (top / "file").write_text("x" * 1000)
    return top


@pytest.mark.parametrize("count", [1, 2])
def test_a_backup_needs_one_session_at_a_time(tmp_path: Path, site: Path, count: int) -> None:
    (tmp_path / "sshd").mkdir()
    few = private_sshd(tmp_path / "sshd", limits=f"MaxSessions {count}")
    with few as sshd, sshd.session() as session:
        made = Backups(session, tmp_path / "root").make(site)
        assert made.names() == [f"files{site}/", f"files{site}/file"]
        for _ in range(20):
            assert session.run(Text("echo again")) == b"again\n"


def test_a_server_without_a_free_session_says_so_and_the_connection_stays(tmp_path: Path) -> None:
    with private_sshd(tmp_path, limits="MaxSessions 1") as sshd, sshd.session() as session:
        with session._transport.open_session(timeout=5) as held:
            held.exec_command("cat")
            with pytest.raises(SshUnreachable, match="MaxSessions") as raised:
                session.run(Text("true"))
            assert raised.value.transient
        assert session.alive
        until(lambda: answered(session), bool)


def answered(session: Session) -> bool:
    try:
        return session.run(Text("echo yes")) == b"yes\n"
    except SshUnreachable:
        return False


@contextmanager
def somebody_at_the_door(sshd: Sshd) -> Iterator[None]:
    """Who has not signed in; those that left before count for a moment longer."""
    came: list[socket.socket] = []

    def is_let_in() -> bool:
        came.append(socket.create_connection(("127.0.0.1", sshd.port)))
        return came[-1].recv(4) == b"SSH-"

    try:
        until(is_let_in, bool)
        yield
    finally:
        for one in came:
            one.close()


def test_a_server_with_many_at_its_door_is_asked_again(tmp_path: Path, site: Path) -> None:
    (tmp_path / "sshd").mkdir()
    with private_sshd(tmp_path / "sshd", limits="MaxStartups 1") as sshd:
        until(lambda: waits_for_nobody(sshd), bool)
        refused = pytest.raises(SshUnreachable, match="MaxStartups")
        with somebody_at_the_door(sshd), refused as raised:
            sshd.session()
        assert raised.value.transient
        until(lambda: waits_for_nobody(sshd), bool)
        with sshd.session() as session:
            Backups(session, tmp_path / "root").make(site)


def waits_for_nobody(sshd: Sshd) -> bool:
    """It counts who has left for a moment longer."""
    try:
        sshd.session().close()
    except SshUnreachable:
        return False
    return True


def test_a_server_that_is_a_second_away_is_backed_up(
    server: Sshd, tmp_path: Path, site: Path
) -> None:
    """There and back: each answer takes a second more."""
    with proxied("127.0.0.1", server.port, always(0.5)) as proxy:
        address = replace(server.address, port=proxy.port)
        began = time.monotonic()
        with connect(address, server.private_key) as session:
            Backups(session, tmp_path / "root").make(site)
        assert time.monotonic() - began > 4
