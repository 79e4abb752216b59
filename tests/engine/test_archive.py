"""Reading a dump of PostgreSQL's custom format while it passes, in whatever portions it comes."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from cloudpilot.engine.program import REMOTE
from tests.support.postgresql import PostgreSql

CONTENT = """
create table narrow (i int); insert into narrow select generate_series(1, 70000);
create table odd (t text); insert into odd select case n % 3 when 0 then '' when 1 then '\\.'
  else repeat(E'x\\n', n % 700) end from generate_series(1, 3000) n;
create table big (t text); insert into big select repeat('y', 2500000) from generate_series(1, 2);
create table nothing (); insert into nothing default values; create table none_at_all (i int);
select lo_from_bytea(0, decode(repeat('0a', 5000), 'hex')); select lo_create(0);
"""
SAID = ["big 2", "narrow 70000", "none_at_all 0", "nothing 1", "odd 3000"]


@pytest.fixture(scope="module")
def dump(postgresql: PostgreSql) -> Iterator[bytes]:
    name = f"cp_{uuid4().hex[:8]}"
    postgresql.sql(f"create database {name}")
    postgresql.sql(CONTENT, name)
    command = ["pg_dump", "-h", str(postgresql.home), "-p", str(postgresql.port), "-U", "owner"]
    done = subprocess.run([*command, "-Fc", "-Z0", name], check=True, capture_output=True)
    yield done.stdout
    postgresql.sql(f"drop database {name}")


def read(folder: Path, dump: bytes, portion: int = 0) -> tuple[int, list[str], str]:
    """How members.pl ends, what it says of the dump, and why it has failed."""
    (folder / "work").mkdir(exist_ok=True)
    (folder / "work/said").unlink(missing_ok=True)
    command = ["perl", REMOTE / "members.pl", "x", "archive"]
    if portion:
        command = ["bash", "-c", f'dd bs={portion} status=none | exec "$@"', "dd", *command]
    done = subprocess.run(command, input=dump, check=False, capture_output=True, cwd=folder)
    said = folder / "work/said"
    return (
        done.returncode,
        said.read_text().split("\n")[:-1] if said.exists() else [],
        str(done.stderr),
    )


@pytest.mark.parametrize("portion", [0, 7, 4093])
def test_rows_are_counted_whatever_is_in_them(tmp_path: Path, dump: bytes, portion: int) -> None:
    """As many as the server has; beside large objects, which have lines, too."""
    part = dump if portion != 7 else dump[:200_000]
    status, said, why = read(tmp_path, part, portion)
    assert (status, why) == (0, "b''")
    if portion == 7:
        assert "E" not in said
        return
    assert [sorted(said[:-1]), said[-1]] == [[f"T public.{one}" for one in SAID], "E"]
    command = ["pg_restore", "--list", tmp_path / "work/head"]
    listed = subprocess.run(command, check=True, capture_output=True)
    assert listed.stdout.count(b"TABLE DATA public") == len(SAID)


def test_a_dump_that_is_cut_or_goes_on_is_not_whole(tmp_path: Path, dump: bytes) -> None:
    for end in (3, 4000, len(dump) // 2, len(dump) - 1, len(dump) - 6):
        assert "E" not in read(tmp_path, dump[:end])[1]
    status, said, _ = read(tmp_path, dump + b"\1\0\0\0\0\0")
    assert status or "E" not in said


def test_what_is_no_such_dump_says_so(tmp_path: Path, dump: bytes) -> None:
    for other, words in (
        (b"PGDMX" + dump[5:], "no dump of PostgreSQL"),
        (dump[:6] + b"\x63" + dump[7:], "1.99, is not known"),
        (dump[:11] + b"\0\6" + dump[13:], "is packed"),
    ):
        status, said, why = read(tmp_path, other)
        assert status
        assert (said, words in why) == ([], True)
    piece = dump.index(b"\n", dump.index(b"\0\2\0\0\0001\n")) + 1
    status, said, _ = read(tmp_path, dump[:piece] + b"\0\xff\xff\xff\x7f" + dump[piece + 5 :])
    assert status or "E" not in said
