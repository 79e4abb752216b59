"""What the check finds: on the real sshd, and in recorded answers."""

import json
from pathlib import Path

import pytest

from cloudpilot.engine import facts, tmpfiles
from cloudpilot.engine.facts import Checkup
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import CommandFailed
from tests.engine.conftest import Backups, mounted
from tests.support.sshd import IS_ROOT

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))
NOW = 1795416863
DAY = 86400


def judged(answer: list[str], root: str = "/tmp/cloudpilot-backups", days: int = 30) -> Checkup:
    text = "\n".join(answer).encode()
    return facts.judge(facts.read(text, root, days, NOW))


def levels(checkup: Checkup) -> dict[str, str]:
    return {line.key: line.level for line in checkup.lines if line.level != "ok"}


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_recorded_answers_are_judged(file: Path) -> None:
    recorded = json.loads(file.read_text())
    checkup = judged(recorded["answer"], recorded["root"])
    assert levels(checkup) == recorded["levels"]
    for key, value in recorded["facts"].items():
        assert checkup.facts[key] == value, key
    for line in checkup.lines:
        assert line.detail
        assert bool(line.remedy) is (line.level != "ok"), line


def changed(**changes: str | None) -> Checkup:
    """The recorded Debian with some words changed; None takes a word away, `tool` a tool."""
    answer = json.loads((RECORDED[0].parent / "debian-12.json").read_text())["answer"]
    gone = f"tool {changes.pop('tool', None)}"
    kept = [line for line in answer if line.split(" ")[0] not in changes and line != gone]
    added = [f"{word} {text}" for word, text in changes.items() if text is not None]
    return judged([*kept[:-1], *added, "end"])


CASES: list[tuple[dict[str, str | None], str, str]] = [
    ({"now": str(NOW + 61)}, "clock", "warning"),
    ({"now": str(NOW - 3600)}, "clock", "warning"),
    ({"now": str(NOW + 60)}, "clock", "ok"),
    ({"uid": "1001", "user": "cloudpilot"}, "user", "ok"),
    ({"bash": "4.2.46(2)-release"}, "bash", "failed"),
    ({"bash": None}, "bash", "failed"),
    ({"tar": "bsdtar 3.6.2"}, "tar", "failed"),
    ({"tar": ""}, "tar", "failed"),
    ({"tar": "tar (GNU tar) 1.26"}, "tar", "failed"),
    ({"tar_knows": "acls"}, "tar", "warning"),
    ({"tool": "perl"}, "perl", "failed"),
    ({"tool": "igzip"}, "compressor", "warning"),
    ({"tool": "openssl"}, "hash", "warning"),
    ({"tool": "setsid"}, "setsid", "failed"),
    ({"tool": "curl"}, "curl", "warning"),
    ({"directory": "ours"}, "directory", "ok"),
    ({"directory": "link"}, "directory", "failed"),
    ({"directory": "foreign", "owner": "mallory"}, "directory", "failed"),
    ({"directory": "other"}, "directory", "failed"),
    ({"directory": "readonly"}, "directory", "failed"),
    ({"directory": "hidden"}, "directory", "failed"),
    ({"above_writable": None}, "directory", "failed"),
    ({"above_unsafe": "yes"}, "directory", "failed"),
    ({"blocks": "1000 5000000 4096"}, "space", "warning"),
    ({"blocks": "odd"}, "space", "warning"),
    ({"inodes": "5 100000"}, "space", "failed"),
    ({"inodes": "0 0"}, "space", "ok"),
    ({"file_system": "ramfs"}, "trap", "warning"),
    ({"os": None, "kernel": None}, "os", "ok"),
]


@pytest.mark.parametrize(("changes", "key", "level"), CASES)
def test_a_line_follows_from_what_was_found(
    changes: dict[str, str | None], key: str, level: str
) -> None:
    line = next(line for line in changed(**changes).lines if line.key == key)
    assert line.level == level, line
    assert bool(line.remedy) is (level != "ok")


def test_without_any_compressor_or_hash_it_says_what_to_install() -> None:
    answer = ["now 1", "tool dnf", "end"]
    found = {line.key: line for line in judged(answer).lines}
    assert (found["compressor"].level, found["hash"].level) == ("failed", "failed")
    assert found["perl"].remedy == "dnf install perl-interpreter"


