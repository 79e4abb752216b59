"""The set-up command, run as root on a copy of this machine's /etc, and the login that follows."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from cloudpilot.engine import facts
from cloudpilot.engine.pasted import parse_ready, setup_command
from cloudpilot.engine.ssh import Session, connect, new_key
from cloudpilot.errors import CloudPilotError
from cloudpilot.secrets import Secret
from tests.support.must_run import must_run
from tests.support.sshd import IS_ROOT, Sshd, private_sshd
from tests.support.until import until

# Nothing of it outlives the namespace: /etc is a copy, the rest is in memory.
INSIDE = """
set -eu
mount --bind {copy} /etc
for place in /home /var/backups /var/spool /var/mail; do
  [ ! -d $place ] || mount -t tmpfs tmpfs $place
done
"""


@dataclass(frozen=True)
class World:
    """A machine of our own, as far as set-up can see."""

    copy: Path

    def run(self, script: str) -> str:
        command = ["unshare", "--mount", "bash", "-c", INSIDE.format(copy=self.copy) + script]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def world(tmp_path: Path) -> World:
    if not IS_ROOT or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        must_run("unshare", "only root may have namespaces, and not everywhere")
    copy = tmp_path / "etc"
    shutil.copytree("/etc", copy, symlinks=True, ignore_dangling_symlinks=True)
    for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid"):
        if (copy / name).exists():
            kept = [
                line for line in (copy / name).read_text().splitlines() if "cloudpilot" not in line
            ]
            (copy / name).write_text("\n".join(kept) + "\n")
    for path in (copy / "ssh").glob("ssh_host_*"):
        path.unlink()
    keygen = ["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f"]
    subprocess.run([*keygen, copy / "ssh/ssh_host_ed25519_key"], check=True)
    return World(copy)


def test_run_twice_it_puts_one_key_in_place_and_keeps_others(world: World) -> None:
    server_id = uuid4()
    first, second = (new_key(f"cloudpilot-{server_id}")[1] for _ in range(2))
    other = "ssh-ed25519 AAAAother cloudpilot-another-panel"
    answer = world.run(
        f"{setup_command(server_id, first)} >/dev/null\n"
        f"echo '{other}' >>~cloudpilot/.ssh/authorized_keys\n"
        f"{setup_command(server_id, second)}\n"
        "cat ~cloudpilot/.ssh/authorized_keys\n"
        "stat -c '%a %U %n' ~cloudpilot/.ssh ~cloudpilot/.ssh/* /var/backups/cloudpilot\n"
        "getent shadow cloudpilot | cut -d : -f 2\n"
    ).splitlines()
    host_keys = next(line for line in answer if line.startswith("cloudpilot-host-keys"))
    public = world.copy / "ssh/ssh_host_ed25519_key.pub"
    fingerprint = subprocess.check_output(["ssh-keygen", "-lf", public], text=True).split()[1]
    assert parse_host_keys(host_keys) == (fingerprint,)
    assert answer[answer.index(host_keys) + 1 :] == [
        other,
        second,
        "700 cloudpilot /home/cloudpilot/.ssh",
        "600 cloudpilot /home/cloudpilot/.ssh/authorized_keys",
        "700 cloudpilot /var/backups/cloudpilot",
        "*",
    ]


def test_a_command_that_was_cut_off_says_so(world: World) -> None:
    server_id = uuid4()
    command = setup_command(server_id, new_key(f"cloudpilot-{server_id}")[1])
    for part in (command[:-20], command[:-100], command.rsplit(" ", 1)[0]):
        answer = world.run(f"{part} 2>&1 || true; getent passwd cloudpilot || echo nobody\n")
        assert answer == "The command is not whole: copy it again.\nnobody\n"


@pytest.fixture
def entered(world: World, tmp_path: Path) -> Iterator[tuple[Sshd, Secret]]:
    """An sshd in that world, after set-up."""
    server_id = uuid4()
    private, public = new_key(f"cloudpilot-{server_id}")
    home = tmp_path / "sshd"
    home.mkdir()
    with private_sshd(home) as sshd:
        sshd.stop()
        config = (home / "config").read_text()
        authorized = f"AuthorizedKeysFile {home}/authorized_keys/%u"
        (home / "config").write_text(
            config.replace(authorized, "AuthorizedKeysFile .ssh/authorized_keys")
        )
        starter = home / "starter"
        prepare = (
            INSIDE.format(copy=world.copy) + setup_command(server_id, public) + " >/dev/null\n"
        )
        starter.write_text(f'#!/bin/bash\n{prepare}exec /usr/sbin/sshd "$@"\n')
        starter.chmod(0o755)
        command = ["unshare", "--mount", starter, "-D", "-e", "-f", home / "config"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            yield sshd, private
            process.terminate()


def test_the_panel_gets_in_and_finds_a_safe_place(entered: tuple[Sshd, Secret]) -> None:
    sshd, private = entered
    address = replace(sshd.address, username="cloudpilot")

    def enter() -> Session | None:
        with suppress(CloudPilotError):
            return connect(address, private)
        return None

    session = until(enter, bool)
    assert session
    with session:
        checkup = facts.check(session, "/var/backups/cloudpilot")
    levels = {line.key: line.level for line in checkup.lines}
    assert levels["directory"] == "ok"
    assert levels["user"] == "ok"
    assert checkup.facts["alternative"] == "/var/backups/cloudpilot"
