"""One dump out of an archive, without looking through what comes after it."""

import io
import subprocess
import tarfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from cloudpilot.engine.program import REMOTE

MEMBERS = (
    ("manifest.json", b"{}"),
    ("databases/1/census.json", b"[1]"),
    ("databases/1/tables.sql.000000", b"a" * 1_500_000),
    ("databases/1/tables.sql.000001", b"b" * 700),
    ("databases/1/tables.sql.old", b"another"),
    ("databases/11/tables.sql.000000", b"of another"),
    ("databases/2/programs.sql", b""),
    ("files/databases/3/tables.sql.000000", b"a file"),
    ("databases/3/tables.sql.000000", b"after the files"),
)


def tar_of(members: Iterable[tuple[str, bytes]]) -> bytes:
    """As archives are: what is long about a name stands before it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as opened:
        for name, content in members:
            about = tarfile.TarInfo(name)
            about.size, about.mtime = len(content), 1_800_000_000.25  # type: ignore[assignment]
            opened.addfile(about, io.BytesIO(content))
    return packed.getvalue()


TAR = tar_of(MEMBERS)


def extracted(name: str, tar: bytes = TAR) -> tuple[int, bytes]:
    command = ["perl", REMOTE / "extract.pl", name]
    done = subprocess.run(command, input=tar, capture_output=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("databases/1/census.json", b"[1]"),
        ("databases/1/tables.sql", b"a" * 1_500_000 + b"b" * 700),
        ("databases/11/tables.sql", b"of another"),
        ("databases/2/programs.sql", b""),
    ],
)
def test_a_dump_is_joined(name: str, content: bytes) -> None:
    assert extracted(name) == (0, content)


@pytest.mark.parametrize("name", ["databases/4/tables.sql", "databases/3/tables.sql", "databases"])
def test_what_is_not_there_is_no_success(name: str) -> None:
    assert extracted(name) == (1, b"")


def test_what_is_cut_off_is_no_success() -> None:
    at = TAR.index(b"b" * 700)
    for cut in (at - 512, at, at + 300):
        status, content = extracted("databases/1/tables.sql", TAR[:cut])
        assert status != 0 or content == b"a" * 1_500_000
        assert (status != 0) is (cut >= at)


def test_what_comes_after_it_is_not_waited_for() -> None:
    """The writer goes on for ever; whoever takes a dump has it all the same."""
    command = ["perl", REMOTE / "extract.pl", "databases/1/tables.sql"]
    begun = TAR[: TAR.index(b"another") + 512]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        with ThreadPoolExecutor(1) as beside:
            writing = beside.submit(process.stdin.write, begun)
            content = process.stdout.read()
        assert writing.result(10)
        assert content == b"a" * 1_500_000 + b"b" * 700
        assert process.wait(10) == 0
        with suppress(BrokenPipeError):
            process.stdin.close()
