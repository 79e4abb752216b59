"""A backup of files that meets trouble: killed, stopped, a full disk, files that change meanwhile.

Its tools are stubs in front of the real ones: they fail, or hold the pipeline at some point.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cloudpilot.engine import detached, script
from cloudpilot.engine.detached import Place
from cloudpilot.engine.program import REMOTE
from cloudpilot.errors import (
    CommandFailed,
    DiskFull,
    InvalidConfig,
    InvalidPath,
    PathMissing,
    RunKilled,
    RunLost,
    RunStopped,
    ToolMissing,
)
from cloudpilot.kinds import Compression
from tests.engine.conftest import Backups, left_of, mounted
from tests.engine.test_detached import running, script_process
from tests.support.sshd import Sshd, private_sshd
from tests.support.tools import Tools
from tests.support.until import until

MIB = 1024 * 1024
FAILS = "exit 1"


@pytest.fixture
def backups(stubbed: tuple[Sshd, Path], tmp_path: Path) -> Iterator[Backups]:
    with stubbed[0].session() as session:
        yield Backups(session, tmp_path / "root")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Large enough that a held pipeline fills up and holds tar, too."""
    top = tmp_path / "site"
    top.mkdir()
    (top / "big").write_bytes(os.urandom(MIB) * 112)
    return top


def held(backups: Backups, place: Place, tool: str) -> None:
    """Waits until the held tool is reached and all before it is full, tar at last."""
    blocked = 0

    def full() -> bool:
        nonlocal blocked
        blocked = blocked + 1 if stubs(place, tool) and tar_waits(place) else 0
        return blocked > 2  # a pipe that works is full at times as well

    until(full, bool)
    assert backups.look(place).stage == "archive"


def tar_waits(place: Place) -> bool:
    for number in running(place):
        with suppress(FileNotFoundError, ProcessLookupError):
            name = Path(f"/proc/{number}/comm").read_text().strip()
            if name == "tar" and "pipe" in Path(f"/proc/{number}/wchan").read_text():
                return True
    return False


def stubs(place: Place, tool: str) -> list[int]:
    """The processes of a held tool."""
    found = []
    for number in running(place):
        with suppress(FileNotFoundError, ProcessLookupError):
            if f"/{tool}\0" in Path(f"/proc/{number}/cmdline").read_text():
                found.append(number)
    return found


def process(place: Place, name: str) -> int:
    """The first process of that name."""
    return next(
        number
        for number in sorted(running(place))
        if Path(f"/proc/{number}/comm").read_text().strip() == name
    )


@pytest.mark.parametrize(
    ("held_tool", "victim"),
    [("igzip", "tar"), ("igzip", "perl"), ("igzip", "igzip"), ("openssl", "openssl")],
)
def test_a_killed_member_of_the_pipeline_fails_the_run(
    backups: Backups, tools: Tools, site: Path, held_tool: str, victim: str
) -> None:
    tools.hold(held_tool)
    place = backups.start(site)
    held(backups, place, held_tool)
    is_stub = held_tool == victim
    os.kill(stubs(place, victim)[0] if is_stub else process(place, victim), signal.SIGKILL)
    tools.let_go()
    assert isinstance(backups.over(place).error, RunKilled)
    assert left_of(place) == []
    assert not running(place)


def test_a_killed_script_leaves_nothing_once_it_is_removed(
    backups: Backups, tools: Tools, site: Path
) -> None:
    tools.hold("igzip")
    place = backups.start(site)
    held(backups, place, "igzip")
    os.kill(script_process(place), signal.SIGKILL)
    assert isinstance(backups.over(place).error, RunLost)
    detached.remove(backups.session, place.root, place.backup_id)
    assert not running(place)
    assert not Path(place.backup_directory).exists()


def test_stopping_in_the_middle_leaves_nothing(backups: Backups, tools: Tools, site: Path) -> None:
    tools.hold("igzip")
    place = backups.start(site)
    held(backups, place, "igzip")
    detached.stop(backups.session, place)
    assert not running(place)
    report = backups.look(place)
    assert isinstance(report.error, RunStopped)
    assert left_of(place) == []


