"""Increments on the real sshd: a chain restored by hand, as the docs say, is the tree."""

import gzip
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudpilot.domain.cuts import cuts, ranges
from cloudpilot.domain.index import Index, escaped
from cloudpilot.downloads import content
from cloudpilot.engine import detached, fetching, script
from cloudpilot.engine.fetching import Stored
from cloudpilot.engine.script import Chain
from cloudpilot.errors import InvalidConfig
from cloudpilot.kinds import Compression
from tests.engine.conftest import Backups, Made, mounted
from tests.support.sshd import IS_ROOT
from tests.support.tree import assert_same
from tests.support.until import until

DOCS = Path(__file__).parents[2] / "docs/increments.md"
KEY = "0b7d6f3e-site"
DAY = 86400


def following(made: Made | None, key: str = KEY) -> Chain:
    """The place in the chain after that backup."""
    if made is None:
        return Chain(key)
    result = made.report.result
    return Chain(key, made.place.backup_id, result["state_sha256"], int(result["level"]) + 1)


def states(backups: Backups, key: str = KEY) -> set[str]:
    return {path.name for path in (backups.root / "state" / key).iterdir()}


def restored(levels: list[Made], target: Path) -> Path:
    """By the command of the documentation, level by level."""
    target.mkdir()
    command = DOCS.read_text().split("```sh\n")[1].split("```")[0]
    for made in levels:
        line = command.replace("ARCHIVE", f"'{made.archive}'")
        subprocess.run(["bash", "-euc", line], check=True, cwd=target)
    return target / "files"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A tree whose every kind of change comes in a level of its own."""
    top = tmp_path / "site"
    for name in ("moved", "one", "two", "gone", "becomes-file", "deep/er/still", "quiet"):
        (top / name).mkdir(parents=True)
        (top / name / "inside").write_text(name)
    (top / "becomes-folder").write_text("a file")
    (top / "old").write_text("old, and without a second name")
    (top / "deleted").write_text("to be deleted")
    (top / "sparse").write_bytes(b"")
    os.truncate(top / "sparse", 3 * 2**20)
    (top / "new\nline -- '\"%s \u00fc").write_text("odd")
    (top / "-rf").write_text("an option")
    return top


def first_changes(top: Path) -> None:
    """Deleted, renamed, swapped, and one kind of thing become another."""
    (top / "deleted").unlink()
    shutil.rmtree(top / "gone")
    (top / "moved").rename(top / "moved away")
    (top / "one").rename(top / "between")
    (top / "two").rename(top / "one")
    (top / "between").rename(top / "two")
    shutil.rmtree(top / "becomes-file")
    (top / "becomes-file").write_text("now a file")
    (top / "becomes-folder").unlink()
    (top / "becomes-folder").mkdir()
    (top / "becomes-folder/inside").write_text("now a folder")


def second_changes(top: Path) -> None:
    """Second names, modes, attributes, holes, and files that are older than the last backup."""
    (top / "second name").hardlink_to(top / "old")
    (top / "quiet/inside").chmod(0o4751)
    os.setxattr(top / "quiet/inside", "user.note", b"later")
    subprocess.run(["setfacl", "-m", "u:12345:r", top / "one/inside"], check=True)
    with (top / "sparse").open("r+b") as file:
        file.seek(2 * 2**20)
        file.write(b"something")
    (top / "from the past").write_text("backdated")
    os.utime(top / "from the past", (DAY, DAY))
    if IS_ROOT:
        os.chown(top / "one", 12345, 54321)


def third_changes(top: Path) -> None:
    """A folder renamed with all that is in it, and a new one under its old name."""
    (top / "deep/er").rename(top / "deep/est")
    (top / "deep/er").mkdir()
    (top / "deep/er/new").write_text("new")
    (top / "moved away").rename(top / "quiet/moved")
    (top / "-rf").unlink()
    (top / "new\nline -- '\"%s \u00fc").rename(top / "renamed\n'")


def test_a_chain_restored_by_hand_is_the_tree_at_each_of_its_levels(
    backups: Backups, site: Path, tmp_path: Path
) -> None:
    levels: list[Made] = []

    def nothing(_: Path) -> None: ...

    changes: list[Callable[[Path], None]] = [
        nothing,
        first_changes,
        second_changes,
        nothing,
        third_changes,
    ]
    for number, change in enumerate(changes):
        change(site)
        levels.append(backups.make(site, chain=following(levels[-1] if levels else None)))
        result = levels[-1].report.result
        assert (result["level"], result["full_because"]) == (str(number), "")
        assert result["base"] == (levels[-2].place.backup_id if number else "")
        found = restored(levels, tmp_path / f"target {number}")
        assert_same(site, found / site.relative_to("/"))
    ids = {made.place.backup_id for made in levels[-2:]}
    assert states(backups) == ids  # its own, and the one that it continued


def test_an_increment_holds_what_has_changed_and_little_else(
    backups: Backups, tmp_path: Path
) -> None:
    top = tmp_path / "many"
    for number in range(2000):
        folder = top / f"d{number % 20}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}").write_bytes(os.urandom(5000))
    written = time.time()
    until(lambda: time.time() - written > 3, bool)  # what is younger is stored once more
    full = backups.make(top, chain=following(None))
    for number in range(0, 2000, 100):
        (top / f"d{number % 20}" / f"{number}").write_bytes(os.urandom(5000))
    increment = backups.make(top, chain=following(full))
    sizes = [int(made.report.result["size"]) for made in (full, increment)]
    assert sizes[1] < sizes[0] * 0.02
    assert increment.report.result["files"] == "20"


def test_a_full_backup_of_a_chain_is_restored_as_any_other(
    backups: Backups, site: Path, tmp_path: Path
) -> None:
    made = backups.make(site, chain=following(None))
    assert_same(site, made.extract(tmp_path / "target") / site.relative_to("/"))


def test_a_state_begins_some_seconds_early(backups: Backups, site: Path) -> None:
    """The kernel's times of files are behind the clock that tar asks."""
    made = backups.make(site, chain=following(None))
    state = (backups.root / "state" / KEY / made.place.backup_id).read_bytes()
    seconds = int(state.split(b"\n", 1)[1].split(b"\0", 1)[0])
    began = int((Path(made.place.run_directory) / "pid").stat().st_mtime)
    ended = int((Path(made.place.run_directory) / "result").stat().st_mtime)
    assert began - 2 <= seconds <= ended - 2
    (site / "new").write_text("later")
    assert backups.make(site, chain=following(made)).report.result["level"] == "1"


