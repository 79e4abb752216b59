"""Indexes: what is read of them, and that nothing which is not whole is taken for one."""

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudpilot.domain import blocks, index
from cloudpilot.domain.blocks import cut
from cloudpilot.domain.cuts import cuts, ranges
from cloudpilot.domain.index import Entry, Index, Pieces
from cloudpilot.errors import CloudPilotError, IndexDamaged, InvalidPath
from cloudpilot.jobs.listing import lines, unpacked

GOOD = (
    "V 1\n"
    "M 0 0 1000 0 100\n"
    "F 5 0 512 0 files/srv/\n"
    "A 755 1700000000\n"
    "F 0 512 1536 7 files/srv/a%0Ab\n"
    "A 640 -5\n"
    "Z of a later version\n"
    "F 2 1536 1600 0 files/srv/link ../x%FF\n"
    "F 1 1600 1700 0 files/srv/again files/srv/a%0Ab\n"
    "M 1 1000 1000 100 50\n"
    "E 2000 150\n"
)
GOLDEN = Path(__file__).parents[1] / "engine" / "golden"


def read(text: str, tar: int | None = 2000, packed: int | None = 150) -> list[Entry]:
    found = Index(tar, packed)
    return list(found.entries(lines([text.encode()])))


def test_members_are_read_with_what_is_known_of_them() -> None:
    folder, file, link, again = read(GOOD)
    assert (folder.path, folder.is_folder, folder.mode) == ("files/srv", True, 0o755)
    assert (file.name, file.mode, file.modified, file.size) == ("a\\x0ab", 0o640, -5, 7)
    assert (file.is_file, file.parent) == (True, "files/srv")
    assert (link.is_file, link.link, link.mode, link.modified) == (False, "../x%FF", None, None)
    assert (again.is_file, again.link) == (True, "files/srv/a%0Ab")
    assert read(GOOD, None, None) == read(GOOD)


@pytest.mark.parametrize("name", ["v1.tar.gz", "v1.tar.zst"])
def test_an_index_of_an_older_version_is_read(name: str) -> None:
    """It says nothing of modes and times."""
    packed = (GOLDEN / f"{name}.index.gz").read_bytes()
    found = list(Index(None, (GOLDEN / name).stat().st_size).entries(lines(unpacked([packed]))))
    assert {"files/srv/example/plain", "files/srv/example/sub/%FF"} <= {one.path for one in found}
    assert {one.mode for one in found} == {None}


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("V 1", "V 2"),
        ("V 1\n", ""),
        ("E 2000 150\n", ""),
        ("E 2000 150\n", "E 2000 150\nF 5 1800 1900 0 files/x\n"),
        ("E 2000 150\n", "E 2000 150"),
        ("E 2000 150", "E 2001 150"),
        ("E 2000 150", "E x 150"),
        ("M 1 1000 1000 100 50", "M 1 1000 1000 100 51"),
        ("M 1 1000", "M 2 1000"),
        ("M 1 1000 1000 100 50", "M 1 1000 0 100 50"),
        ("M 1 1000 1000 100 50", "M 1 1000 1000 100 0"),
        ("M 1", "M -1"),
        ("F 0 512 1536", "F 0 500 1536"),
        ("F 0 512 1536", "F 0 512 512"),
        ("F 0 512 1536 7", "F 0 512 1536 9999999999999999999"),
        ("1600 1700 0", "1600 2700 0"),
        ("F 0 512", "F 0 x"),
        ("A 640 -5", "A 840 -5"),
        ("files/srv/a%0Ab\nA", "files/srv/a%00b\nA"),
        ("files/srv/a%0Ab\nA", "files/srv/a%zzb\nA"),
        ("files/srv/a%0Ab\nA", "files/srv/a b c\nA"),
        ("files/srv/a%0Ab\nA", "files/../../etc\nA"),
        ("files/srv/a%0Ab\nA", "/\nA"),
        ("files/srv/a%0Ab\nA", "é\nA"),
        ("files/srv/a%0Ab\nA", "x" * 200_000 + "\nA"),
    ],
)
def test_what_is_not_whole_is_refused(was: str, becomes: str) -> None:
    assert was in GOOD
    with pytest.raises(IndexDamaged):
        read(GOOD.replace(was, becomes, 1))


