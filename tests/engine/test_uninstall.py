"""Taking the panel off a server: what goes, what stays, and what is said of it."""

import shlex
from collections.abc import Iterator
from contextlib import suppress

import pytest

from cloudpilot.engine import connecting, detached
from cloudpilot.engine.keypair import new_key
from cloudpilot.engine.pasted import Removed, parse_removed, uninstall, uninstall_command
from cloudpilot.errors import CloudPilotError
from cloudpilot.kinds import Privilege
from cloudpilot.text import decode
from tests.support.machine import USER, Machine, machine

ROOT = "/var/backups/cloudpilot"
BACKUP = "0b6b9c52-6f0e-4c8e-9a55-6f1d6f0e4c8e"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("machine")) as found:
        yield found


def removing(server: Machine, *, keep: bool = False, roots: tuple[str, ...] = (ROOT,)) -> str:
    return uninstall_command(server.server_id, username=USER, keep=keep, roots=roots)


def said(server: Machine, text: str) -> set[str]:
    """What is gone."""
    removed: Removed = parse_removed(text, server.server_id)
    return {thing for thing, gone in removed.gone.items() if gone}


ALL = {"key", "rule", "tar", "directories", "user"}


@pytest.mark.parametrize("level", Privilege)
def test_nothing_of_the_panel_is_left(server: Machine, level: Privilege) -> None:
    server.set_up(level)
    server.as_root(f"runuser -u {USER} -- mkdir {ROOT}/.removed")
    server.as_root(f"runuser -u {USER} -- touch {ROOT}/.removed/{BACKUP}")
    assert said(server, server.as_root(removing(server))) == ALL
    left = server.as_root(
        f"ls -d {ROOT} /home/{USER} /etc/sudoers.d/cloudpilot /usr/local/lib/cloudpilot"
        f" 2>/dev/null || true; getent passwd {USER} || true"
    )
    assert left == ""
    assert connecting.refuses(server.address, server.private_key)
    assert said(server, server.as_root(removing(server))) == ALL  # again


def test_archives_that_are_kept_become_root_s(server: Machine) -> None:
    server.set_up()
    server.as_root(
        f"runuser -u {USER} -- mkdir {ROOT}/{BACKUP}; runuser -u {USER} -- touch {ROOT}/{BACKUP}/a"
    )
    its = f"{ROOT}/{BACKUP}/x.tree/files/page"
    server.as_root(f"mkdir -p {its.removesuffix('/page')}; touch {its}; chown 33:33 {its}")
    answer = server.as_root(removing(server, keep=True))
    assert said(server, answer) == ALL - {"directories"}
    assert f"Stays, and belongs to root: {ROOT}" in answer
    assert server.as_root(f"stat -c '%U %n' {ROOT} {ROOT}/{BACKUP}/a").splitlines() == [
        f"root {ROOT}",
        f"root {ROOT}/{BACKUP}/a",
    ]
    assert server.as_root(f"stat -c '%u:%g' {its}") == "33:33\n"  # in a tree owners are kept


def test_what_is_not_empty_stays_with_its_owner(server: Machine) -> None:
    server.set_up()
    server.as_root(f"runuser -u {USER} -- touch {ROOT}/notes")
    assert said(server, server.as_root(removing(server))) == {"key", "rule", "tar"}
    assert server.as_root(f"stat -c %U {ROOT}/notes") == f"{USER}\n"


def test_of_what_others_have_put_there_nothing_goes(server: Machine) -> None:
    server.as_root("mkdir -p /var/backups/foreign")
    server.set_up()
    keys = f"~{USER}/.ssh/authorized_keys"
    server.as_root(f"echo 'ssh-ed25519 AAAA ada@laptop' >>{keys}; touch /home/{USER}/file")
    answer = server.as_root(removing(server, roots=(ROOT, "/var/backups/foreign")))
    assert said(server, answer) == {"key", "rule", "tar"}
    assert server.as_root(f"cat {keys}") == "ssh-ed25519 AAAA ada@laptop\n"
    assert server.as_root("ls -d /var/backups/foreign")
    assert "The user cloudpilot stays" in answer


def test_a_user_that_set_up_did_not_make_stays(server: Machine) -> None:
    server.as_root(f"useradd -m -s /bin/bash {USER}")
    server.set_up()
    assert said(server, server.as_root(removing(server))) == ALL - {"user"}


def test_what_another_panel_needs_stays(server: Machine) -> None:
    server.set_up(Privilege.FULL)
    other = new_key("cloudpilot-00000000-0000-0000-0000-000000000001")[1]
    server.as_root(f"echo {shlex.quote(other)} >>~{USER}/.ssh/authorized_keys")
    answer = server.as_root(removing(server))
    assert said(server, answer) == {"key", "tar"}
    assert "Another panel" in answer
    assert connecting.refuses(server.address, server.private_key)


def test_nothing_goes_while_a_backup_is_made(server: Machine) -> None:
    server.set_up()
    server.as_root(
        "mkdir -p /usr/local/bin; for tool in igzip pigz gzip; do printf '#!/bin/bash\\n"
        'while [ -e work/archive ]; do sleep 0.05; done\\nexec /usr/bin/%s "$@"\' $tool'
        " >/usr/local/bin/$tool; chmod 755 /usr/local/bin/$tool; done"
    )
    with server.session() as session:
        place = server.start(session, Privilege.PLAIN, "/usr/bin/perl")
        refused = server.as_root(f"{removing(server)} 2>&1 || true")
        assert "A backup or a restore is at work in" in refused
        assert not connecting.refuses(server.address, server.private_key)
        detached.stop(session, place)


def test_the_panel_may_do_it_itself_where_it_may_do_all(server: Machine) -> None:
    server.set_up(Privilege.FULL)
    program = uninstall(server.server_id, username=USER, keep=False, roots=(ROOT,))
    with server.session() as session:
        answer = decode(session.run(program, timeout=30))
    assert said(server, answer) >= ALL - {"user"}
    assert connecting.refuses(server.address, server.private_key)


@pytest.mark.parametrize("cut", [20, 200])
def test_a_command_that_was_cut_off_does_nothing(server: Machine, cut: int) -> None:
    server.set_up()
    with suppress(CloudPilotError):
        server.as_root(f"{removing(server)[:-cut]} 2>&1 || true")
    assert not connecting.refuses(server.address, server.private_key)
