"""What is found before a restore, on the real sshd."""

from pathlib import Path

import pytest

from cloudpilot.engine import survey
from cloudpilot.engine.ssh import Session
from cloudpilot.engine.survey import Question, understood
from cloudpilot.errors import CommandFailed
from tests.engine.conftest import mounted


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


def test_an_answer_word_by_word() -> None:
    there = b"path 0 file no no\nroom 0 8 7\nholds 0 1 5\nmore 0\nend"
    answer = b"hello\nmissing zstd\nroom root 9 1\n" + there
    found = understood(answer, ["/srv/a"])
    assert (found["missing"], found["room"]) == (["zstd"], {"root": 9, "0": 8})
    [path] = found["paths"]
    assert path == {
        "path": "/srv/a", "kind": "file", "mounted": False, "writable": False,
        "entries": 1, "bytes": 5, "more": True, "system": 7,
    }  # fmt: skip
