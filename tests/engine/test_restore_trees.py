"""Snapshot trees restored on the server that they lie on."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from cloudpilot.engine import restoring
from cloudpilot.engine.restoring import Archive, Restoration
from cloudpilot.engine.restoring import Tree as Stored
from cloudpilot.errors import (
    ChecksumMismatch,
    DiskFull,
    InvalidConfig,
    PathMissing,
    ReadFailed,
    RunKilled,
)
from cloudpilot.kinds import Privilege
from tests.engine.conftest import Made, mounted
from tests.engine.test_increments import first_changes, second_changes, site
from tests.engine.test_restore_files import (
    Restores,
    contents_of,
    copied,
    good,
    left_beside,
    restores,
    tree,
)
from tests.engine.test_trees import following
from tests.support.tree import assert_same, entries

__all__ = ["restores", "site"]


def restoration(
    made: Made, *paths: Path | str, top: Path | None = None, **what: object
) -> Restoration:
    """These paths out of the tree, where it lies."""
    tops = (str(top),) if top else tuple(map(str, paths))
    return Restoration(
        restore_id=str(uuid4()),
        privilege=Privilege.PLAIN,
        archives=(),
        tree=Stored(str(made.archive), tops, made.report.result["sha256"]),
        paths=tuple(map(str, paths)),
        tops=tops,
        needed=int(made.report.result["size"]),
        **what,  # type: ignore[arg-type]
    )


def test_the_site_is_as_it_was_and_the_tree_stays_as_it_is(restores: Restores, site: Path) -> None:
    full = restores.backups.make(site, tree=following(None))
    first_changes(site)
    made = restores.backups.make(site, tree=following(full))
    before, kept = copied(site, "before"), entries(made.archive)
    second_changes(site)
    changed = copied(site, "changed")
    what = restoration(made, site)
    good(restores.restore(what))
    assert_same(before, site)
    assert entries(made.archive) == kept
    good(restores.undo(what))
    assert_same(changed, site)
    assert left_beside(site) == []


def test_one_folder_one_file_what_is_gone_and_into_a_folder(
    restores: Restores, tmp_path: Path
) -> None:
    top = tree(tmp_path / "w*w", {"a/file": "old", "a/other": "old", "b/c/file": "old", "x": "old"})
    made = restores.backups.make(top, tree=following(None))
    tree(top, {"a/file": "new", "a/other": "new", "x": "new"})
    shutil.rmtree(top / "b")
    changed = copied(top, "changed")

    what = restoration(made, top / "a/file", top / "b/c", top=top)
    good(restores.restore(what))
    assert contents_of(top) == {"a/file": "old", "a/other": "new", "b/c/file": "old", "x": "new"}
    good(restores.undo(what))

    missing = restores.restore(restoration(made, top / "never", top=top))
    assert isinstance(missing.error, PathMissing)
    assert_same(changed, top)
    assert left_beside(top) == []

    good(restores.restore(restoration(made, top, into=str(tmp_path / "into"))))
    into = Path(f"{tmp_path}/into{top}")
    assert contents_of(into) == {"a/file": "old", "a/other": "old", "b/c/file": "old", "x": "old"}


def test_a_path_on_a_disk_of_its_own_goes_there(restores: Restores, tmp_path: Path) -> None:
    top, inner = tmp_path / "www", tmp_path / "www/a [b]*"
    inner.mkdir(parents=True)
    with mounted(inner, "90m"):
        tree(top, {"a/file": "old", f"{inner.name}/data": "of the disk"})
        made = restores.backups.make(top, inner, tree=following(None))
        tree(top, {"a/file": "new", f"{inner.name}/data": "newer"})
        good(restores.restore(restoration(made, top, inner)))
        assert contents_of(top) == {"a/file": "old", f"{inner.name}/data": "of the disk"}


def add(kept: Path) -> None:
    (kept / "files/added").write_text("since")


def lengthen(kept: Path) -> None:
    file = next(path for path in kept.rglob("file"))
    file.write_text(f"{file.read_text()}, and more")


def lose(kept: Path) -> None:
    next(path for path in kept.rglob("file")).unlink()


def forge(kept: Path) -> None:
    shutil.copy(kept.with_name("manifest.json"), f"{kept}.index.gz")


def remove(kept: Path) -> None:
    shutil.rmtree(kept)


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lengthen, ChecksumMismatch),
        (lose, ChecksumMismatch),
        (forge, ChecksumMismatch),
        (remove, ReadFailed),
    ],
)
def test_a_tree_that_was_changed_is_refused_before_anything_is_touched(
    restores: Restores, tmp_path: Path, damage: Callable[[Path], None], error: type[Exception]
) -> None:
    top = tree(tmp_path / "www", {"a/file": "old", "b": "old"})
    made = restores.backups.make(top, tree=following(None))
    tree(top, {"b": "new"})
    changed = copied(top, "changed")
    damage(made.archive)
    report = restores.restore(restoration(made, top))
    assert isinstance(report.error, error), (report.error, report.log)
    assert_same(changed, top)
    assert left_beside(top) == []


def test_no_room_is_told_before_anything_is_copied(restores: Restores, tmp_path: Path) -> None:
    top = tree(tmp_path / "www", {"a/file": "old"})
    made = restores.backups.make(top, tree=following(None))
    what = replace(restoration(made, top), needed=2**60)
    report = restores.restore(what)
    assert isinstance(report.error, DiskFull), (report.error, report.log)
    assert left_beside(top) == []


def test_rsync_that_is_killed_leaves_all_as_it_was(restores: Restores, tmp_path: Path) -> None:
    top = tree(tmp_path / "www", {"a/file": "old"})
    made = restores.backups.make(top, tree=following(None))
    tree(top, {"a/file": "new"})
    changed = copied(top, "changed")
    what = restoration(made, top)
    files = restoring.restore(what)
    copies = b'    rsync "${rsync_options[@]}" "${filters[@]}" --info'
    assert copies in files["script"]
    files["script"] = files["script"].replace(copies, b"sh -c 'kill -KILL $$' " + copies)
    report = restores.run(what, "restore", files)
    assert isinstance(report.error, RunKilled), (report.error, report.log)
    assert_same(changed, top)
    assert left_beside(top) == []


def test_files_come_from_archives_or_from_a_tree(tmp_path: Path) -> None:
    archive = Archive("a.tar.gz", 1, "0" * 64)
    stored = Stored("/backups/1/a.tree", (str(tmp_path),), "0" * 64)
    for archives, found in (((), None), ((archive,), stored)):
        what = Restoration(
            str(uuid4()), Privilege.PLAIN, archives, (str(tmp_path),), (str(tmp_path),), 1,
            tree=found,
        )  # fmt: skip
        with pytest.raises(InvalidConfig):
            restoring.restore(what)
