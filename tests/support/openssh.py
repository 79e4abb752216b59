"""A real OpenSSH server on a free port of loopback, with keys and a configuration of its own."""

import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path

from cloudpilot.engine.address import Address
from cloudpilot.engine.connecting import connect
from cloudpilot.engine.keypair import new_key
from cloudpilot.engine.ssh import Session
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
SetEnv SHLVL=1 {environment}
"""


class Sshd:
    """One private sshd: where it is, how to log in, and its switches."""

    def __init__(self, home: Path, user: str, environment: str = "") -> None:
        self.home = home  # configuration and keys; the user's own is user_home
        self.user = user
        self.user_home = Path(pwd.getpwnam(user).pw_dir)
        self.port = _free_port()
        self.private_key, self.public_key = new_key("tests")
        self.inside: tuple[str, ...] = ()  # a command that it is started by
        self._process: subprocess.Popen[bytes] | None = None
        self.rekey()
        self.authorize(user, self.public_key)
        (home / "config").write_text(
            CONFIG.format(port=self.port, home=home, environment=environment)
        )

    @property
    def address(self) -> Address:
        """With the host key that it shows now approved."""
        return Address("127.0.0.1", self.port, self.user, (self.fingerprint,))

    @property
    def fingerprint(self) -> str:
        """Of the host key."""
        said = subprocess.check_output(["ssh-keygen", "-lf", self.home / "host_key.pub"], text=True)
        return said.split()[1]

    @property
    def pid(self) -> int:
        """Of the process that listens."""
        assert self._process
        return self._process.pid

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
                [*self.inside, SSHD, "-D", "-e", "-f", self.home / "config"],
                stderr=log,
                stdin=subprocess.DEVNULL,
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


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