@pytest.mark.parametrize(
    ("damage", "word"),
    [("missing", "state_missing"), ("other", "state_damaged"), ("future", "clock_back")],
)
def test_a_state_that_cannot_be_continued_makes_a_full_one(
    backups: Backups, site: Path, tmp_path: Path, damage: str, word: str
) -> None:
    full = backups.make(site, chain=following(None))
    chain = following(full)
    state = backups.root / "state" / KEY / full.place.backup_id
    if damage == "missing":
        state.unlink()
    elif damage == "other":
        state.write_bytes(state.read_bytes() + b"\0")
    else:
        content = re.sub(rb"(\n)\d+(\0)", rb"\g<1>99999999999\2", state.read_bytes(), count=1)
        state.write_bytes(content)
        digest = subprocess.check_output(["sha256sum", state], text=True).split()[0]
        chain = Chain(KEY, chain.base, digest, 1)
    made = backups.make(site, chain=chain)
    result = made.report.result
    assert (result["level"], result["base"], result["full_because"]) == ("0", "", word)
    assert_same(site, made.extract(tmp_path / "target") / site.relative_to("/"))
    (site / "later").write_text("and it can be continued")
    assert backups.make(site, chain=following(made)).report.result["level"] == "1"


def test_a_path_that_is_a_file_is_backed_up_whole_each_time(
    backups: Backups, site: Path, tmp_path: Path
) -> None:
    single = tmp_path / "single"
    single.write_text("alone")
    for _ in range(2):
        result = backups.make(site, single, chain=following(None)).report.result
        assert (result["level"], result["full_because"]) == ("0", "path_is_no_folder")
        assert result["state_sha256"] == ""


def test_excludes_hold_in_each_level(backups: Backups, site: Path, tmp_path: Path) -> None:
    excludes = ("*.log", "/quiet", "files")
    for name in ("a.log", "files/inside", "quiet/later"):
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text("left out")
    full = backups.make(site, excludes=excludes, chain=following(None))
    for name in ("b.log", "files/new", "quiet/newer", "taken"):
        (site / name).write_text("later")
    increment = backups.make(site, excludes=excludes, chain=following(full))
    found = restored([full, increment], tmp_path / "target") / site.relative_to("/")
    there = {path.name for path in found.rglob("*")}
    assert "taken" in there
    assert not {"a.log", "b.log", "files", "quiet", "new", "newer"} & there


