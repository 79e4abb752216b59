"""What lies in backup directories, on the real sshd; and how a Check says it."""

import os
import shlex
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cloudpilot.engine import folders
from cloudpilot.engine.folders import Folder, Lying, Weight, line, lying, understood, weighed
from cloudpilot.engine.program import source
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed
from tests.engine.conftest import mounted
from tests.support.sshd import IS_ROOT, Sshd

ODD = "it's $(odd) 'root' ü"
HOURS = 3 * 3600
ID = "0b7d6f3e-1111-2222-3333-444444444444"
# Names with which somebody may try to put words into a page or a command.
HOSTILE = [
    "; reboot", "$(reboot)", "`reboot`", "-rf", "a\nbackup 0 1 " + ID, f"{ID}\n", f"{ID} ..",
    f"x{ID}", ID.upper(), f"{ID[:-1]}g", "<script>", "é", "\x1b[31m", "*", "lost+found",
]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = tmp_path / ODD
    found.mkdir(mode=0o700)
    return found


def put(root: Path, name: str = "", size: int = 5000, age: int = HOURS) -> Path:
    """A folder with a file in it, as it was left so many seconds ago."""
    folder = root / (name or str(uuid4()))
    folder.mkdir(parents=True)
    (folder / "a.tar.gz").write_bytes(b"x" * size)
    at = time.time() - age
    os.utime(folder, (at, at))
    return folder


def tree(root: Path) -> list[tuple[str, int, int]]:
    """All that is there, and when it was changed."""
    found = [root, *root.rglob("*")]
    return sorted((str(one), one.lstat().st_mtime_ns, one.lstat().st_size) for one in found)


def test_only_folders_with_an_id_are_told_and_nothing_is_changed(
    session: Session, root: Path
) -> None:
    old, new = put(root), put(root, age=0)
    state = put(root / "state")
    (root / ".removed").mkdir()
    (root / ".removed" / str(uuid4())).touch()
    (root / str(uuid4())).touch()  # a file
    (root / str(uuid4())).symlink_to("/etc")
    (root / "state" / str(uuid4())).symlink_to("/etc")
    for name in HOSTILE:
        (root / name).mkdir()
    before = tree(root)
    found = lying(session, [str(root)])
    by_path = {folder.path: folder for folder in found.folders}
    assert set(by_path) == {str(old), str(new), str(state)}
    assert by_path[str(state)].kind == "schedule"
    assert HOURS <= by_path[str(old)].age < HOURS + 60
    assert -5 < by_path[str(new)].age < 60
    assert (found.others, found.unseen, found.cut) == (len(HOSTILE) + 3, [], False)
    assert weighed(session, found.folders).size >= 3 * 5000
    assert tree(root) == before


def test_all_directories_are_looked_at_and_each_once(session: Session, tmp_path: Path) -> None:
    first, second = put(tmp_path / "one"), put(tmp_path / "two")
    (tmp_path / "again").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "two")
    names = ["one", "nowhere", "again/../one", "two", "link"]
    found = lying(session, [str(tmp_path / name) for name in names])
    assert {folder.path for folder in found.folders} == {str(first), str(second)}
    assert found.unseen == []


def test_no_link_is_followed_and_nothing_is_looked_at_that_is_not_ours(
    plain_server: Sshd, session: Session, tmp_path: Path
) -> None:
    put(tmp_path / "real")
    put(tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/state").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").touch()
    roots = [str(tmp_path / name) for name in ("link", "root", "file")]
    found = lying(session, roots)
    assert (found.folders, found.unseen) == ([], [roots[0], roots[2]])
    for above in (tmp_path, *tmp_path.parents):
        if above.stat().st_uid == tmp_path.stat().st_uid:
            above.chmod(above.stat().st_mode | 0o055)
    with plain_server.session() as plain:
        found = lying(plain, [str(tmp_path / "real")])
    assert found.folders == []
    assert found.unseen == ([str(tmp_path / "real")] if IS_ROOT else [])


def test_what_is_being_launched_is_young(session: Session, launched: Any) -> None:
    place = launched("echo begun; sleep 60")
    found = lying(session, [place.root])
    assert [folder.age < 60 for folder in found.folders] == [True] * len(found.folders)
    assert tree(Path(place.backup_directory))


def test_a_thousand_are_one_readable_line(session: Session, root: Path) -> None:
    for _ in range(1000):
        put(root, size=10)
    found = lying(session, [str(root)])
    assert len(found.folders) == 1000
    said = line(found.folders, (), found, weighed(session, found.folders))
    assert said.level == "warning"
    assert said.detail.startswith("1,000 folders with ")
    assert said.detail.endswith(" and 997 more.")
    assert len(said.detail) + len(said.remedy) < 6 * len(found.folders[0].path) + 500


def test_the_command_of_the_remedy_removes_what_it_names_and_nothing_else(
    session: Session, root: Path
) -> None:
    gone, stays = put(root), put(root)
    (root / "etc").mkdir()
    found = [one for one in lying(session, [str(root)]).folders if one.path == str(gone)]
    said = line(found, (), Lying(), weighed(session, found))
    assert str(gone) in said.detail
    command = said.remedy.split("`")[1]
    assert shlex.split(command) == ["rm", "-rf", str(gone)]
    subprocess.run(["sh", "-c", command], check=True)
    assert sorted(root.iterdir()) == sorted([stays, root / "etc"])


