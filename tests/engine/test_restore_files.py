"""Files restored on the real sshd: back to exactly what they were, or nothing has happened."""

import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from cloudpilot.engine import detached, restoring
from cloudpilot.engine.detached import Place
from cloudpilot.engine.restoring import Archive, Restoration
from cloudpilot.errors import InvalidConfig, PathMissing
from cloudpilot.kinds import Privilege
from cloudpilot.reports import Report
from tests.engine.conftest import Backups, Made, mounted
from tests.engine.test_files_backup import site  # noqa: F401
from tests.support.tree import assert_same, entries


def restoration(
    made: Made, *paths: Path | str, top: Path | None = None, **what: object
) -> Restoration:
    """All of these paths, from where the archive lies."""
    result = made.report.result
    archive = Archive(made.name, int(result["size"]), result["sha256"], str(made.archive))
    return Restoration(
        restore_id=str(uuid4()),
        privilege=Privilege.PLAIN,
        archives=(archive,),
        paths=tuple(map(str, paths)),
        tops=(str(top),) if top else tuple(map(str, paths)),
        needed=int(result["tar_bytes"]),
        **what,  # type: ignore[arg-type]
    )


@dataclass(frozen=True)
class Restores:
    """Runs of restores, as the user of a session."""

    backups: Backups

    def place(self, what: Restoration, run: str) -> Place:
        return Place(str(self.backups.root), what.restore_id, run)

    def run(self, what: Restoration, run: str, files: dict[str, bytes]) -> Report:
        place = self.place(what, run)
        detached.launch(self.backups.session, place, files)
        return self.backups.over(place)

    def restore(self, what: Restoration) -> Report:
        return self.run(what, "restore", restoring.restore(what))

    def undo(self, what: Restoration) -> Report:
        return self.run(what, "undo", restoring.undo(what.restore_id, what.privilege))

    def forget(self, what: Restoration) -> Report:
        return self.run(what, "forget", restoring.forget(what.restore_id, what.privilege))


@pytest.fixture
def restores(backups: Backups) -> Restores:
    return Restores(backups)


def good(report: Report) -> Report:
    assert report.error is None, (report.error, report.log)
    assert report.result["complete"] == "1"
    return report


def copied(top: Path, name: str) -> Path:
    """Another tree that is the same."""
    other = top.with_name(name)
    subprocess.run(["cp", "-a", top, other], check=True)
    return other


def test_what_was_changed_added_and_deleted_is_as_it_was(
    restores: Restores,
    site: Path,  # noqa: F811
) -> None:
    made = restores.backups.make(site)
    before = copied(site, "before")
    (site / "plain").write_text("changed")
    (site / "added").mkdir()
    (site / "added" / "file").write_text("since")
    shutil.rmtree(site / "deep")
    (site / "empty-file").unlink()
    changed = copied(site, "changed")
    above = site.parent.stat().st_mtime_ns

    what = restoration(made, site)
    good(restores.restore(what))
    assert_same(before, site)
    assert site.parent.stat().st_mtime_ns == above

    good(restores.undo(what))
    assert_same(changed, site)
    assert left_beside(site) == []
    assert site.parent.stat().st_mtime_ns == above


def left_beside(top: Path) -> list[str]:
    return sorted(path.name for path in top.parent.glob(".cloudpilot-*"))


def test_what_no_backup_holds_stays(restores: Restores, tmp_path: Path) -> None:
    """Patterns, sockets, and folders that are new around them."""
    top = tree(
        tmp_path / "www", {"a/file": "old", "cache/x": "old", "log/a.log": "1", ".env": "key"}
    )
    patterns = ("cache/", "*.log", "/.env")
    made = restores.backups.make(top, excludes=patterns)
    (top / "a/file").write_text("new")
    (top / "cache/x").write_text("newer")
    (top / ".env").write_text("another key")
    tree(top, {"since/deep/b.log": "2", "since/other": "goes", "log/plain": "goes"})
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(top / "a/socket"))
    changed = copied(top, "changed")

    what = restoration(made, top, excludes=patterns)
    good(restores.restore(what))

    assert contents_of(top) == {
        "a/file": "old", "cache/x": "newer", "log/a.log": "1", ".env": "another key",
        "since/deep/b.log": "2", "a/socket": "",
    }  # fmt: skip
    good(restores.undo(what))
    assert_same(changed, top)


def test_what_is_newer_stays_if_it_is_to(restores: Restores, tmp_path: Path) -> None:
    top = tree(tmp_path / "www", {"a/file": "old", "b/file": "old"})
    made = restores.backups.make(top)
    tree(top, {"a/file": "new", "a/since": "new", "c/d/since": "new"})
    shutil.rmtree(top / "b")
    changed = copied(top, "changed")

    what = restoration(made, top, exact=False)
    good(restores.restore(what))

    assert contents_of(top) == {
        "a/file": "old", "b/file": "old", "a/since": "new", "c/d/since": "new",
    }  # fmt: skip
    good(restores.undo(what))
    assert_same(changed, top)


