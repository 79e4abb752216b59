"""A real OpenSSH server on a free port of this machine.

`server` is one for the whole session, logged in to as whoever runs the tests; `plain_server` the
same with an account that is not root's. `private_sshd` makes more of them.
"""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from cloudpilot.engine.ssh import Address, Session, connect, new_key
from tests.support.must_run import must_run
from tests.support.until import until

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
IS_ROOT = os.geteuid() == 0
CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host_key
AuthorizedKeysFile {home}/authorized_keys/%u
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxSessions 100
MaxStartups 100
PrintMotd no
# Else bash reads the ~/.bashrc of whoever runs the tests, which may take longer than a test.
SetEnv SHLVL=1
"""


class Sshd:
    """One private sshd: where it is, how to log in, and its switches."""

    def __init__(self, home: Path, user: str) -> None:
        self.home = home  # configuration and keys; the user's own is user_home
        self.user = user
        self.user_home = Path(pwd.getpwnam(user).pw_dir)
        self.port = _free_port()
        self.private_key, self.public_key = new_key("tests")
        self._process: subprocess.Popen[bytes] | None = None
        self.rekey()
        self.authorize(user, self.public_key)
        (home / "config").write_text(CONFIG.format(port=self.port, home=home))

    @property
    def address(self) -> Address:
        """With the host key that it shows now approved."""
        return Address("127.0.0.1", self.port, self.user, (self.fingerprint,))

    @property
    def fingerprint(self) -> str:
        """Of the host key."""
        said = subprocess.check_output(["ssh-keygen", "-lf", self.home / "host_key.pub"], text=True)
        return said.split()[1]

    def session(self) -> Session:
        """A new session; the caller closes it."""
        return connect(self.address, self.private_key)

    def authorize(self, user: str, public_key: str) -> None:
        """Let one more key in."""
        keys = self.home / "authorized_keys"
        keys.mkdir(exist_ok=True)
        with (keys / user).open("a") as file:
            file.write(f"{public_key}\n")

    def rekey(self) -> None:
        """Another host key; a server that runs is started anew."""
        for name in ("host_key", "host_key.pub"):
            (self.home / name).unlink(missing_ok=True)
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.home / "host_key"]
        subprocess.run(keygen, check=True)
        if self._process:
            self.stop()
            self.start()

    def start(self) -> None:
        """Returns when it accepts connections, on the same port as before."""
        assert SSHD
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", self.home / "config"], stderr=log, stdin=subprocess.DEVNULL
            )
        until(self._answers, bool)

    def stop(self) -> None:
        """End the server; open connections stay open, as sshd's do."""
        if self._process:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, (self.home / "log").read_text()
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def private_sshd(home: Path, user: str = "") -> Iterator[Sshd]:
    """A server of one's own in `home`; it ends with the block."""
    if not SSHD:
        must_run("sshd", "it is not installed")
    if IS_ROOT:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd, as root, insists on it
    for folder in (home, *home.parents):
        if folder.owner() == pwd.getpwuid(os.geteuid()).pw_name and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o111)  # another account has to pass
    sshd = Sshd(home, user or pwd.getpwuid(os.geteuid()).pw_name)
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
    subprocess.run(["useradd", "-m", "-s", "/bin/bash", name], check=True)
    try:
        subprocess.run(["usermod", "-p", "*", name], check=True)
        yield name
    finally:
        subprocess.run(["userdel", "-r", name], check=False, stderr=subprocess.DEVNULL)


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


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
