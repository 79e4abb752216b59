"""domain.servers: what may be typed, which key is trusted, what is found."""

from uuid import uuid4

import pytest
from flask import Flask

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import servers
from cloudpilot.domain.servers import Checkup, Server
from cloudpilot.errors import AddressRefused, InvalidConfig, InvalidPath, NotFound
from tests.support.rows import add_server


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb", "a\u202eb", "\x1b[2J"])
def test_a_name_that_cannot_be_read_is_refused(name: str) -> None:
    with pytest.raises(InvalidConfig):
        servers.valid_name(name)


@pytest.mark.parametrize("name", ["web-1", "Søren's “shop”", "$(reboot)", "'; DROP TABLE", "漢字"])
def test_any_other_name_is_kept_as_it_is(name: str) -> None:
    assert servers.valid_name(f" {name} ") == name


@pytest.mark.parametrize(
    ("typed", "host"),
    [("web-1.example.com", "web-1.example.com"), ("10.0.0.1", "10.0.0.1"), ("[::1]", "::1")],
)
def test_a_host_is_a_name_or_an_address(typed: str, host: str) -> None:
    assert servers.valid_host(typed) == host


@pytest.mark.parametrize("host", ["", "-oProxyCommand=x", "a b", "http://x", "a/b", "x" * 300])
def test_anything_else_is_no_host(host: str) -> None:
    with pytest.raises(InvalidConfig):
        servers.valid_host(host)


@pytest.mark.parametrize("host", ["169.254.169.254", "metadata.google.internal", "fe80::1%eth0"])
def test_what_is_never_connected_to_is_refused_at_the_field(host: str) -> None:
    with pytest.raises(AddressRefused):
        servers.valid_host(host)


@pytest.mark.parametrize("name", ["", "Root", "a b", "-x", "x" * 40, "a\nb"])
def test_a_user_name_is_a_user_name(name: str) -> None:
    assert servers.valid_username(" cloudpilot ") == "cloudpilot"
    with pytest.raises(InvalidConfig):
        servers.valid_username(name)


@pytest.mark.parametrize("path", ["", "srv", "/srv/../etc", "/srv/./x", "/a\nb", "/" + "x" * 5000])
def test_a_path_is_whole_and_plain(path: str) -> None:
    with pytest.raises(InvalidPath):
        servers.valid_path(path)


def test_a_path_keeps_its_odd_characters() -> None:
    assert servers.valid_path("//srv//it's $(here) -x/") == "/srv/it's $(here) -x"
    assert servers.valid_path("/") == "/"


SYSTEMS = ["/var/tmp", "/var/lib", "/usr/bin", "/etc/ssh", "/var/backups"]


@pytest.mark.parametrize("path", ["/", "/tmp", "/dev/shm", "/proc/x", "var/backups", *SYSTEMS])
def test_a_backup_directory_is_a_folder_of_its_own(path: str) -> None:
    assert servers.valid_backup_root(" /var/backups/cloudpilot/ ") == "/var/backups/cloudpilot"
    with pytest.raises(InvalidPath):
        servers.valid_backup_root(path)


def test_only_approved_keys_make_a_server_ready() -> None:
    server = Server(host_keys=[], offered_host_key="SHA256:new")
    assert not server.is_ready
    server.approve("SHA256:new")
    assert (server.is_ready, server.host_keys, server.offered_host_key) == (
        True,
        ["SHA256:new"],
        None,
    )


def test_a_removed_server_is_not_found_and_not_listed(core: Flask) -> None:
    with transaction() as session:
        gone = add_server(session, "gone", removed_at=clock.now())
        add_server(session, "b")
        there = add_server(session, "a")
    with reading() as session:
        assert [server.name for server in servers.listed(session)] == ["a", "b"]
        assert servers.find(session, there.id).key_place == f"servers/{there.id}/private_key"
        for missing in (gone.id, uuid4()):
            with pytest.raises(NotFound):
                servers.find(session, missing)


def test_the_latest_checkup_is_the_one_shown(core: Flask) -> None:
    with transaction() as session:
        server = add_server(session)
        assert servers.latest_checkup(session, server.id) is None
        for number in range(3):
            session.add(Checkup(server_id=server.id, lines=[], facts={"n": number}))
            session.flush()
    with reading() as session:
        latest = servers.latest_checkup(session, server.id)
        assert latest is not None
        assert latest.facts == {"n": 2}


@pytest.mark.parametrize("text", ["", "0", "21", "-1", "two", "9" * 50])
def test_a_server_makes_some_backups_at_once(text: str) -> None:
    assert servers.valid_backups_at_once(" 20 ") == 20
    with pytest.raises(InvalidConfig, match="from 1 to 20"):
        servers.valid_backups_at_once(text)
