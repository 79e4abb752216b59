"""Snapshot trees on the real sshd: each is the site exactly, and only changes take space."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from cloudpilot.engine import detached, script
from cloudpilot.engine.script import Chain, Tree
from cloudpilot.errors import InvalidConfig, PrivilegeMissing
from tests.engine.conftest import Backups, Made, left_of, mounted
from tests.engine.test_increments import first_changes, second_changes, site, third_changes
from tests.support.must_run import must_run
from tests.support.sshd import IS_ROOT, Sshd
from tests.support.tree import assert_same
from tests.support.until import until
from tests.support.uploads import marked

__all__ = ["site"]
DOCS = Path(__file__).parents[2] / "docs/trees.md"
NAME = "files-1.tree"


def following(made: Made | None, **more: Any) -> Tree:
    """A tree that links to that one."""
    if made is None:
        return Tree(NAME, **more)
    return Tree(NAME, made.place.backup_id, NAME, made.report.result["sha256"], **more)


def of(made: Made, path: Path) -> Path:
    """Where in its tree that path is."""
    return made.archive / "files" / path.relative_to("/")


def used(*folders: Path) -> int:
    """Bytes on the disk of all of these together."""
    said = subprocess.check_output(["du", "-s", "-c", "-B1", *folders], text=True)
    return int(said.splitlines()[-1].split()[0])


def test_each_tree_is_the_site_and_links_to_the_one_before(
    backups: Backups, site: Path, tmp_path: Path
) -> None:
    def nothing(_: Path) -> None: ...

    made: list[Made] = []
    for number, change in enumerate(
        (nothing, first_changes, second_changes, nothing, third_changes)
    ):
        change(site)
        made.append(backups.make(site, tree=following(made[-1] if made else None)))
        result = made[-1].report.result
        assert (result["base"], result["whole_because"]) == (
            made[-2].place.backup_id if number else "",
            "",
        )
        subprocess.run(["cp", "-a", site, tmp_path / f"as it was {number}"], check=True)
        rows = [row for row in made[-1].index if row[0] == "F"]
        assert len(rows) == int(result["entries"])
        assert int(result["size"]) == sum(int(row[4]) for row in rows)
    for number, one in enumerate(made):  # nothing that came later has changed an earlier one
        assert_same(tmp_path / f"as it was {number}", of(one, site))
    assert int(made[3].report.result["own"]) < 100_000  # nothing had changed: folders alone


def test_a_tree_is_restored_by_hand_as_the_documentation_says(
    backups: Backups, site: Path, tmp_path: Path
) -> None:
    second_changes(site)
    made = backups.make(site, tree=following(None))
    manifest = json.loads(made.archive.with_name("manifest.json").read_text())
    assert manifest["restore"].startswith("rsync -aHAXS --numeric-ids files-1.tree/files/ ")
    (tmp_path / "target").mkdir()
    [command] = [line for line in DOCS.read_text().splitlines() if line.startswith("rsync -aHAXS")]
    words = {"TREE": str(made.archive), "/srv/www": str(site), "target": str(tmp_path / "target")}
    for word, value in words.items():
        command = command.replace(word, value)
    subprocess.run(command, shell=True, check=True)
    assert_same(site, tmp_path / "target")


@pytest.mark.parametrize("days", [5, pytest.param(30, marks=pytest.mark.long)])
def test_days_take_the_space_of_one_and_what_has_changed(
    backups: Backups, tmp_path: Path, days: int
) -> None:
    top, made = tmp_path / "shop", list[Made]()
    for number in range(200):
        folder = top / f"d{number % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}").write_bytes(os.urandom(50_000))
    whole = used(top)
    for day in range(days):
        (top / f"d{day % 10}" / f"{day}").write_bytes(os.urandom(50_000))
        (top / "d0" / f"new {day}").write_text("new")
        (top / "d0" / f"new {day - 1}").unlink(missing_ok=True)
        made.append(backups.make(top, tree=following(made[-1] if made else None)))
        assert_same(top, of(made[-1], top))
    folders = days * 20 * 4096
    assert used(*(one.archive for one in made)) < whole + days * 2 * 60_000 + folders
    told = sum(int(one.report.result["own"]) for one in made)
    assert abs(told - used(*(one.archive for one in made))) < 8 * days * 4096  # folders above it
    before = used(made[-1].archive)
    detached.remove(backups.session, str(backups.root), made[0].place.backup_id, stored=True)
    assert not made[0].archive.exists()
    assert used(made[-1].archive) == before
    assert_same(top, of(made[-1], top))


def test_a_change_within_size_and_time_is_in_the_next_tree(backups: Backups, site: Path) -> None:
    """Its time of change tells; what nobody sees but by reading, a comparison of contents."""
    file = site / "old"
    first = backups.make(site, tree=following(None))
    was = file.stat()
    file.write_text(file.read_text().replace("old", "new"))
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    changed = time.time()
    until(lambda: time.time() - changed > 3, bool)  # what is younger is compared once more
    second = backups.make(site, tree=following(first))
    assert_same(site, of(second, site))
    assert of(first, file).read_text() != file.read_text()
    damaged = of(second, file)  # a disk that has lost a bit, in all trees that link to it
    damaged.write_text(file.read_text().replace("new", "dew"))
    os.utime(damaged, ns=(was.st_atime_ns, was.st_mtime_ns))
    third = backups.make(site, tree=following(second))
    assert of(third, file).read_text() != file.read_text()
    fourth = backups.make(site, tree=following(third, compare=True))
    assert fourth.report.result["compared"] == "contents"
    assert_same(site, of(fourth, site))


def test_patterns_leave_out_what_they_leave_out_of_an_archive(
    backups: Backups, tmp_path: Path
) -> None:
    top = tmp_path / "cache" / "site"  # a folder above it has the name that is left out below it
    names = (
        "a.log", "sub/b.log", "keep", "tmp/x", "sub/tmp/x", "var/a/cut/x", "var/a/b/cut/x",
        "[id]/x", "i/x", "st*r/x", "star/x", "back\\slash/x", "cut", "q1", "q22", ".env",
    )  # fmt: skip
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    (top / "link").symlink_to("nowhere")
    first = backups.make(top, tree=following(None))
    excludes = ("*.log", "/tmp/", "var/*/cut", "[id]", "st\\*r", "back\\\\slash", "q?", ".env/")
    archive = backups.make(top, excludes=excludes)
    tree = backups.make(top, excludes=excludes, tree=following(first))
    assert tree.report.result["base"] == first.place.backup_id
    found = [row[5] for row in tree.index if row[0] == "F"]
    assert sorted(found) == sorted(archive.names())
    assert {"files" + str(top / name) for name in ("keep", "cut", "q22", "var/a/b/cut/x")} <= set(
        found
    )


def test_our_own_archives_are_in_no_tree(backups: Backups, site: Path) -> None:
    inside = Backups(backups.session, site / "backups")
    first = inside.make(site, tree=following(None))
    second = inside.make(site, tree=following(first))
    for made in (first, second):
        assert not of(made, site / "backups").exists()
    link = site.parent / "link"
    link.symlink_to(site)
    through = Backups(backups.session, link / "backups")
    assert not of(through.make(site, tree=following(None)), site / "backups").exists()


@pytest.mark.parametrize(
    ("damage", "word"),
    [("gone", "base_missing"), ("index", "base_damaged"), ("manifest", "base_missing")],
)
def test_a_tree_whose_base_is_not_what_it_was_is_whole(
    backups: Backups, site: Path, damage: str, word: str
) -> None:
    first = backups.make(site, tree=following(None))
    if damage == "gone":
        first.archive.rename(first.archive.with_name("elsewhere"))
    elif damage == "index":
        Path(f"{first.archive}.index.gz").write_bytes(b"")
    else:
        first.archive.with_name("manifest.json").unlink()
    second = backups.make(site, tree=following(first))
    result = second.report.result
    assert (result["base"], result["whole_because"]) == ("", word)
    assert_same(site, of(second, site))
    assert used(second.archive) > used(site) / 2


def test_a_base_that_vanishes_while_it_is_linked_to_costs_room_and_nothing_else(
    backups: Backups, tmp_path: Path
) -> None:
    top = tmp_path / "many"
    for number in range(3000):
        (top / f"d{number % 30}").mkdir(parents=True, exist_ok=True)
        (top / f"d{number % 30}" / f"{number}").write_bytes(os.urandom(2000))
    first = backups.make(top, tree=following(None))
    place = backups.start(top, tree=following(first))
    half = Path(place.run_directory) / "work/tree/files" / top.relative_to("/")
    until(lambda: half.exists() or backups.look(place).over, bool)
    detached.remove(backups.session, str(backups.root), first.place.backup_id, stored=True)
    report = backups.over(place)
    assert report.error is None, (report.error, report.log)
    assert_same(top, of(Made(report, place, NAME), top))


@pytest.mark.parametrize("end", ["killed", "stopped"])
def test_a_tree_that_is_interrupted_leaves_nothing_and_harms_no_other(
    backups: Backups, site: Path, tmp_path: Path, end: str
) -> None:
    first = backups.make(site, tree=following(None))
    (site / "closed").mkdir(mode=0o500)
    for number in range(8):
        (site / f"big {number}").write_bytes(os.urandom(30 * 2**20))
    place = backups.start(site, tree=following(first))
    until(
        lambda: (
            [one for one in copiers(place) if backups.look(place).stage == "copy"]
            or backups.look(place).over
        ),
        bool,
    )
    if end == "killed":
        for pid in copiers(place):
            os.kill(pid, 9)
    else:
        detached.stop(backups.session, place)
    report = backups.over(place)
    assert report.error
    assert report.error.code == {"killed": "RUN_KILLED", "stopped": "STOPPED"}[end]
    assert left_of(place) == []
    for number in range(8):
        (site / f"big {number}").unlink()
    assert_same(site, of(backups.make(site, tree=following(first)), site))


def copiers(place: Any) -> list[int]:
    """Its processes of rsync."""
    return [pid for pid, name in marked(place).items() if name == "rsync"]


def test_a_full_disk_is_told_before_and_while_it_is_written(
    backups: Backups, site: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "90m"):
        root = disk / "backups"
        root.mkdir(mode=0o700)
        on_disk = Backups(backups.session, root)
        first = on_disk.make(site, tree=following(None))
        big = site / "big"
        big.write_bytes(os.urandom(60 * 2**20))
        report = on_disk.fails(site, tree=following(first))
        assert report.error
        assert report.error.code == "DISK_FULL"
        assert "what has changed since the tree before" in str(report.error)
        big.write_bytes(os.urandom(15 * 2**20))
        place = on_disk.start(site, tree=following(first))
        (disk / "other").write_bytes(bytes(70 * 2**20))  # somebody else is faster
        report = on_disk.over(place)
        assert report.error
        assert report.error.code == "DISK_FULL"
        assert left_of(place) == []
        (disk / "other").unlink()
        second = on_disk.make(site, tree=following(first))
        assert_same(site, of(second, site))


@pytest.fixture
def homely(plain_server: Sshd, plain_backups: Backups) -> Path:
    """A site that is all its own user's."""
    top = plain_server.user_home / f"site-{plain_backups.root.name}"
    (top / "sub/closed").mkdir(parents=True)
    for name in ("file", "secret", "sub/closed/in"):
        (top / name).write_text(name)
    if IS_ROOT:
        subprocess.run(["chown", "-R", f"{plain_server.user}:", top], check=True)
    return top


