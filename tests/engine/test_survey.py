"""What is found before a restore, on the real sshd."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloudpilot.engine import survey
from cloudpilot.engine.ssh import Session
from cloudpilot.engine.survey import Question, understood
from cloudpilot.errors import CommandFailed
from tests.engine.conftest import Backups, mounted
from tests.support.sshd import private_sshd


def test_what_is_there_now(session: Session, tmp_path: Path) -> None:
    top = tmp_path / "a name\nof two lines"
    (top / "disk").mkdir(parents=True)
    (top / "file").write_text("12345")
    (tmp_path / "link").symlink_to(top)
    names = ("a name\nof two lines", "gone/far", "link")
    paths = [f"{tmp_path}/{name}" for name in names]
    with mounted(top / "disk", "1m"):
        (top / "disk/other").write_text("not counted")
        question = Question(paths=paths, backup_root=str(tmp_path / "new/root"))
        found = survey.ask(session, question)

    assert found["missing"] == []
    assert found["room"]["root"] > 0
    there, absent, link = found["paths"]
    assert there["path"] == paths[0]
    assert (there["kind"], there["mounted"], there["writable"]) == ("folder", True, True)
    assert (there["entries"], there["bytes"], there["more"]) == (3, 5, False)
    assert (absent["kind"], absent["mounted"], absent["bytes"]) == ("absent", False, 0)
    assert absent["system"] == there["system"] == link["system"]
    assert link["kind"] == "link"


@pytest.mark.parametrize(
    "answer",
    [b"", b"end", b"room root 1 2\nend", b"room root 1 2\npath 0 dragon no yes\nend", b"room root"],
)
def test_an_answer_that_is_not_whole_is_none(answer: bytes) -> None:
    with pytest.raises(CommandFailed):
        understood(answer, ["/srv/a"])


@pytest.mark.parametrize("answers", ["exit 1", "echo 0 4096 0 0 0"])
def test_a_disk_of_which_nothing_is_known_has_no_figure(tmp_path: Path, answers: str) -> None:
    """Its file system refuses to tell, or says that it has 0 of 0 blocks."""
    with where_disks_say(tmp_path, answers) as session:
        found = survey.ask(session, Question(paths=[str(tmp_path / "a")], backup_root="/"))
    assert found["room"] == {"root": None, "0": None}
    assert found["inodes"] == {}


def test_a_disk_that_calls_itself_empty_takes_a_backup(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "file").write_text("text")
    with where_disks_say(tmp_path, "echo 0 4096 0 0 0") as session:
        Backups(session, tmp_path / "root").make(site)


@contextmanager
def where_disks_say(folder: Path, answers: str) -> Iterator[Session]:
    """A server on which `stat -f` answers that."""
    (folder / "bin").mkdir()
    stat = folder / "bin/stat"
    instead = f'[ "$1" != -f ] || {{ {answers}; exit; }}'
    stat.write_text(f'#!/bin/bash\n{instead}\nexec /usr/bin/stat "$@"\n')
    stat.chmod(0o755)
    (folder / "sshd").mkdir()
    path = f"PATH={folder}/bin:/usr/bin:/bin"
    with private_sshd(folder / "sshd", environment=path) as sshd, sshd.session() as session:
        yield session


def test_an_answer_word_by_word() -> None:
    there = b"path 0 file no no\nroom 0 7 8\nholds 0 1 5\nmore 0\nend"
    answer = b"hello\nmissing zstd\nroom root 1 9\n" + there
    found = understood(answer, ["/srv/a"])
    assert (found["missing"], found["room"]) == (["zstd"], {"root": 9, "0": 8})
    [path] = found["paths"]
    assert path == {
        "path": "/srv/a", "kind": "file", "mounted": False, "writable": False,
        "entries": 1, "bytes": 5, "more": True, "system": 7,
    }  # fmt: skip