@pytest.mark.parametrize("where", ["www", "www/inner/disk"])
def test_a_mount_point_stays_where_it_is(restores: Restores, tmp_path: Path, where: str) -> None:
    """One that is restored, and one below what is restored, which no backup holds."""
    top = tmp_path / "www"
    (tmp_path / where).mkdir(parents=True)
    with mounted(tmp_path / where, "90m"):
        tree(top, {"a/file": "old", "inner/file": "old", "inner/disk/data": "of the disk"})
        made = restores.backups.make(top)
        tree(top, {"a/file": "new", "inner/file": "new", "inner/disk/data": "newer", "since": "s"})
        changed = entries(top)

        what = restoration(made, top)
        good(restores.restore(what))

        assert contents_of(top) == {
            "a/file": "old", "inner/file": "old",
            "inner/disk/data": "newer" if where != "www" else "of the disk",
        }  # fmt: skip
        assert os.path.ismount(tmp_path / where)
        good(restores.undo(what))
        assert entries(top) == changed
        good(restores.forget(what))


def test_one_folder_one_file_and_what_is_gone(restores: Restores, tmp_path: Path) -> None:
    top = tree(tmp_path / "www", {"a/file": "old", "a/other": "old", "b/c/file": "old", "x": "old"})
    made = restores.backups.make(top)
    tree(top, {"a/file": "new", "a/other": "new", "x": "new"})
    shutil.rmtree(top / "b")
    changed = copied(top, "changed")

    what = restoration(made, top / "a/file", top / "b/c", top=top)
    good(restores.restore(what))

    assert contents_of(top) == {"a/file": "old", "a/other": "new", "b/c/file": "old", "x": "new"}
    good(restores.undo(what))
    assert_same(changed, top)

    missing = restores.restore(restoration(made, top / "never", top=top))
    assert isinstance(missing.error, PathMissing)
    assert_same(changed, top)
    assert left_beside(top) == []


def test_into_a_folder(restores: Restores, tmp_path: Path) -> None:
    top = tree(tmp_path / "www", {"a/file": "old"})
    made = restores.backups.make(top)
    into = tmp_path / "somewhere/else"
    above = tmp_path.stat().st_mtime_ns

    what = restoration(made, top, into=str(into))
    good(restores.restore(what))
    assert_same(top, Path(f"{into}{top}"))
    assert (left_beside(top), tmp_path.stat().st_mtime_ns) == ([], above)  # nothing is kept

    again = restores.restore(restoration(made, top, into=str(into)))
    assert isinstance(again.error, InvalidConfig)
    good(restores.undo(what))
    assert not into.parent.exists()
    assert (left_beside(top), tmp_path.stat().st_mtime_ns) == ([], above)


def test_what_was_restored_where_nothing_was_stays_when_it_is_forgotten(
    restores: Restores, tmp_path: Path
) -> None:
    """And somebody may have removed it before it is undone."""
    top = tree(tmp_path / "www", {"a/file": "old"})
    made = restores.backups.make(top)
    before = copied(top, "before")
    shutil.rmtree(top)
    for _ in range(2):
        above = tmp_path.stat().st_mtime_ns
        what = restoration(made, top)
        good(restores.restore(what))
        assert_same(before, top)
        assert left_beside(top) == []
        good(restores.forget(what))
        assert_same(before, top)
        assert tmp_path.stat().st_mtime_ns == above
        shutil.rmtree(top)
    what = restoration(made, top)
    good(restores.restore(what))
    shutil.rmtree(top)
    good(restores.undo(what))
    assert (left_beside(top), top.exists()) == ([], False)


def test_an_empty_folder_that_was_there_before_is_kept(restores: Restores, tmp_path: Path) -> None:
    """It has a mode and a time of its own; what was nowhere beside it leaves nothing."""
    top = tree(tmp_path / "www", {"a/file": "old", "b/file": "old"})
    made = restores.backups.make(top)
    shutil.rmtree(top / "b")
    shutil.rmtree(top / "a")
    (top / "a").mkdir(mode=0o711)
    changed = copied(top, "changed")
    what = restoration(made, top / "a", top / "b", top=top)
    good(restores.restore(what))
    assert contents_of(top) == {"a/file": "old", "b/file": "old"}
    assert len(left_beside(top)) == 1
    good(restores.undo(what))
    assert_same(changed, top)


def tree(top: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    return top


def contents_of(top: Path) -> dict[str, str]:
    """Of what is served: what was there before may lie in a folder of ours inside a mount point."""
    files = [path for path in top.rglob("*") if not path.is_dir()]
    found = [path for path in files if ".cloudpilot-" not in str(path)]
    return {
        str(path.relative_to(top)): "" if path.is_socket() else path.read_text() for path in found
    }


def test_what_another_restore_has_kept_stays_and_is_not_backed_up(
    restores: Restores, tmp_path: Path
) -> None:
    """A restore of a site, and then one of the folder above it: both can be undone."""
    above = tmp_path / "srv"
    top = tree(above / "www", {"a": "old"})
    inner, outer = restores.backups.make(top), restores.backups.make(above)
    tree(top, {"a": "new"})
    first = restoration(inner, top)
    good(restores.restore(first))
    [kept] = left_beside(top)
    again = restores.backups.make(above)
    assert not [name for name in again.names() if ".cloudpilot" in name]

    tree(above, {"www/a": "newer", "since": "x"})
    second = restoration(outer, above)
    good(restores.restore(second))
    assert contents_of(above) == {"www/a": "old"}
    assert left_beside(top) == [kept]
    good(restores.undo(second))
    assert contents_of(above) == {"www/a": "newer", "since": "x"}
    good(restores.undo(first))
    assert contents_of(above) == {"www/a": "new", "since": "x"}
