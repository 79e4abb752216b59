"""engine.preview: what patterns leave out, counted by the tar that makes the backup."""

import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cloudpilot.engine import preview
from cloudpilot.engine.preview import Question, understood
from cloudpilot.engine.program import source
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed, PathMissing
from tests.engine.conftest import Backups
from tests.support.sshd import Sshd
from tests.support.until import until

PATTERNS = ["*.log", "/cache", "node_modules", "nothing", "/b/*.map", "it's $(odd)*"]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Some of everything, and names that no line can hold."""
    top = tmp_path / "a site"
    for folder in ("cache/deep", "a/node_modules/x", "b/uploads"):
        (top / folder).mkdir(parents=True)
    (top / "cache/deep/big").write_bytes(b"\0" * 100_000)
    (top / "a/node_modules/x/y").write_bytes(b"\0" * 5000)
    (top / "a/node_modules/x/hidden.log").write_bytes(b"\0" * 50)
    (top / "a/n\nl.log").write_text("12345")
    (top / "b/é ü.log").write_text("123")
    (top / "b/app.js.map").write_bytes(b"\0" * 900)
    (top / "b/uploads/photo").write_bytes(b"\0" * 7000)
    os.link(top / "b/uploads/photo", top / "b/again")
    (top / "a/link -> q").symlink_to("x.log -> y")
    (top / "it's $(odd)\\").write_text("1")
    return top


def asked(session: Session, *paths: Path, patterns: list[str]) -> dict[str, Any]:
    question = Question(
        paths=[str(path) for path in paths], patterns=patterns, backup_root=str(paths[0] / "none")
    )
    return preview.ask(session, question)


def test_each_pattern_says_what_it_leaves_out(session: Session, site: Path) -> None:
    found = asked(session, site, patterns=PATTERNS)
    counted = {one["pattern"]: (one["entries"], one["bytes"]) for one in found["patterns"]}
    assert counted == {
        "*.log": (2, 8),  # the one in node_modules is left out already
        "/cache": (3, 100_000),
        "node_modules": (4, 5050),
        "nothing": (0, 0),
        "/b/*.map": (1, 900),
        "it's $(odd)*": (1, 1),
    }
    samples = {one["pattern"]: one["samples"] for one in found["patterns"]}
    assert set(samples["*.log"]) == {f"{site}/a/n\\x0al.log", f"{site}/b/é ü.log"}
    assert samples["/cache"] == [f"{site}/cache"]
    assert samples["nothing"] == []
    assert found["out"] == {"entries": 11, "bytes": 105_959}
    assert found["stopped"] is False


def test_it_is_what_a_backup_then_holds(session: Session, site: Path, backups: Backups) -> None:
    found = asked(session, site, patterns=PATTERNS)
    made = backups.make(site, excludes=tuple(PATTERNS))
    assert len(made.names()) == found["kept"]["entries"]


def test_the_largest_folders_that_stay_are_named(session: Session, site: Path) -> None:
    everything = asked(session, site, patterns=[])
    assert everything["out"] == {"entries": 0, "bytes": 0}
    named = [one["path"] for one in everything["folders"]]
    assert f"{site}/cache" not in named  # nearly all of it is in the one below
    assert f"{site}/a/node_modules/x" in named
    first = {"path": f"{site}/cache/deep", "entries": 1, "bytes": 100_000}
    assert everything["folders"][0] == first
    without = asked(session, site, patterns=["/cache"])
    assert "cache" not in str(without["folders"])


def test_several_paths_are_counted_together(session: Session, site: Path) -> None:
    found = asked(session, site / "a", site / "b", patterns=["/node_modules", "uploads"])
    assert [one["entries"] for one in found["patterns"]] == [4, 2]


def test_our_own_archives_are_not_counted(session: Session, site: Path) -> None:
    question = Question(paths=[str(site)], backup_root=str(site / "cache"))
    assert preview.ask(session, question)["kept"]["bytes"] < 100_000


def test_a_path_that_is_not_there_is_said_as_a_backup_says_it(
    session: Session, tmp_path: Path
) -> None:
    with pytest.raises(PathMissing):
        asked(session, tmp_path / "gone", patterns=[])


def test_nothing_is_left_on_the_server(session: Session, site: Path, tmp_path: Path) -> None:
    def folders() -> set[str]:
        return {path.name for path in Path("/tmp").glob("cloudpilot-*")}

    before = folders()
    listed = sorted(tmp_path.rglob("*"))
    asked(session, site, patterns=PATTERNS)
    new = until(lambda: folders() - before, lambda found: not found)  # others come and go, too
    assert not new
    assert sorted(tmp_path.rglob("*")) == listed


def test_what_its_user_may_not_read_is_counted_apart(plain_server: Sshd) -> None:
    site = plain_server.user_home / f"site-{uuid4().hex[:8]}"
    for folder in ("open", "closed", "cache"):
        (site / folder).mkdir(parents=True)
    for name in ("open/a", "open/of root", "open/n\nl", "cache/b", "closed/c"):
        (site / name).write_text("12345")
    for name in ("open/of root", "open/n\nl", "cache/b", "closed"):
        (site / name).chmod(0)
    with plain_server.session() as plain:
        found = asked(plain, site, patterns=["/cache"])
        readable = preview.ask(plain, Question(paths=[str(site / "open/a")]))
    assert found["locked"] == 3
    assert readable["locked"] == 0


@pytest.mark.parametrize("limit", ["WALK_SECONDS=10", "FILTER_SECONDS=6", "PATTERN_SECONDS=4"])
def test_short_of_time_it_says_so(session: Session, site: Path, limit: str) -> None:
    class Hurried(Question):
        def text(self) -> bytes:
            whole = super().text()
            word = limit.partition("=")[0].encode()
            assert limit.encode() in whole
            none = b"0" if word == b"PATTERN_SECONDS" else b"0.02"
            return whole.replace(limit.encode(), word + b"=" + none)

    for number in range(20_000 if "PATTERN" not in limit else 0):
        (site / f"{number}.txt").touch()
    found = preview.ask(session, Hurried(paths=[str(site)], patterns=PATTERNS))
    assert found["stopped"] is True
    if "PATTERN" in limit:
        assert {one["entries"] for one in found["patterns"]} == {None}


def test_the_limits_leave_time_for_the_rest() -> None:
    line = next(x for x in source("preview.sh").decode().split("\n") if x.startswith("WALK"))
    assert sum(int(word.split("=")[1]) for word in line.split()) + 3 < preview.SECONDS - 5


@pytest.mark.parametrize("answer", [b"", b"end", b"kept 1 2\nend", b"kept 1 2\nout 1 2\n"])
def test_half_an_answer_is_none(answer: bytes) -> None:
    with pytest.raises(CommandFailed):
        understood(answer, [])


def test_an_odd_answer_is_bounded() -> None:
    odd = (
        b"kept\nout 1\npattern\npattern 9 1 1\nsample x\nsample 0 /a\nsample 0 /b\nsample 0 /c\n"
        b"sample 0 /d\nsample 9 /n\nfolder\nfolder 1 2 /" + b"x" * 9000 + b"\nstopped tops\nend\n"
    )
    found = understood(odd, ["a", "b"])
    assert found["kept"] == {"entries": 0, "bytes": 0}
    assert found["out"] == {"entries": 1, "bytes": 0}
    assert [one["entries"] for one in found["patterns"]] == [0, None]
    assert found["patterns"][0]["samples"] == ["/a", "/b", "/c"]
    assert [len(one["path"]) for one in found["folders"]] == [0, preview.NAME_AT_MOST]
    assert found["stopped"]
