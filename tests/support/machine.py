"""A machine of one's own, as far as set-up, sudo and sshd can see: a mount namespace.

/etc is a copy; /home, /root, /usr/local and /var/backups are in memory. Nothing of it outlives it.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

from cloudpilot.engine import detached, script
from cloudpilot.engine.address import Address
from cloudpilot.engine.connecting import connect
from cloudpilot.engine.detached import Place
from cloudpilot.engine.keypair import new_key
from cloudpilot.engine.pasted import Ready, parse_ready, setup_command
from cloudpilot.engine.script import Chain, Contents, Tree
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CloudPilotError
from cloudpilot.kinds import Compression, Privilege
from cloudpilot.reports import Report
from cloudpilot.secrets import Secret
from tests.support.must_run import must_run
from tests.support.sshd import IS_ROOT, Sshd, private_sshd
from tests.support.until import until

USER = "cloudpilot"
INSIDE = """
set -eu
mount --bind {etc} /etc
for place in /home /root /usr/local /var/backups /var/mail /var/spool; do
  [ ! -d $place ] || mount -t tmpfs -o mode=755 tmpfs $place
done
mkdir -p /usr/local/bin
chmod 700 /root
"""


@dataclass
class Machine:
    """A server that can be set up, for any user and level, by the panel's own command."""

    sshd: Sshd
    pid: int  # of a process inside
    server_id: UUID
    private_key: Secret
    public_key: str
    root: str = "/var/backups/cloudpilot"

    def as_root(self, command: str) -> str:
        """Run it inside; returns what it says."""
        enter = ["nsenter", f"--mount=/proc/{self.pid}/ns/mnt", "bash", "-c", command]
        done = subprocess.run(enter, check=False, capture_output=True, text=True, cwd="/")
        assert done.returncode == 0, (command[-200:], done.stdout, done.stderr)
        return done.stdout

    def command(self, level: Privilege = Privilege.PLAIN, username: str = USER) -> str:
        """What the panel shows."""
        return setup_command(self.server_id, self.public_key, privilege=level, username=username)

    def set_up(self, level: Privilege = Privilege.PLAIN, username: str = USER) -> Ready:
        """Run that command, and read its last line."""
        return parse_ready(self.as_root(self.command(level, username)))

    def reread(self) -> None:
        """Have sshd take over its configuration; it answers again when this returns."""
        before = self._listened()
        self.as_root(f"kill -HUP {self.pid}")
        until(self._listened, lambda times: times > before)

    def _listened(self) -> int:
        return (self.sshd.home / "log").read_text().count("Server listening")

    @property
    def address(self) -> Address:
        return replace(self.sshd.address, username=USER)

    def session(self) -> Session:
        """A session of the panel's; the caller closes it."""
        return connect(self.address, self.private_key)

    def start(
        self,
        session: Session,
        level: Privilege,
        *paths: str,
        chain: Chain | None = None,
        tree: Tree | None = None,
    ) -> Place:
        """Begin a backup."""
        place = Place(self.root, str(uuid4()), "r1")
        what = Contents(
            paths=paths,
            excludes=(),
            compression=Compression.GZIP,
            archive="a.tar.gz",
            backup_root=self.root,
            plan=b"{}",
            privilege=level,
            chain=chain,
            tree=tree,
        )
        detached.launch(session, place, script.backup(what))
        return place

    def over(self, session: Session, place: Place) -> Report:
        """How it ended."""
        return until(lambda: detached.look(session, place), lambda report: report.over, seconds=60)


@contextmanager
def machine(home: Path) -> Iterator[Machine]:
    """Such a machine, with an sshd that reads keys where sshd does; nobody has set it up."""
    for tool in ("sudo", "setcap", "nsenter"):
        if not shutil.which(tool):
            must_run(tool, "it is not installed")
    if not IS_ROOT or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        must_run("root", "only root may have namespaces, and not everywhere")
    etc = _etc(home / "etc")
    server_id = uuid4()
    private_key, public_key = new_key(f"cloudpilot-{server_id}")
    with private_sshd(home) as sshd:
        sshd.stop()
        config = home / "config"
        listed = f"AuthorizedKeysFile {home}/authorized_keys/%u"
        config.write_text(
            config.read_text().replace(listed, "AuthorizedKeysFile .ssh/authorized_keys")
        )
        starter = home / "starter"
        starter.write_text(f'#!/bin/bash\n{INSIDE.format(etc=etc)}exec /usr/sbin/sshd "$@"\n')
        starter.chmod(0o755)
        command = ["unshare", "--mount", starter, "-D", "-e", "-f", config]
        with (home / "log").open("ab") as log, subprocess.Popen(command, stderr=log) as process:
            found = Machine(sshd, process.pid, server_id, private_key, public_key)
            until(lambda: _answers(found), bool)
            try:
                yield found
            finally:
                process.terminate()


def _answers(found: Machine) -> bool:
    """sshd is there, and knows nobody yet."""
    with suppress(CloudPilotError):
        found.session().close()
        return True
    return "Server listening" in (found.sshd.home / "log").read_text().rpartition("Received")[2]


def _etc(copy: Path) -> Path:
    shutil.copytree("/etc", copy, symlinks=True, ignore_dangling_symlinks=True)
    for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid"):
        if (copy / name).exists():
            lines = (copy / name).read_text().splitlines()
            kept = [line for line in lines if not line.startswith("cloudpilot")]
            (copy / name).write_text("\n".join(kept) + "\n")
    # `userdel` refuses while a process has that number, also one of another test's machine.
    (copy / "login.defs").write_text(f"UID_MIN {20000 + os.getpid() % 30000}\nUID_MAX 60000\n")
    for path in (copy / "ssh").glob("ssh_host_*"):
        path.unlink()
    keygen = ["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f"]
    subprocess.run([*keygen, copy / "ssh/ssh_host_ed25519_key"], check=True)
    return copy
