"""A backup of files on the real sshd: what comes out is what was there."""

import json
import os
import socket
import subprocess
import tarfile
from pathlib import Path

import pytest

from cloudpilot.engine import detached
from cloudpilot.errors import PathIsLink, PathMissing, PermissionDenied
from cloudpilot.kinds import Compression
from tests.engine.conftest import PLAN, Backups, left_of, mounted
from tests.support.must_run import must_run
from tests.support.sshd import IS_ROOT
from tests.support.tree import assert_same

MIB = 1024 * 1024


DEEP = "deep/" + "/".join(["d" * 60] * 6)
ODD_NAMES = (
    b"new\nline", b"\xff\xfe no text", b"--checkpoint=1", b"caf\xc3\xa9 \xe2\x80\xa8", b"a\\nb",
)  # fmt: skip
NULL_DEVICE = os.makedev(1, 3)
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw+ep


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A tree with everything that a file system may hold."""
    top = tmp_path / "site"
    for folder in ("empty", DEEP, "closed"):
        (top / folder).mkdir(parents=True)
    contents(top)
    others(top)
    if IS_ROOT:
        what_only_root_makes(top)
    (top / "closed").chmod(0o500)
    for number, path in enumerate([*sorted(top.rglob("*")), top]):
        os.utime(path, ns=(10**18, 10**18 + number), follow_symlinks=False)
    return top


def contents(top: Path) -> None:
    (top / "plain").write_text("hello")
    (top / "empty-file").touch()
    (top / ("long-" + "n" * 250)).write_text("a name of 255 bytes")
    (top / DEEP / "file").write_text("far down")
    for name in ODD_NAMES:
        Path(os.fsdecode(os.fsencode(top) + b"/" + name)).write_bytes(name)
    with (top / "sparse").open("wb") as file:
        file.seek(40 * MIB)
        file.write(b"an end")
    (top / "big").write_bytes(os.urandom(MIB) * 34)


def others(top: Path) -> None:
    (top / "link").symlink_to("plain")
    (top / "absolute-link").symlink_to("/srv/www")
    (top / "dangling").symlink_to("nowhere\n" + "x" * 200)
    (top / "hard").hardlink_to(top / "plain")
    os.mkfifo(top / "fifo", 0o640)
    (top / "run").write_text("#!/bin/sh\n")
    (top / "run").chmod(0o4755)
    os.setxattr(top / "plain", "user.note", b"kept\0too")
    subprocess.run(["setfacl", "-m", "u:12345:rw,g:54321:r", top / "run"], check=True)
    subprocess.run(["setfacl", "-d", "-m", "u:12345:rwx", top / "empty"], check=True)


def what_only_root_makes(top: Path) -> None:
    os.chown(top / "plain", 12345, 54321)
    os.chown(top / "link", 4242, 4242, follow_symlinks=False)
    os.mknod(top / "device", 0o020600, NULL_DEVICE)
    os.setxattr(top / "big", "security.capability", CAPABILITY)


@pytest.mark.parametrize("compression", Compression)
def test_everything_comes_back_as_it_was(
    backups: Backups, site: Path, tmp_path: Path, compression: Compression
) -> None:
    made = backups.make(site, compression=compression)
    assert made.report.warnings == ()
    target = made.extract(tmp_path / "target")
    assert_same(site, target / site.relative_to("/"))


def test_a_file_with_names_in_two_paths_stays_one_file(backups: Backups, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "one/file").write_text("x" * 1000)
    (tmp_path / "two/file").hardlink_to(tmp_path / "one/file")
    made = backups.make(tmp_path / "one", tmp_path / "two")
    assert made.report.result["hardlinks"] == "1"
    target = made.extract(tmp_path / "target") / tmp_path.relative_to("/")
    assert (target / "one/file").samefile(target / "two/file")


def test_the_result_says_what_is_there(backups: Backups, site: Path) -> None:
    made = backups.make(site)
    result = made.report.result
    content = made.archive.read_bytes()
    digest = subprocess.check_output(["sha256sum", made.archive], text=True).split()[0]
    assert (result["size"], result["sha256"]) == (str(len(content)), digest)
    with tarfile.open(made.archive) as tar:
        members = tar.getmembers()[1:-1]
    assert int(result["entries"]) == len(members)
    assert int(result["directories"]) == sum(member.isdir() for member in members)
    assert int(result["symlinks"]) == sum(member.issym() for member in members) == 3
    assert int(result["hardlinks"]) == sum(member.islnk() for member in members) == 1
    assert int(result["files"]) == sum(member.isreg() for member in members)
    assert int(result["others"]) == (2 if IS_ROOT else 1)
    assert result["archive"] == made.name
    assert (result["warnings"], result["unreadable"], result["complete"]) == ("0", "0", "1")
    assert made.report.done == made.report.total or made.report.stage == "finish"
    unpacked = subprocess.check_output(["gzip", "-dc", made.archive])
    assert int(result["tar_bytes"]) == len(unpacked)

    beside = json.loads(made.archive.with_name("manifest.json").read_text())
    assert beside["plan"] == json.loads(PLAN)
    assert beside["result"]["sha256"] == digest
    assert beside["result"]["complete"] is True


def test_the_first_member_is_the_plan_and_the_last_the_result(backups: Backups, site: Path) -> None:
    made = backups.make(site)
    with tarfile.open(made.archive) as tar:
        first, *others, last = tar.getmembers()
        assert (first.name, last.name) == ("manifest.json", "result.json")
        plan, result = (tar.extractfile(member) for member in (first, last))
        assert plan
        assert result
        assert plan.read() == PLAN
        counted = json.loads(result.read())
    assert counted["complete"] is True
    assert counted["entries"] == len(others)
    assert all(member.name.startswith("files/") for member in others)
    assert all(member.linkname.startswith("files/") for member in others if member.islnk())


@pytest.mark.parametrize("compression", Compression)
def test_every_entry_can_be_taken_out_alone(
    backups: Backups, site: Path, tmp_path: Path, compression: Compression
) -> None:
    made = backups.make(site, compression=compression)
    tool = ["gzip", "-dc"] if compression is Compression.GZIP else ["zstd", "-dcq"]
    packed = made.archive.read_bytes()
    whole = subprocess.check_output([*tool, made.archive])
    subprocess.run([tool[0], "-tq", made.archive], check=True)
    pieces = [list(map(int, row[1:])) for row in made.index if row[0] == "M"]
    assert len(pieces) >= 2
    for _, start, size, packed_start, packed_size in pieces:
        piece = packed[packed_start : packed_start + packed_size]
        assert (
            subprocess.run(tool, input=piece, capture_output=True, check=True).stdout
            == (whole[start : start + size])
        )
    assert made.index[0] == ["V", "1"]
    assert made.index[-1] == ["E", str(len(whole)), str(len(packed))]
    assert sum(piece[2] for piece in pieces) == len(whole)

    rows = [row for row in made.index if row[0] == "F" and row[1] in "0257"]
    for number, row in enumerate(rows):
        alone = whole[int(row[2]) : int(row[3])] + bytes(1024)
        target = tmp_path / f"alone-{number}"
        target.mkdir()
        subprocess.run(["tar", "-xpf", "-", "-C", target], input=alone, check=True)
        name = subprocess.run(
            ["tar", "-tf", "-", "--quoting-style=literal"],
            input=alone,
            capture_output=True,
            check=True,
        ).stdout[:-1]
        assert name == unescaped(row[5])
        if row[1] == "0" and name.startswith(b"files/"):
            assert_same_content(target, name)


def unescaped(text: str) -> bytes:
    first, *others = text.encode().split(b"%")
    return first + b"".join(bytes([int(part[:2], 16)]) + part[2:] for part in others)


def assert_same_content(target: Path, name: bytes) -> None:
    path = os.fsdecode(name.removeprefix(b"files"))
    assert Path(f"{target}/files{path}").read_bytes() == Path(path).read_bytes()


def test_the_same_tree_gives_the_same_members(backups: Backups, site: Path) -> None:
    one, two = (backups.make(site) for _ in range(2))
    rows = [[row for row in made.index if row[0] == "F"][1:-1] for made in (one, two)]
    assert rows[0] == rows[1]


def test_paths_inside_others_are_packed_once(backups: Backups, tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").touch()
    made = backups.make(tmp_path / "a/b", tmp_path / "a", tmp_path / "a")
    assert sorted(made.names()) == [f"files{tmp_path}/a/{name}" for name in ("", "b/", "b/file")]


@pytest.mark.parametrize("way", ["root", "link/root"])
def test_our_own_archives_are_never_in_an_archive(
    backups: Backups, tmp_path: Path, way: str
) -> None:
    site = tmp_path / "site [a]*"
    (site / "root").mkdir(parents=True, mode=0o700)
    (site / "file").touch()
    (tmp_path / "link").symlink_to(site)
    names = [f"files{tmp_path}/site%20%5Ba%5D%2A/{name}" for name in ("", "file")]
    here = {"root": site, "link/root": tmp_path / "link"}[way]
    made = Backups(backups.session, here / "root").make(site)
    assert sorted(made.names()) == names


@pytest.mark.parametrize(
    "name", ["a\\nb", "\\101", "--help", "a\nb ", "@list", "*", "[a]", "'$(id)`"]
)
def test_a_path_is_taken_as_it_is(backups: Backups, tmp_path: Path, name: str) -> None:
    (tmp_path / "sites" / name).mkdir(parents=True)
    (tmp_path / "sites" / name / "file").touch()
    (tmp_path / "sites" / "other").touch()
    made = backups.make(tmp_path / "sites" / name)
    with tarfile.open(made.archive) as tar:
        assert tar.getnames()[1:-1] == [
            f"files{tmp_path}/sites/{name}",
            f"files{tmp_path}/sites/{name}/file",
        ]


def test_a_file_alone_is_a_path_as_well(backups: Backups, tmp_path: Path) -> None:
    (tmp_path / "one file").write_text("x")
    assert backups.make(tmp_path / "one file").names() == [f"files{tmp_path}/one%20file"]


def test_a_socket_is_left_out_with_a_warning(backups: Backups, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "file").touch()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(folder / "socket"))
        made = backups.make(folder)
    assert made.report.warnings == (f"{folder}/socket is a socket and was left out.",)
    assert made.report.result["warnings"] == "1"


def test_a_mount_below_is_left_out_unless_it_is_named(backups: Backups, tmp_path: Path) -> None:
    mount = tmp_path / "site/a mount\nhere"
    mount.mkdir(parents=True)
    (tmp_path / "site/file").touch()
    with mounted(mount, "1m"):
        (mount / "inside").touch()
        made = backups.make(tmp_path / "site")
        assert len(made.report.warnings) == 1
        assert "a file system of its own and was left out" in made.report.warnings[0]
        assert not [name for name in made.names() if name.endswith("inside")]

        both = backups.make(tmp_path / "site", mount)
        assert both.report.warnings == ()
        assert [name for name in both.names() if name.endswith("inside")]


def test_what_cannot_be_read_is_a_warning(plain_backups: Backups, tmp_path: Path) -> None:
    if not IS_ROOT:
        must_run("root", "only root can make what another account cannot read")
    tmp_path.chmod(0o755)
    site = tmp_path / "site"
    (site / "closed").mkdir(parents=True)
    (site / "open").write_text("x")
    (site / "secret\nfile").write_text("x")
    (site / "secret\nfile").chmod(0o600)
    (site / "closed").chmod(0o700)
    made = plain_backups.make(site)
    assert sorted(made.report.warnings) == [
        f"{site}/closed could not be read: permission denied.",
        f"{site}/secret\\nfile could not be read: permission denied.",
    ]
    assert made.report.result["unreadable"] == "2"
    assert f"files{site}/open" in made.names()
    detached.remove(plain_backups.session, made.place.root, made.place.backup_id)


def test_if_nothing_can_be_read_it_fails(plain_backups: Backups, tmp_path: Path) -> None:
    if not IS_ROOT:
        must_run("root", "only root can make what another account cannot read")
    tmp_path.chmod(0o755)
    site = tmp_path / "site"
    site.mkdir()
    (site / "secret").touch(mode=0o600)
    report = plain_backups.fails(site)
    assert isinstance(report.error, PermissionDenied)
    assert "Nothing could be read" in str(report.error)
    for closed in (site / "secret", site / "secret/below"):
        assert isinstance(plain_backups.fails(closed).error, PermissionDenied | PathMissing)
    site.chmod(0o700)
    assert isinstance(plain_backups.fails(site).error, PermissionDenied)
    assert isinstance(plain_backups.fails(site / "secret").error, PermissionDenied)


def test_a_path_that_is_missing_or_a_link_is_refused(backups: Backups, tmp_path: Path) -> None:
    report = backups.fails(tmp_path / "no\nthing")
    assert isinstance(report.error, PathMissing)
    assert str(report.error) == f"$'{tmp_path}/no\\nthing' does not exist."
    (tmp_path / "link").symlink_to(tmp_path / "it's here")
    report = backups.fails(tmp_path / "link")
    assert isinstance(report.error, PathIsLink)
    assert str(report.error) == f"{tmp_path}/link is a link to {tmp_path}/it's here."


def test_nothing_of_a_failure_is_left(backups: Backups, tmp_path: Path) -> None:
    place = backups.start(tmp_path / "missing")
    backups.over(place)
    assert left_of(place) == []


def test_a_path_behind_a_link_of_another_path_is_packed(backups: Backups, tmp_path: Path) -> None:
    """tar stores the link and does not follow it: the path is not in the archive already."""
    (tmp_path / "site").mkdir()
    (tmp_path / "data/inner").mkdir(parents=True)
    (tmp_path / "data/inner/file").write_text("kept")
    (tmp_path / "site/link").symlink_to(tmp_path / "data")
    made = backups.make(tmp_path / "site", tmp_path / "site/link/inner")
    assert f"files{tmp_path}/site/link/inner/file" in made.names()
