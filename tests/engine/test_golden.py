"""Archives of format 1, made once and kept: whatever changes, they stay readable by anybody."""

import gzip
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
ARCHIVES = ["v1.tar.gz", "v1.tar.zst"]
MODIFIED = 1767323045_678901234  # of everything in them, nanoseconds
LONG = "sub/" + "n" * 200
CONTENTS = {
    "plain": b"hello",
    "sub/hard": b"hello",
    "sub/new\nline": b"odd",
    "sub/\udcff": b"bytes",
    LONG: b"long",
    "sparse": bytes(300_000) + b"end",
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_the_documented_command_restores_it(tmp_path: Path, name: str) -> None:
    page = (GOLDEN.parents[2] / "docs/archive-format.md").read_text()
    command = page.split("```sh\n")[1].split("```")[0].replace("ARCHIVE", f"'{GOLDEN / name}'")
    subprocess.run(["bash", "-euc", command], check=True, cwd=tmp_path)
    top = tmp_path / "target/srv/example"
    for path, content in CONTENTS.items():
        assert (top / path).read_bytes() == content
        assert (top / path).stat().st_mtime_ns == MODIFIED
    assert (top / "sub/hard").samefile(top / "plain")
    assert (top / "sub/link").readlink() == Path("../plain")
    assert list((top / "empty").iterdir()) == []
    assert (top / "sparse").stat().st_blocks < 100


def unpacked(name: str) -> bytes:
    tool = ["gzip", "-dc"] if name.endswith(".gz") else ["zstd", "-dcq"]
    return subprocess.check_output([*tool, GOLDEN / name])


@pytest.mark.parametrize("name", ARCHIVES)
def test_its_index_leads_to_every_entry(tmp_path: Path, name: str) -> None:
    whole = unpacked(name)
    rows = [
        line.split(" ")
        for line in gzip.decompress((GOLDEN / f"{name}.index.gz").read_bytes())
        .decode()
        .splitlines()
    ]
    assert rows[0] == ["V", "1"]
    assert rows[-1] == ["E", str(len(whole)), str((GOLDEN / name).stat().st_size)]
    assert ["M", "0", "0", str(len(whole)), "0", rows[-1][2]] in rows
    entries = {row[5]: row for row in rows if row[0] == "F"}
    row = entries["files/srv/example/sub/%FF"]
    (tmp_path / "one.tar").write_bytes(whole[int(row[2]) : int(row[3])] + bytes(1024))
    with tarfile.open(tmp_path / "one.tar") as tar:
        (member,) = tar.getmembers()
        assert os.fsencode(member.name) == b"files/srv/example/sub/\xff"
    hard = [row for row in entries.values() if row[1] == "1"]
    assert len(hard) == 1
    assert {hard[0][5], hard[0][6]} == {
        "files/srv/example/plain",
        "files/srv/example/sub/hard",
    }


@pytest.mark.parametrize("name", ARCHIVES)
def test_it_describes_itself(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.tar").write_bytes(unpacked(name))
    with tarfile.open(tmp_path / "a.tar") as tar:
        names = tar.getnames()
        plan, result = (tar.extractfile(names[place]) for place in (0, -1))
        assert plan
        assert result
        assert json.loads(plan.read())["format"] == 1
        described = json.loads(result.read())
    assert (names[0], names[-1]) == ("manifest.json", "result.json")
    assert described["complete"] is True
    assert described["entries"] == len(names) - 2 == 10