def test_what_cannot_be_read_is_counted_and_named(plain_backups: Backups, homely: Path) -> None:
    for name in ("secret", "sub/closed"):
        (homely / name).chmod(0)
    made = plain_backups.make(homely, tree=following(None))
    assert made.report.result["unreadable"] == "2"
    assert {one.split(" could not")[0] for one in made.report.warnings} == {
        f"{homely}/secret", f"{homely}/sub/closed",
    }  # fmt: skip
    assert (of(made, homely) / "file").read_text() == "file"
    second = plain_backups.make(homely, tree=following(made))
    detached.remove(plain_backups.session, *second_of(made), stored=True)
    assert not made.archive.exists()
    (homely / "secret").chmod(0o644)
    (homely / "sub/closed").chmod(0o755)
    assert_same(homely, of(plain_backups.make(homely, tree=following(second)), homely))


def second_of(made: Made) -> tuple[str, str]:
    """Its backup directory, and its id there."""
    return made.place.root, made.place.backup_id


def test_without_root_a_tree_that_would_lose_owners_is_refused(
    plain_backups: Backups, homely: Path
) -> None:
    if not IS_ROOT:
        must_run("root", "only root may give files away")
    os.chown(homely / "file", 12345, 12345)
    report = plain_backups.fails(homely, tree=following(None))
    assert isinstance(report.error, PrivilegeMissing)
    assert "1 name(s) belong to others" in str(report.error)
    assert "/file:" in str(report.error)


@pytest.mark.parametrize(
    "tree",
    [Tree("../x"), Tree(NAME, "../../x", NAME), Tree(NAME, None, "../x"), Tree("")],
)
def test_names_of_a_tree_are_no_paths(backups: Backups, site: Path, tree: Tree) -> None:
    with pytest.raises(InvalidConfig):
        script.backup(backups.contents(site, tree=tree))


def test_a_tree_is_of_files_alone_and_stays(backups: Backups, site: Path) -> None:
    streaming: dict[str, Any] = {"streamed": True, "upload_id": "u1", "tiers": ((1, 1),)}
    for also in (streaming, {"chain": Chain("key")}):
        with pytest.raises(InvalidConfig):
            script.backup(backups.contents(site, tree=Tree(NAME), **also))