def test_progress_grows_towards_the_measure(backups: Backups, tools: Tools, site: Path) -> None:
    tools.hold("igzip")
    place = backups.start(site)
    held(backups, place, "igzip")
    report = until(lambda: backups.look(place), lambda report: report.done)
    assert report.total
    assert 0 < report.done < report.total
    assert 112 * MIB < report.total < 113 * MIB
    tools.let_go()
    seen = [report.done]
    while not (report := backups.look(place)).over:
        if report.stage == "archive":
            seen.append(report.done)
    assert seen == sorted(seen)
    assert report.error is None


def test_what_changes_meanwhile_is_a_warning(backups: Backups, tools: Tools, site: Path) -> None:
    tools.hold("igzip")
    late = names_after_big(site)
    place = backups.start(site)
    held(backups, place, "igzip")
    with (site / "big").open("ab") as file:
        file.write(b"more")
    for name in late:
        (site / name).unlink()
    tools.let_go()
    report = backups.over(place)
    assert report.error is None
    assert {
        f"{site}/big changed while it was read.",
        *(f"{site}/{name} was removed before it was read." for name in late),
    } <= set(report.warnings)
    assert int(report.result["warnings"]) == len(report.warnings)


def names_after_big(site: Path) -> list[str]:
    """Files that tar comes to after the big one: it takes a folder in the order of the disk."""
    for number in range(100):
        (site / f"small-{number}").touch()
        order = [entry.name for entry in os.scandir(site)]
        if late := order[order.index("big") + 1 :]:
            return late
    raise AssertionError("the big file is always last")


def test_a_path_that_disappears_meanwhile_is_a_failure(
    backups: Backups, tools: Tools, site: Path
) -> None:
    tools.hold("igzip")
    gone = site.with_name("z-site")
    gone.mkdir()
    place = backups.start(site, gone)
    held(backups, place, "igzip")
    gone.rmdir()
    tools.let_go()
    report = backups.over(place)
    assert isinstance(report.error, PathMissing)
    assert str(report.error) == f"{gone} disappeared before it was packed."
    assert left_of(place) == []


def test_a_file_that_became_shorter_is_a_warning(
    backups: Backups, tools: Tools, site: Path
) -> None:
    tools.hold("igzip")
    place = backups.start(site)
    held(backups, place, "igzip")
    os.truncate(site / "big", 104 * MIB)
    tools.let_go()
    report = backups.over(place)
    assert report.error is None
    assert f"{site}/big became shorter while it was read." in report.warnings