def test_a_run_that_fails_leaves_the_chain_as_it_was(
    backups: Backups, site: Path, tmp_path: Path
) -> None:
    full = backups.make(site, chain=following(None))
    before = (backups.root / "state" / KEY / full.place.backup_id).read_bytes()
    first_changes(site)
    (site / "big").write_bytes(os.urandom(40 * 2**20))
    for moment in ("measure", "archive", "finish"):
        place = backups.start(site, chain=following(full))
        stages = {"measure", "archive", "finish"}
        passed = {stage for stage in stages if stage >= moment} | {moment}
        report = until(
            lambda place=place: backups.look(place),  # type: ignore[misc]
            lambda report, passed=passed: report.stage in passed or report.over,  # type: ignore[misc]
        )
        if not report.over:
            detached.stop(backups.session, place)
            backups.over(place)
        assert (backups.root / "state" / KEY / full.place.backup_id).read_bytes() == before
    made = backups.make(site, chain=following(full))
    found = restored([full, made], tmp_path / "target")
    assert_same(site, found / site.relative_to("/"))


def test_a_level_that_is_missing_is_noticed_by_who_looks_at_the_numbers(
    backups: Backups, site: Path
) -> None:
    full = backups.make(site, chain=following(None))
    increment = backups.make(site, chain=following(full))
    manifest = increment.archive.with_name("manifest.json").read_text()
    assert '"level": 1' in manifest
    assert f'"base": "{full.place.backup_id}"' in manifest
    told = json.loads(manifest)
    assert told["after"] == full.place.backup_id
    assert "--incremental" in told["restore"]
    assert "after" not in json.loads(full.archive.with_name("manifest.json").read_text())


def test_a_full_disk_fails_the_run_and_keeps_the_state(backups: Backups, tmp_path: Path) -> None:
    top = tmp_path / "site"
    top.mkdir()
    (top / "file").write_text("small")
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "90m"):
        root = disk / "backups"
        root.mkdir(mode=0o700)
        on_disk = Backups(backups.session, root)
        full = on_disk.make(top, chain=following(None))
        (top / "big").write_bytes(os.urandom(60 * 2**20))
        report = on_disk.fails(top, chain=following(full))
        assert report.error
        assert report.error.code == "DISK_FULL"
        (top / "big").unlink()
        assert on_disk.make(top, chain=following(full)).report.result["level"] == "1"


def test_a_state_folder_that_is_somebody_elses_is_refused(
    backups: Backups, site: Path, tmp_path: Path
) -> None:
    backups.root.mkdir(mode=0o700, exist_ok=True)
    (tmp_path / "elsewhere").mkdir()
    (backups.root / "state").symlink_to(tmp_path / "elsewhere")
    report = backups.fails(site, chain=following(None))
    assert report.error
    assert report.error.code == "BACKUP_DIR_UNSAFE"
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("chain", [Chain("../x"), Chain(KEY, "../../x"), Chain("")])
def test_names_of_a_chain_are_no_paths(backups: Backups, site: Path, chain: Chain) -> None:
    with pytest.raises(InvalidConfig):
        script.backup(backups.contents(site, chain=chain))


def test_an_increment_can_be_looked_through(backups: Backups, site: Path) -> None:
    """Its index leads to what had changed."""
    full = backups.make(site, chain=following(None))
    (site / "deep" / "changed").write_text("new")
    made = backups.make(site, chain=following(full))
    result = made.report.result
    index = Index(int(result["tar_bytes"]), int(result["size"]))
    text = gzip.decompress(Path(f"{made.archive}.index.gz").read_bytes()).decode()
    files = {one.path: one for one in index.entries(text.splitlines()) if one.is_file}
    changed = f"files{escaped(str(site))}/deep/changed"
    assert changed in files
    one = files[changed]
    where = [cut.numbers() for cut in cuts(index.pieces, ranges([one]))]
    stored = Stored(str(backups.root), made.place.backup_id, made.name, int(result["size"]))
    tar = fetching.read_tar(backups.session, stored, Compression.GZIP, where)
    assert b"".join(content.of(one, tar)) == b"new"