@pytest.mark.parametrize("answer", [[], ["now 1"], ["end"], ["\x00\x1b"], ["rule D /tmp", "now 1"]])
def test_half_an_answer_is_none(answer: list[str]) -> None:
    with pytest.raises(CommandFailed):
        judged(answer)


def rules(*files: tuple[str, list[str]]) -> list[tmpfiles.Rule]:
    return tmpfiles.in_force(files)


LIB, ETC = "/usr/lib/tmpfiles.d/tmp.conf", "/etc/tmpfiles.d/tmp.conf"
FATES: list[tuple[list[tuple[str, list[str]]], tuple[bool, float | None]]] = [
    ([], (False, None)),
    ([(LIB, ["q /tmp 1777 root root 10d"])], (False, 10 * DAY)),
    ([(ETC, ["q /tmp - - - 60d"]), (LIB, ["q /tmp - - - 10d"])], (False, 60 * DAY)),
    ([(ETC, []), (LIB, ["D /tmp 1777 root root 10d"])], (False, None)),
    ([(LIB, ["D! /tmp 1777 root root -"])], (True, None)),
    ([(LIB, ["q /tmp - - - 10d", "x /tmp/cloudpilot-backups"])], (False, None)),
    ([(LIB, ["D /tmp - - - 10d", "x /tmp/cloudpilot*"])], (False, None)),
    ([(LIB, ["q /tmp - - - 10d", "d /tmp/cloudpilot-backups - - - -"])], (False, None)),
    ([(LIB, ["R! /tmp/cloudpilot*"])], (True, None)),
    ([(LIB, ["R! /tmp/systemd-private-*"])], (False, None)),
    ([(LIB, ["q /tmp - - - 9d"]), ("/run/a.conf", ["d /tmp - - - 5d"])], (False, 5 * DAY)),
    ([(LIB, ["odd", "q", "q relative - - - 1d", "e /var/tmp - - - 30d"])], (False, None)),
    ([(LIB, ["q / - - - 1w"])], (False, 7 * DAY)),
]  # fmt: skip


@pytest.mark.parametrize(("files", "fate"), FATES)
def test_tmpfiles_rules_hide_and_spare(
    files: list[tuple[str, list[str]]], fate: tuple[bool, float | None]
) -> None:
    assert tmpfiles.fate(rules(*files), "/tmp/cloudpilot-backups") == fate


@pytest.mark.parametrize("age", ["", "-", "odd", "10parsecs", "1..2d", "d"])
def test_an_odd_age_is_none(age: str) -> None:
    assert tmpfiles.seconds(age) is None


def test_ageing_slower_than_the_retention_is_no_trap() -> None:
    answer = ["now 1", f"rules {LIB}", "rule q /tmp 1777 root root 10d", "end"]
    assert judged(answer, days=10).facts["trap"] is None
    assert "after 10 days" in str(judged(answer, days=11).facts["trap"])


def test_the_real_server_can_make_backups(session: Session, tmp_path: Path) -> None:
    checkup = facts.check(session, str(tmp_path / "a b/it's"))
    assert "failed" not in levels(checkup).values()
    assert checkup.facts["free"]
    assert abs(int(checkup.facts["skew"] or 0)) <= 5
    assert not (tmp_path / "a b").exists()


def test_the_real_server_shows_what_is_wrong_with_a_directory(
    session: Session, plain_backups: Backups, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    root.symlink_to(tmp_path)
    assert levels(facts.check(session, str(root)))["directory"] == "failed"
    root.unlink()
    root.touch()
    assert levels(facts.check(session, str(root)))["directory"] == "failed"
    root.unlink()
    root.mkdir()
    assert "directory" not in levels(facts.check(session, str(root)))
    if IS_ROOT:
        tmp_path.chmod(0o755)
        foreign = facts.check(plain_backups.session, str(root))
        assert "belongs to root" in str(foreign.lines)
        with mounted(root, "2m"):
            found = facts.check(session, str(root))
            assert "in memory" in str(found.facts["trap"])
            assert found.facts["free"] == 2 * 1024 * 1024
