"""Looking for archives on the real sshd: what is there, what is not, and what nobody may see."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from cloudpilot.engine.presence import Archive, Seen, line, look
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed
from tests.support.sshd import Sshd

ODD = "it's $(odd) 'root' ü"


def stored(root: Path, number: int, content: str = "archive") -> Archive:
    """An archive that was put there."""
    place = root / f"backup-{number}"
    place.mkdir(parents=True)
    (place / "a.tar.gz").write_text(content)
    return Archive(str(root), place.name, "a.tar.gz", len(content))


def file(archive: Archive) -> Path:
    return Path(archive.root, archive.backup_id, archive.name)


def hows(seen: Sequence[Seen]) -> list[str]:
    return [one.how for one in seen]


def test_each_archive_is_told_apart(session: Session, tmp_path: Path) -> None:
    kept, cut, removed, emptied, linked = (stored(tmp_path / ODD, n) for n in range(5))
    file(cut).write_text("arch")
    file(removed).unlink()
    file(emptied).unlink()
    file(emptied).parent.rmdir()
    file(linked).unlink()
    file(linked).symlink_to(file(kept))
    unmounted = Archive(str(tmp_path / "disk"), "b", "a.tar.gz", 7)
    bare = Archive(str(tmp_path), "b", "a.tar.gz", 7)
    seen = look(session, [kept, cut, removed, emptied, linked, unmounted, bare])
    assert hows(seen) == ["there", "size", "absent", "absent", "absent", "root", "root"]
    assert seen[0].why is None
    assert seen[1].why == "It has 4 bytes; 7 were written."
    assert seen[5].why == f"Nothing is left in {tmp_path / 'disk'}: is its disk mounted?"
    said = line(seen)
    assert said
    assert said.level == "failed"
    assert "6 of 7" in said.detail
    assert f"nothing is left in {tmp_path / 'disk'}" in said.detail
    assert "1 is of another size" in said.detail
    assert "Mount the disk" in said.remedy


def test_what_nobody_lets_us_look_at_is_not_missing(
    plain_server: Sshd, session: Session, tmp_path: Path
) -> None:
    archive = stored(tmp_path / "root", 1)
    assert hows(look(session, [archive])) == ["there"]
    (tmp_path / "root").chmod(0o700)
    for above in tmp_path.parents:
        if above.stat().st_uid == tmp_path.stat().st_uid:
            above.chmod(above.stat().st_mode | 0o055)
    with plain_server.session() as plain:
        seen = look(plain, [archive])
    assert hows(seen) == ["unknown"]
    assert seen[0].why is None
    said = line(seen)
    assert said
    assert said.level == "warning"


def test_five_hundred_are_looked_for_in_one_go(session: Session, tmp_path: Path) -> None:
    archives = [stored(tmp_path / "root", number) for number in range(500)]
    seen = look(session, archives)
    assert hows(seen) == ["there"] * 500
    said = line(seen)
    assert said
    assert (said.level, said.detail) == ("ok", "All 500 are there, of the size that they had.")
    assert line([]) is None


class Answering:
    """A server that answers anything."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def run(self, *_words: object, **_options: object) -> bytes:
        return self.answer


@pytest.mark.parametrize("answer", [b"", b"there 0\n", b"\xff end", b"there 0 end\n"])
def test_an_answer_that_is_not_whole_says_nothing(answer: bytes) -> None:
    with pytest.raises(CommandFailed):
        look(Answering(answer), [Archive("/r", "b", "a", 1)])  # type: ignore[arg-type]


@pytest.mark.parametrize("lie", [b"there 99", b"size x y", b"gone 0", b"root -1", b"absent"])
def test_a_server_that_lies_is_not_followed(lie: bytes) -> None:
    answering = Answering(lie + b"\nend\n")
    seen = look(answering, [Archive("/r", "b", "a", 1)])  # type: ignore[arg-type]
    assert hows(seen) == ["unknown"]
