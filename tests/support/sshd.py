"""Fixtures of real OpenSSH servers.

`server` is one for the whole session, logged in to as whoever runs the tests; `plain_server` the
same with an account that is not root's. `private_sshd` makes more of them.
"""

import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from cloudpilot.engine.ssh import Session
from tests.support.must_run import must_run
from tests.support.openssh import IS_ROOT, SSHD, Sshd
from tests.support.until import until


@contextmanager
def private_sshd(
    home: Path,
    user: str = "",
    *,
    environment: str = "",
    limits: str = "",
    inside: tuple[str, ...] = (),
) -> Iterator[Sshd]:
    """A server of one's own in `home`; it ends with the block.

    environment  what its sessions find there, NAME=VALUE
    limits       lines of its configuration in place of our own
    inside       a command that it is started by
    """
    if not SSHD:
        must_run("sshd", "it is not installed")
    if IS_ROOT:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd, as root, insists on it
    for folder in (home, *home.parents):
        if folder.owner() == pwd.getpwuid(os.geteuid()).pw_name and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o111)  # another account has to pass
    sshd = Sshd(home, user or pwd.getpwuid(os.geteuid()).pw_name)
    config = home / "config"
    # Of several SetEnv lines the first counts.
    instead = {line.split()[0] for line in limits.splitlines()}
    lines = (line for line in config.read_text().splitlines() if line.split(" ")[0] not in instead)
    config.write_text("\n".join((limits, f"SetEnv SHLVL=1 {environment}", *lines, "")))
    sshd.inside = inside
    sshd.start()
    try:
        yield sshd
    finally:
        sshd.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """Logs in as the user who runs the tests."""
    with private_sshd(tmp_path_factory.mktemp("sshd")) as sshd:
        yield sshd


@pytest.fixture(scope="session")
def plain_user() -> Iterator[str]:
    """The name of an account that is not root's; made for these tests where they run as root."""
    if not IS_ROOT:
        yield pwd.getpwuid(os.geteuid()).pw_name
        return
    name = f"cp-{uuid4().hex[:8]}"
    until(lambda: _succeeds("useradd", "-m", "-s", "/bin/bash", name), bool)
    try:
        until(lambda: _succeeds("usermod", "-p", "*", name), bool)
        yield name
    finally:
        until(lambda: _succeeds("userdel", "-r", name), bool)


def _succeeds(*command: str) -> bool:
    """Accounts are locked while another test changes one, or while a session of theirs ends."""
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture(scope="session")
def plain_server(tmp_path_factory: pytest.TempPathFactory, plain_user: str) -> Iterator[Sshd]:
    """Logs in as an account that is not root's."""
    with private_sshd(tmp_path_factory.mktemp("plain-sshd"), plain_user) as sshd:
        yield sshd


@pytest.fixture
def session(server: Sshd) -> Iterator[Session]:
    """A session on `server`."""
    with server.session() as opened:
        yield opened