def test_a_disk_that_is_too_small_is_refused_before_a_byte_is_written(
    backups: Backups, tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/big").write_bytes(os.urandom(60 * MIB))
    backups.root.mkdir()
    with mounted(backups.root, "100m"):
        report = backups.fails(tmp_path / "site")
        assert isinstance(report.error, DiskFull)
        assert str(report.error) == (
            f"It needs about 130 MB in {backups.root} (62.9 MB to pack, and nothing tells yet how"
            " small that becomes; 67.1 MB stay free); 104.7 MB is free."
        )
        assert report.stage == "measure"


@pytest.mark.parametrize("compression", Compression)
def test_a_disk_that_fills_up_in_the_middle(
    backups: Backups, tmp_path: Path, compression: Compression
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/big").write_bytes(os.urandom(100 * MIB))
    backups.root.mkdir()
    with mounted(backups.root, "80m"):
        report = backups.fails(tmp_path / "site", expected_ratio=1, compression=compression)
        assert isinstance(report.error, DiskFull)
        assert "became full while the archive was written" in str(report.error)
        assert report.stage == "archive"


def test_a_disk_that_is_nearly_full_is_said_to_be_full(backups: Backups, tmp_path: Path) -> None:
    """Whatever fits no more, from the claim to the last word: never a run that is lost."""
    (tmp_path / "site").mkdir()
    backups.root.mkdir()
    page = 4096
    sent = sum(
        -(-len(content) // page)
        for content in script.backup(backups.contents(tmp_path / "site")).values()
    )
    for left in (sent - 1, *range(sent, sent + 5), sent + 16, sent + 20):
        with mounted(backups.root, "1m"):
            (backups.root / "other").write_bytes(b"\0" * (MIB - left * page))
            with suppress(DiskFull):
                report = backups.over(backups.start(tmp_path / "site"))
                assert isinstance(report.error, DiskFull), left


def test_a_disk_that_others_fill_up_still_hears_our_last_words(
    backups: Backups, tools: Tools, tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/big").write_bytes(os.urandom(70 * MIB))
    backups.root.mkdir()
    with mounted(backups.root, "100m"):
        tools.hold("igzip")
        place = backups.start(tmp_path / "site", expected_ratio=1)
        until(lambda: backups.look(place).stage, lambda stage: stage == "archive")
        fill = ["dd", "if=/dev/zero", f"of={backups.root}/other", "bs=64k"]
        subprocess.run(fill, check=False, capture_output=True)
        tools.let_go()
        report = backups.over(place)
        assert isinstance(report.error, DiskFull)
        assert left_of(place) == []


@pytest.mark.parametrize(
    ("missing", "used"),
    [
        ((), "igzip -2 -n -c"),
        (("igzip",), "pigz -p 1 -6 -n -c"),
        (("igzip", "pigz"), "gzip -6 -n -c"),
    ],
)
def test_the_fastest_compressor_that_works_is_used(
    backups: Backups, tools: Tools, tmp_path: Path, missing: tuple[str, ...], used: str
) -> None:
    for name in missing:
        tools.put(name, FAILS)
    (tmp_path / "file").write_text("x" * 10000)
    made = backups.make(tmp_path / "file")
    assert made.report.result["compressor"] == used
    assert subprocess.check_output(["gzip", "-dc", made.archive]).count(b"x" * 10000) == 1


def test_a_compressor_that_writes_nonsense_is_not_used(
    backups: Backups, tools: Tools, tmp_path: Path
) -> None:
    tools.put("igzip", "cat >/dev/null; echo nonsense")
    (tmp_path / "file").touch()
    assert backups.make(tmp_path / "file").report.result["compressor"].startswith("pigz")


def test_sha256sum_takes_over_from_openssl(backups: Backups, tools: Tools, tmp_path: Path) -> None:
    tools.put("openssl", FAILS)
    (tmp_path / "file").touch()
    made = backups.make(tmp_path / "file")
    assert made.report.result["hash_tool"] == "sha256sum"
    digest = subprocess.check_output(["sha256sum", made.archive], text=True).split()[0]
    assert made.report.result["sha256"] == digest


def test_without_zstd_there_is_no_zst(backups: Backups, tools: Tools, tmp_path: Path) -> None:
    tools.put("zstd", FAILS)
    (tmp_path / "file").touch()
    report = backups.fails(tmp_path / "file", compression=Compression.ZSTD)
    assert isinstance(report.error, ToolMissing)


def test_another_tar_is_refused(backups: Backups, tools: Tools, tmp_path: Path) -> None:
    tools.put("tar", "echo bsdtar 3.6.2")
    (tmp_path / "file").touch()
    assert isinstance(backups.fails(tmp_path / "file").error, ToolMissing)


def test_a_tar_without_acls_says_so(backups: Backups, tools: Tools, tmp_path: Path) -> None:
    real = shutil.which("tar")
    lacks = "echo 'tar: POSIX ACL support is not available' >&2"
    tools.put("tar", f'[[ " $* " != *" --acls "* ]] || {lacks}\nexec {real} "$@"')
    (tmp_path / "file").touch()
    warnings = backups.make(tmp_path / "file").report.warnings
    assert warnings == (
        "This server's tar cannot keep access control lists: they are not in the archive.",
    )


@pytest.mark.parametrize("size", [0, 600, 512 * 13])  # the last: a whole file, without an end
@pytest.mark.parametrize("status", [0, 2, 3])
def test_a_tar_that_gives_up_without_a_word_is_a_failure(
    backups: Backups, tools: Tools, tmp_path: Path, status: int, size: int
) -> None:
    real = shutil.which("tar")
    ends = f'[[ " $* " == *" --file=- "* ]] && {{ {real} "$@" | head -c {size}; exit {status}; }}'
    tools.put("tar", f'{ends}\nexec {real} "$@"')
    (tmp_path / "file").write_bytes(bytes(5000))
    report = backups.fails(tmp_path / "file")
    assert isinstance(report.error, CommandFailed)


def test_a_hash_that_fails_is_a_failure(backups: Backups, tools: Tools, tmp_path: Path) -> None:
    real = shutil.which("openssl")
    tools.put(
        "openssl",
        f'mkdir {tools.folder}/tried 2>/dev/null && exec {real} "$@"; cat >/dev/null; exit 1',
    )
    (tmp_path / "file").touch()
    assert isinstance(backups.fails(tmp_path / "file").error, CommandFailed)


def test_the_login_environment_changes_nothing(tmp_path: Path) -> None:
    hostile = "TAR_OPTIONS=--exclude=* GZIP=-1 PERL5OPT=-Mnothing POSIXLY_CORRECT=1"
    (tmp_path / "sshd").mkdir()
    (tmp_path / "file").touch()
    with private_sshd(tmp_path / "sshd", environment=hostile) as sshd, sshd.session() as session:
        made = Backups(session, tmp_path / "root").make(tmp_path / "file")
        assert made.names() == [f"files{tmp_path}/file"]


def test_the_backup_directory_itself_cannot_be_backed_up(backups: Backups) -> None:
    with pytest.raises(InvalidPath, match="where backups are kept"):
        backups.start(backups.root / "b1")
    with pytest.raises(InvalidConfig):
        backups.start("/srv/www", excludes=("www",))


JUDGED = {
    "tar: /a\\nb: File removed before we read it": "/a\\nb was removed before it was read.",
    "tar: /a: Cannot stat: No such file or directory": "/a was removed before it was read.",
    "tar: /a: b: Cannot open: Permission denied": "/a: b could not be read: permission denied.",
    "tar: /a: File shrank by 5 bytes; padding with zeros": "/a became shorter while it was read.",
    "tar: /a: file changed as we read it": "/a changed while it was read.",
    "tar: /a: Warning: Cannot flistxattr: Operation not supported": (
        "/a: Warning: Cannot flistxattr: Operation not supported."
    ),
    "tar: /a: Read error at byte 0, while reading 512 bytes: Input/output error": 74,
    "tar: /a: Cannot open: Input/output error": 74,
    "tar: -: Wrote only 4096 of 10240 bytes: No space left on device": 71,
    "tar: /a: Cannot open: Too many open files": 70,
}


@pytest.mark.parametrize("line", JUDGED)
def test_what_tar_says_is_a_warning_or_a_failure(tmp_path: Path, line: str) -> None:
    (tmp_path / "work").mkdir()
    end = "tar: Exiting with failure status due to previous errors"
    (tmp_path / "work/tar.errors").write_text(f"{line}\n{end}\n")
    for name in ("left_out", "unpacked"):
        (tmp_path / "work" / name).touch()
    (tmp_path / "work/counts").write_text("entries=2\ndirectories=1\n")
    status = 2 if ": Cannot" in line and "Warning" not in line else 1
    judge = (
        f'set -u; paths=(/a); warn() {{ echo "$1"; }}; fail() {{ exit $1; }};'
        f" . {REMOTE}/rights.sh; . {REMOTE}/archive.sh; . {REMOTE}/judge.sh; judge_tar {status}"
    ).replace(f". {REMOTE}/archive.sh", f"eval \"$(sed '/^begin$/,$d' {REMOTE}/archive.sh)\"")
    done = subprocess.run(
        ["bash", "-c", judge], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    expected = JUDGED[line]
    if isinstance(expected, int):
        assert (done.returncode, done.stderr) == (expected, "")
    else:
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{expected}\n", "")
