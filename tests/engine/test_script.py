"""What is sent to servers, as text."""

import subprocess
from base64 import b64decode
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudpilot.engine.program import REMOTE
from cloudpilot.engine.script import (
    FilesBackup,
    files_backup,
    parse_host_keys,
    setup_command,
)
from cloudpilot.engine.ssh import new_key
from cloudpilot.errors import InvalidConfig, InvalidPath
from cloudpilot.kinds import Compression

KEY = "SHA256:" + "aB3+/" * 8 + "xyz"
WHAT = FilesBackup(
    paths=("/srv/www", "/etc"),
    excludes=("*.log",),
    compression=Compression.ZSTD,
    archive="files-20261123-053000Z.tar.zst",
    backup_root="/var/backups/cloudpilot",
    plan=b"{}",
    expected_ratio=50,
)


def test_a_run_gets_its_files() -> None:
    files = files_backup(WHAT)
    assert sorted(files) == ["manifest.json", "pack.pl", "script"]
    assert files["manifest.json"] == b"{}"
    script = files["script"].decode()
    assert script.startswith("main() {\n")
    assert script.endswith('}\nmain "$@"; exit\n')
    assert "paths=( /etc /srv/www )" in script
    assert "declare expected_ratio=50" in script


def test_of_a_script_that_was_cut_off_nothing_runs() -> None:
    script = files_backup(WHAT)["script"]
    for length in range(0, script.rindex(b"\nmain"), 1500):
        done = subprocess.run(
            ["bash", "-s"], input=script[:length], check=False, capture_output=True
        )
        assert done.stdout == b""


@pytest.mark.parametrize("archive", ["", "a/b", "../x", "a b", ".hidden", "a\n", "x" * 200])
def test_an_archive_has_a_plain_name(archive: str) -> None:
    with pytest.raises(InvalidConfig):
        files_backup(replace(WHAT, archive=archive))


@pytest.mark.parametrize("path", ["/var/backups/cloudpilot", "/var/backups/cloudpilot/x"])
def test_backups_are_not_backed_up_to_themselves(path: str) -> None:
    with pytest.raises(InvalidPath):
        files_backup(replace(WHAT, paths=(path,)))


def test_the_command_that_sets_a_server_up_is_one_line_of_plain_characters() -> None:
    server_id = UUID("12345678-1234-5678-1234-567812345678")
    _, public = new_key(f"cloudpilot-{server_id}")
    command = setup_command(server_id, public)
    assert "\n" not in command
    words = command.split(" ")
    assert b64decode(words[1]) == (REMOTE / "setup.sh").read_bytes()
    assert words[-2:-1] == [str(server_id)]
    assert b64decode(words[-1]).decode() == public


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_name_can_write_into_the_command(name: str) -> None:
    """The key's line is all that comes from outside, and it travels as base64."""
    server_id = uuid4()
    command = setup_command(server_id, f"ssh-ed25519 AAAA {name}")
    assert set(command.rsplit(" ", 1)[1]) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
    )
    constant = setup_command(server_id, "").rsplit(" ", 1)[0]
    assert command.rsplit(" ", 1)[0] == constant


def test_host_keys_are_found_in_what_was_pasted() -> None:
    other = KEY.replace("x", "y")
    pasted = f"This server is ready.\r\n  cloudpilot-host-keys {KEY} {other} {KEY} \r\n"
    assert parse_host_keys(pasted) == (KEY, other)


@pytest.mark.parametrize(
    "text",
    ["", "hello", "cloudpilot-host-keys", "cloudpilot-host-keys SHA256:short", f"x {KEY}", KEY,
     f"cloudpilot-host-keys {KEY} SHA256:{'a' * 42}", f"cloudpilot-host-keys MD5:{'a' * 43}"],
)  # fmt: skip
def test_what_is_not_that_line_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfig):
        parse_host_keys(text)