def test_what_is_weighed_is_bounded(
    session: Session, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        put(root)
    found = lying(session, [str(root)]).folders
    assert weighed(session, found).whole
    away = [*found, Folder(str(root), "backup", str(uuid4()), HOURS)]
    assert not weighed(session, away).whole
    monkeypatch.setattr(folders, "WEIGHED_AT_MOST", 2)
    part = weighed(session, found)
    assert part.size >= 2 * 5000
    assert not part.whole
    assert "3 folders with at least " in line(found, (), Lying(), part).detail
    assert weighed(session, []) == Weight(0, whole=True)


def test_another_file_system_is_not_weighed(session: Session, root: Path) -> None:
    folder = put(root)
    (folder / "mounted").mkdir()
    with mounted(folder / "mounted", "20m"):
        (folder / "mounted/large").write_bytes(b"x" * 10_000_000)
        found = lying(session, [str(root)]).folders
        assert weighed(session, found).size < 1_000_000


def told(script: str, changes: dict[bytes, bytes], *words: Path) -> list[str]:
    """What a script says in which some words were replaced."""
    text = source("words.sh") + source("common.sh") + source(script)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    command = ["bash", "-c", text, "bash", *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")


def test_of_very_many_some_are_told_and_that_there_are_more(root: Path) -> None:
    for _ in range(5):
        put(root)
        put(root / "state")
    said = told("folders.sh", {b"AT_MOST=10000": b"AT_MOST=7"}, root)
    assert len([one for one in said if one.startswith(("backup", "schedule"))]) == 7
    assert "cut" in said
    assert understood("\n".join(said).encode(), [str(root)]).cut


@pytest.mark.parametrize(("script", "never"), [("folders.sh", "backup"), ("weigh.sh", "bytes")])
def test_who_has_no_time_says_so(root: Path, script: str, never: str) -> None:
    put(root)
    said = told(script, {b"AT_LONGEST=5": b"AT_LONGEST=0"}, root)
    assert said[-2] == "end"
    assert "whole" not in said
    assert [one for one in said if one.startswith(never)] == []
    assert ("unseen 0" in said) is (script == "folders.sh")


class Answering:
    """A server that answers anything."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def run(self, *_words: object, **_options: object) -> bytes:
        return self.answer


FOUND = [Folder("/srv/b", "backup", ID, HOURS)]


@pytest.mark.parametrize("answer", [b"", b"now 1\n", b"end\n", b"now x\nend\n", b"\xff end"])
def test_an_answer_that_is_not_whole_says_nothing(answer: bytes) -> None:
    with pytest.raises(CommandFailed):
        lying(Answering(answer), ["/srv/b"])  # type: ignore[arg-type]
    if not answer.startswith(b"end") and b"\nend" not in answer:
        with pytest.raises(CommandFailed):
            weighed(Answering(answer), FOUND)  # type: ignore[arg-type]


def lies() -> Iterator[str]:
    for name in HOSTILE:
        yield f"backup 0 1 {name}"
    yield from (f"backup 9 1 {ID}", f"backup -1 1 {ID}", f"backup 0 x {ID}", f"other 0 {ID}")
    yield from ("backup", f"run 0 1 {ID}", "unseen 7", f"0 1 {ID}", f"backup 0 1 {ID}x")


@pytest.mark.parametrize("lie", [lie for lie in lies() if "\n" not in lie])
def test_a_server_that_lies_puts_no_name_into_a_page(lie: str) -> None:
    found = understood(f"now 9000\n{lie}\nend\n".encode(), ["/srv/b"])
    assert (found.folders, found.unseen, found.others) == ([], [], 0)


def said(orphans: Sequence[Folder], elsewhere: Sequence[str] = (), **seen: Any) -> Any:
    return line(orphans, elsewhere, Lying(**seen), Weight(5_000_000))


def test_where_nothing_is_left_behind_all_is_well() -> None:
    assert (said([]).level, said([]).remedy) == ("ok", "")
    beside = said([], others=1, unseen=["/a"], cut=True)
    assert beside.level == "ok"
    assert "1 other thing there has no name" in beside.detail
    assert "Not all of /a could be looked at. There are more" in beside.detail
    assert "2 other things there have no name" in said([], others=2).detail


def test_it_says_how_many_how_large_where_and_what_to_do() -> None:
    one = said(FOUND)
    assert one.detail == (
        "1 folder with 5.0 MB belongs to no backup and no schedule that the panel knows:"
        f" /srv/b/{ID}."
    )
    assert one.remedy.endswith(f"can be removed by hand: `rm -rf /srv/b/{ID}`")
    assert "CloudPilot deletes none of them" in one.remedy


def test_for_what_is_known_elsewhere_no_command_is_offered() -> None:
    state = Folder("/srv/b", "schedule", ID, HOURS)
    both = said([*FOUND, state], [ID])
    assert "Of them 1 is of a backup that the panel knows on another server" in both.detail
    assert both.remedy.endswith(f"`rm -rf /srv/b/state/{ID}`")
    kept = said([*FOUND, Folder("/srv/c", "backup", ID, HOURS)], [ID])
    assert "Of them 2 are of backups" in kept.detail
    assert "`" not in kept.remedy


@pytest.mark.parametrize("root", ["/srv/`reboot`", "/srv/a\\b"])
def test_what_cannot_be_pasted_is_no_command(root: str) -> None:
    assert "`" not in said([Folder(root, "backup", ID, HOURS)]).remedy


def test_an_answer_without_sense_is_a_warning() -> None:
    assert folders.unanswered().level == "warning"
