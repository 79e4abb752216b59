"""The set-up command, run as root on a machine of its own, and the login that follows."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloudpilot.engine import facts
from cloudpilot.engine.connecting import connect
from cloudpilot.engine.keypair import new_key
from cloudpilot.kinds import Privilege
from tests.support.machine import Machine, machine

OTHER = "ssh-ed25519 AAAAother cloudpilot-another-panel"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("machine")) as found:
        yield found


def test_run_twice_it_puts_one_key_in_place_and_keeps_others(server: Machine) -> None:
    server.set_up()
    server.as_root(f"printf '{OTHER}' >>~cloudpilot/.ssh/authorized_keys")
    server.public_key = new_key(f"cloudpilot-{server.server_id}")[1]
    ready = server.set_up()
    shown = server.as_root("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    assert (ready.server_id, ready.host_keys) == (server.server_id, (shown,))
    assert ready.privilege is Privilege.PLAIN
    left = server.as_root(
        "cat ~cloudpilot/.ssh/authorized_keys\n"
        "stat -c '%a %U %n' ~cloudpilot/.ssh ~cloudpilot/.ssh/* /var/backups/cloudpilot\n"
        "getent shadow cloudpilot | cut -d : -f 2\n"
    )
    assert left.splitlines() == [
        OTHER,
        server.public_key,
        "700 cloudpilot /home/cloudpilot/.ssh",
        "600 cloudpilot /home/cloudpilot/.ssh/authorized_keys",
        "700 cloudpilot /var/backups/cloudpilot",
        "*",
    ]


@pytest.mark.parametrize("cut", [5, 20, 100, None])
def test_a_command_that_was_cut_off_says_so(server: Machine, cut: int | None) -> None:
    command = server.command()
    part = command[:-cut] if cut else command.rsplit(" ", 1)[0]
    answer = server.as_root(f"{part} 2>&1 || true; getent passwd cloudpilot || echo nobody\n")
    assert answer == "The command is not whole: copy it again.\nnobody\n"


def test_the_directory_is_made_for_the_server_s_own_user(server: Machine) -> None:
    server.set_up(Privilege.READ_ALL, "backup-1")
    assert server.as_root("stat -c %U /var/backups/cloudpilot") == "backup-1\n"
    assert server.as_root("getent passwd cloudpilot || echo nobody") == "nobody\n"
    with connect(replace(server.address, username="backup-1"), server.private_key) as session:
        assert session.alive
    # Another panel's user does not take it away.
    answer = server.as_root(server.command(Privilege.PLAIN, "backup-2"))
    assert "belongs to backup-1 and stays as it is" in answer
    assert server.as_root("stat -c %U /var/backups/cloudpilot") == "backup-1\n"


def test_the_panel_gets_no_user_that_is_root(server: Machine) -> None:
    answer = server.as_root(f"{server.command(Privilege.FULL, 'root')} 2>&1 || true")
    assert answer == (
        "The panel does not log in as root: give the server another user, such as cloudpilot.\n"
    )
    assert server.as_root("ls -A /root") == ""


@pytest.mark.parametrize(
    ("level", "tool", "package"),
    [(Privilege.READ_ALL, "setcap", "libcap2-bin"), (Privilege.FULL, "visudo", "sudo")],
)
def test_what_is_missing_is_said_with_its_package(
    server: Machine, level: Privilege, tool: str, package: str
) -> None:
    server.as_root(
        "cp -a /usr/sbin /usr/local/most;"
        f" rm /usr/local/most/{tool}; mount --bind /usr/local/most /usr/sbin"
    )
    answer = server.as_root(f"{server.command(level)} 2>&1 || true")
    assert f"apt-get install {package}" in answer
    assert "cloudpilot-ready" not in answer


def test_the_panel_gets_in_and_finds_a_safe_place(server: Machine) -> None:
    server.set_up()
    with server.session() as session:
        checkup = facts.check(session, "/var/backups/cloudpilot")
    levels = {line.key: line.level for line in checkup.lines}
    assert levels["directory"] == "ok"
    assert levels["privilege"] == "ok"
    assert "is in memory" in checkup.facts["trap"]  # on this machine


@pytest.mark.parametrize(
    "prepare", ["useradd -r -s /bin/bash www", "useradd -m -s /usr/sbin/nologin www"]
)
def test_the_user_of_a_service_is_refused(server: Machine, prepare: str) -> None:
    """With the panel's rights every script of a web site would have them."""
    server.as_root(prepare)
    said = server.as_root(f"{server.command(Privilege.FULL, 'www')} 2>&1 || true")
    assert "user of a service" in said
    assert server.as_root("ls /etc/sudoers.d").split().count("cloudpilot") == 0


@pytest.mark.parametrize(
    "join",
    ["useradd -g cloudpilot -M mallory", "useradd -M mallory; usermod -aG cloudpilot mallory"],
)
def test_a_tar_that_reads_everything_is_for_nobody_else(server: Machine, join: str) -> None:
    server.set_up()
    server.as_root(join)
    said = server.as_root(f"{server.command(Privilege.READ_ALL)} 2>&1 || true")
    assert "mallory is in the group of cloudpilot" in said
    assert server.as_root("ls /usr/local/lib 2>/dev/null || true") == ""


@pytest.mark.parametrize("level", [Privilege.READ_ALL, Privilege.FULL])
def test_what_another_panel_was_given_stays(server: Machine, level: Privilege) -> None:
    """Two panels with a user each: neither takes the other's rights away, whatever it is given."""
    server.set_up(level)
    there = "cat /etc/sudoers.d/cloudpilot; ls -l /usr/local/lib/cloudpilot"
    before = server.as_root(f"({there}) 2>/dev/null || true")
    server.set_up(Privilege.PLAIN, "other")
    assert server.as_root(f"({there}) 2>/dev/null || true") == before
    said = server.as_root(f"{server.command(level, 'other')} 2>&1 || true")
    assert "is another panel's" in said
    assert server.as_root(f"({there}) 2>/dev/null || true") == before