def test_an_index_of_another_archive_is_refused() -> None:
    for tar, packed in ((1999, 150), (2000, 151)):
        with pytest.raises(IndexDamaged, match="does not belong"):
            read(GOOD, tar, packed)


def test_slashes_that_mean_nothing_are_no_names() -> None:
    assert read(GOOD.replace("files/srv/link", "files//srv/./link"))[2].path == "files/srv/link"


def test_more_names_than_can_be_listed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "NAMES_AT_MOST", 3)
    with pytest.raises(IndexDamaged, match="too many"):
        read(GOOD)


def test_no_damage_gets_through() -> None:
    """A thousand flips, cuts, and pieces that are lost or doubled: each is refused, but for bits
    that stand for nothing, with which all is as it was."""
    chance = random.Random(7)
    packed, good = gzip.compress(GOOD.encode(), mtime=0), read(GOOD)
    accepted = 0
    for _ in range(1000):
        damaged = bytearray(packed)
        at = chance.randrange(10, len(packed))  # what is before is a time and the like
        match chance.randrange(4):
            case 0:
                damaged[at] ^= 1 << chance.randrange(8)
            case 1:
                del damaged[at:]
            case 2:
                del damaged[at : at + chance.randrange(1, 9)]
            case _:
                damaged[at:at] = damaged[at : at + chance.randrange(1, 9)]
        if damaged == packed:
            continue
        try:
            found = list(Index(2000, 150).entries(lines(unpacked([bytes(damaged)]))))
            accepted += found != good
        except IndexDamaged:
            pass
    assert accepted == 0


def test_what_grows_without_end_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudpilot.jobs.listing.UNPACKED_AT_MOST", 10_000_000)
    bomb = gzip.compress(bytes(50_000_000))
    given = 0

    def count() -> None:
        nonlocal given
        for piece in unpacked([bomb[:30_000], bomb[30_000:]]):
            given += len(piece)

    with pytest.raises(IndexDamaged, match="too large"):
        count()
    assert given < 40_000_000


@pytest.mark.parametrize("path", ["/etc", "files/../x", "files//x", "a%00", "a b", "a\n", "é", "."])
def test_a_path_that_no_archive_has_is_refused(path: str) -> None:
    with pytest.raises(InvalidPath):
        index.asked(path)


def entries(count: int) -> Iterator[Entry]:
    for number in range(count):
        yield Entry(f"files/d{number % 7}/e/n{number}", "0", number * 512, number * 512 + 512, 1)


def test_blocks_are_in_the_order_of_folders_however_many_runs_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_once = [line for block in cut(entries(5000)) for line in blocks.lines(block.content)]
    monkeypatch.setattr(blocks, "RUN_LINES", 300)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 2000)
    found = list(cut(entries(5000)))
    in_runs = [line for block in found for line in blocks.lines(block.content)]
    assert at_once == in_runs == sorted(in_runs)
    assert [block.first for block in found] == sorted(block.first for block in found)
    paths = [blocks.entry(line).path for line in in_runs]
    assert len(paths) == len(set(paths)) == 5000 + 1 + 7 + 7
    assert {"files", "files/d3", "files/d3/e"} < set(paths)  # only what is in them tells of these


def test_of_members_with_one_name_the_last_counts() -> None:
    twice = [Entry("files/a", "0", 0, 512, 1), Entry("files/a", "0", 512, 1024, 2)]
    folder = Entry("files", "5", 1024, 1536, 0, 0o700, 5)
    found = [
        blocks.entry(line) for one in cut([*twice, folder]) for line in blocks.lines(one.content)
    ]
    assert found == [folder, twice[1]]
    assert list(cut([])) == []


def test_only_the_pieces_that_are_needed_are_taken() -> None:
    pieces = Pieces([0, 100, 200, 250], [0, 10, 30, 35])
    one, two, three = cuts(pieces, [(0, 100), (150, 201), (249, 250)])
    assert (one.numbers(), one.last) == ((0, 10, 0, 100), 9)
    assert two.numbers() == (10, 25, 50, 51)
    assert three.numbers() == (30, 5, 49, 1)
    assert ranges([Entry("implied", "5")]) == []


def test_only_failures_with_a_code_come_out() -> None:
    for text in ("", "\n", "V 1", "V 1\n", "E 0 0\n", "V 1\nE 0 0\nE 0 0\n"):
        with pytest.raises(CloudPilotError):
            read(text)
