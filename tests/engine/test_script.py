"""What is sent to servers, as text."""

import subprocess
from dataclasses import replace
from typing import Any

import pytest

from cloudpilot.engine.script import Contents, backup
from cloudpilot.errors import InvalidConfig, InvalidPath
from cloudpilot.kinds import Compression, Privilege

WHAT = Contents(
    paths=("/srv/www", "/etc"),
    excludes=("*.log",),
    compression=Compression.ZSTD,
    archive="files-20261123-053000Z.tar.zst",
    backup_root="/var/backups/cloudpilot",
    plan=b"{}",
    expected_ratio=50,
    privilege=Privilege.READ_ALL,
)


def test_a_run_gets_its_files() -> None:
    files = backup(WHAT)
    assert sorted(files) == ["entry.pl", "manifest.json", "pack.pl", "script", "stream.pl"]
    assert files["manifest.json"] == b"{}"
    script = files["script"].decode()
    assert script.startswith("main() {\n")
    assert script.endswith('}\nmain "$@"; exit\n')
    assert "paths=( /etc /srv/www )" in script
    assert "declare expected_ratio=50" in script
    assert "declare privilege=read-all" in script


def test_of_a_script_that_was_cut_off_nothing_runs() -> None:
    script = backup(WHAT)["script"]
    for length in range(0, script.rindex(b"\nmain"), 1500):
        done = subprocess.run(
            ["bash", "-s"], input=script[:length], check=False, capture_output=True
        )
        assert done.stdout == b""


@pytest.mark.parametrize("archive", ["", "a/b", "../x", "a b", ".hidden", "a\n", "x" * 200])
def test_an_archive_has_a_plain_name(archive: str) -> None:
    with pytest.raises(InvalidConfig):
        backup(replace(WHAT, archive=archive))


@pytest.mark.parametrize("path", ["/var/backups/cloudpilot", "/var/backups/cloudpilot/x"])
def test_backups_are_not_backed_up_to_themselves(path: str) -> None:
    with pytest.raises(InvalidPath):
        backup(replace(WHAT, paths=(path,)))


def test_what_is_streamed_goes_to_an_upload() -> None:
    what = replace(WHAT, streamed=True, upload_id="u1", tiers=((16, 2), (128, 3)))
    script = backup(what)["script"].decode()
    for said in (
        "tiers=( 16 2 128 3 )",
        "declare streamed=yes",
        "declare upload_id=u1",
        "hand_over()",
    ):
        assert said in script
    assert "hand_over()" not in backup(WHAT)["script"].decode()


@pytest.mark.parametrize("changes", [{"upload_id": "../x"}, {"upload_id": ""}, {"tiers": ()}])
def test_what_is_streamed_to_nowhere_is_refused(changes: dict[str, Any]) -> None:
    what = replace(WHAT, streamed=True, upload_id="u1", tiers=((16, 2),))
    with pytest.raises(InvalidConfig):
        backup(replace(what, **changes))
