"""A restore that is killed at any step is put back, and one that is stopped puts itself back."""

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from cloudpilot.engine import detached, restoring
from cloudpilot.engine.program import REMOTE
from cloudpilot.errors import ChecksumMismatch, RunKilled, RunLost, RunStopped
from tests.engine.conftest import Backups, mounted
from tests.engine.test_restore_files import (
    Restores,
    contents_of,
    copied,
    good,
    left_beside,
    restoration,
    restores,
    tree,
)
from tests.support.must_run import must_run
from tests.support.tree import assert_same, entries
from tests.support.until import until

__all__ = ["restores"]

# Ends perl, as KILL does, before or after the STEP-th call of the kernel that changes names.
DYING = """
package Dying;
my ($left, $after);
sub import { (undef, $left, $after) = @_ }
BEGIN {
    my %renames = (316 => 1, 276 => 1);
    my $count = sub { kill 9, $$ if --$left == 0 };
    *CORE::GLOBAL::syscall = sub {
        my $mine = $renames{$_[0]};
        $count->() if $mine && !$after;
        my $done = @_ == 6 ? CORE::syscall($_[0], $_[1], $_[2], $_[3], $_[4], $_[5])
            : @_ == 5 ? CORE::syscall($_[0], $_[1], $_[2], $_[3], $_[4])
            : CORE::syscall($_[0], $_[1], $_[2], $_[3], $_[4], $_[5]);
        $count->() if $mine && $after;
        return $done;
    };
    *CORE::GLOBAL::mkdir = sub {
        $count->() if !$after;
        my $done = CORE::mkdir($_[0], $_[1]);
        $count->() if $after;
        return $done;
    };
    *CORE::GLOBAL::rmdir = sub {
        $count->() if !$after;
        my $done = CORE::rmdir($_[0]);
        $count->() if $after;
        return $done;
    };
}
1;
"""
SWAP = REMOTE / "swap.pl"


def swapped(folder: Path, *words: str, die: tuple[int, int] | None = None) -> int:
    """Runs swap.pl, which dies as told; returns its status."""
    (folder / "Dying.pm").write_text(DYING)
    dying = [f"-MDying={die[0]},{die[1]}"] if die else []
    command = ["perl", f"-I{folder}", *dying, str(SWAP), *words]
    return subprocess.run(command, check=False, capture_output=True, text=True).returncode


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("is_mount", [False, True])
def test_killed_at_any_step_it_goes_back(tmp_path: Path, is_mount: bool, after: int) -> None:
    """Each step, before and after it; what was there before is the same to the nanosecond."""
    steps = 0
    while True:
        steps += 1
        case = tmp_path / f"{steps}"
        top = case / "home/www"
        top.mkdir(parents=True)
        journal, kept = str(case / "journal"), case / "kept"
        with mounted(top, "1m") if is_mount else nullcontext():
            tree(
                top,
                {
                    "a/file": "now",
                    "cache/x": "c",
                    "new/deep/cache/y": "c",
                    "new/b": "now",
                    "b": "now",
                },
            )
            new = (top if is_mount else top.parent) / ".cloudpilot-restore-x/www"
            tree(new, {"a/file": "then", "a/gone": "then", "b": "then"})
            kept.write_bytes(b"".join(os.fsencode(top / one) + b"\0" for one in STAYS))
            before = entries(top), top.parent.stat().st_mtime_ns
            words = ("forward", journal, "yes", str(top), str(new), str(kept))
            status = swapped(case, *words, die=(steps, after))
            if status == 0:
                break
            assert status == -signal.SIGKILL
            for _ in range(2):
                assert not Path(journal).exists() or swapped(case, "back", journal) == 0
                assert (entries(top), top.parent.stat().st_mtime_ns) == before
    assert steps > (5 if is_mount else 4)


STAYS = ("cache", "new/deep/cache")


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("word", ["tidy", "back"])
def test_killed_while_an_empty_folder_is_removed_or_made_anew_it_goes_back(
    tmp_path: Path, word: str, after: int
) -> None:
    """Of a restore to where nothing was; and the folder that it was beside has its time again."""
    steps = 0
    while True:
        steps += 1
        home = tmp_path / f"{steps}/home"
        home.mkdir(parents=True)
        above = home.stat().st_mtime_ns
        status = tidied_and_back(home, {word: (steps, after)})
        assert (list(home.iterdir()), home.stat().st_mtime_ns) == ([], above)
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert steps > 3


def tidied_and_back(home: Path, deaths: dict[str, tuple[int, int]]) -> int:
    """A restore to where nothing was, tidied and put back, with these deaths on the way; then put
    back again as often as it may be. Returns how the first that died has ended."""
    case, time = home.parent, home.stat().st_mtime_ns
    ours, journal = home / ".cloudpilot-restore-x", str(case / "journal")
    new = tree(ours / "files/srv/www", {"a/file": "then"})
    os.utime(home, ns=(time, time))
    (case / "kept").touch()
    words = (str(home / "srv/www"), str(new), str(case / "kept"))
    assert swapped(case, "forward", journal, "yes", *words) == 0

    status = swapped(case, "tidy", journal, str(ours), die=deaths.get("tidy"))
    if status == 0:
        assert (ours.exists(), home.stat().st_mtime_ns) == (False, time)
        status = swapped(case, "back", journal, die=deaths.get("back"))
    for _ in range(2):
        assert swapped(case, "back", journal) == 0
    assert swapped(case, "clear", str(ours), f"{time // 10**9}.{time % 10**9:09}") == 0
    assert swapped(case, "back", journal) == 0  # killed before the journal went
    return status


def test_a_journal_that_is_not_whole_was_not_acted_upon(tmp_path: Path) -> None:
    top, new = tree(tmp_path / "www", {"a": "now"}), tree(tmp_path / "new", {"a": "then"})
    journal = tmp_path / "journal"
    (tmp_path / "kept").touch()
    words = ("forward", str(journal), "yes", str(top), str(new), str(tmp_path / "kept"))
    assert swapped(tmp_path, *words) == 0
    assert contents_of(top) == {"a": "then"}
    journal.write_text(journal.read_text() + "B 2 exchange /srv/a")
    assert swapped(tmp_path, "back", str(journal)) == 0
    assert contents_of(top) == {"a": "now"}
    journal.write_text(journal.read_text()[:30])
    assert swapped(tmp_path, "back", str(journal)) == 0
    assert contents_of(top) == {"a": "now"}


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    """Whoever may write above the site puts a link where our folder was."""
    top = tree(tmp_path / "home/www", {"a": "now"})
    other = tree(tmp_path / "etc", {"passwd": "root", "www/a": "theirs"})
    (tmp_path / "kept").touch()
    (tmp_path / "home/.cloudpilot-restore-x").symlink_to(other)
    new = tmp_path / "home/.cloudpilot-restore-x/www"
    words = (str(top), str(new), str(tmp_path / "kept"))
    assert swapped(tmp_path, "forward", str(tmp_path / "journal"), "yes", *words) != 0
    assert swapped(tmp_path, "clear", str(new), "0.0") != 0
    assert contents_of(top) == {"a": "now"}
    assert contents_of(other) == {"passwd": "root", "www/a": "theirs"}


def test_what_a_container_was_given_keeps_its_folder(tmp_path: Path) -> None:
    """By its inode: it would go on with the former one, whatever that is called afterwards."""
    top, new = tree(tmp_path / "www", {"html/a": "now"}), tree(tmp_path / "new", {"html/a": "then"})
    given = tmp_path / "in the container"
    given.mkdir()
    (tmp_path / "kept").touch()
    script = 'mount --bind "$1" "$2" && echo mounted && exec cat'
    command = ["unshare", "--mount", "bash", "-c", script, "-", top / "html", given]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as container:
        assert container.stdout
        if container.stdout.readline() != b"mounted\n":
            must_run("mount", "only root may mount, and not everywhere")
        inode = (top / "html").stat().st_ino
        words = ("forward", str(tmp_path / "journal"), "yes", str(top), str(new))
        assert swapped(tmp_path, *words, str(tmp_path / "kept")) == 0
        seen = Path(f"/proc/{container.pid}/root{given}/a").read_text()
        container.communicate()
    assert (contents_of(top), seen) == ({"html/a": "then"}, "then")
    assert (top / "html").stat().st_ino == inode


@pytest.mark.parametrize("stage", ["prepare", "verify", "unpack", "swap"])
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_ended_in_any_stage_nothing_has_happened(
    restores: Restores, tmp_path: Path, stage: str, how: str
) -> None:
    """By a person, or by KILL to all its processes: afterwards all is as it was."""
    top = tree(tmp_path / "www", {f"folder-{n}/file": "then" * 50 for n in range(300)})
    made = restores.backups.make(top)
    tree(top, {"folder-1/file": "now", "since": "now"})
    before = copied(top, "before")
    what = restoration(made, top)
    place = restores.place(what, "restore")
    session = restores.backups.session

    detached.launch(session, place, waiting_at(stage, restoring.restore(what)))
    gate = Path(place.run_directory, "at")
    until(gate.exists, bool)
    if how == "stop":
        detached.stop(session, place)
        report = restores.backups.over(place)
        assert isinstance(report.error, RunStopped)
    else:
        killed(place.backup_id)
        report = restores.backups.over(place)
        assert isinstance(report.error, RunLost | RunKilled)
        good(restores.undo(what))
    assert_same(before, top)
    assert left_beside(top) == []


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_ended_when_nothing_is_kept_any_more_nothing_has_happened(
    restores: Restores, tmp_path: Path, how: str
) -> None:
    """Of a restore into a folder, whose own folder was removed a moment before."""
    top = tree(tmp_path / "www", {"folder/file": "then"})
    into = tmp_path / "into"
    what = restoration(restores.backups.make(top), top, into=str(into))
    above = tmp_path.stat().st_mtime_ns
    place, session = restores.place(what, "restore"), restores.backups.session
    detached.launch(session, place, waiting_at("tidy", restoring.restore(what)))
    until(Path(place.run_directory, "at").exists, bool)
    assert (left_beside(top), into.exists()) == ([], True)
    if how == "stop":
        detached.stop(session, place)
        assert isinstance(restores.backups.over(place).error, RunStopped)
    else:
        killed(place.backup_id)
        restores.backups.over(place)
        good(restores.undo(what))
    assert (left_beside(top), into.exists()) == ([], False)
    assert tmp_path.stat().st_mtime_ns == above


def waiting_at(stage: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """The same script; it says when it has come to the end of that stage, and waits there."""
    before = {
        "prepare": b"fetch_all\nverify_all",
        "verify": b"((${#paths[@]} == 0)) || unpack_files\n",
        "unpack": b"stage swap\n",
        "swap": b"for_databases swap\nfinish",
        "tidy": b"sync\n  printf 'seconds=",
    }[stage]
    wait = b"touch at; while :; do in_background sleep 0.1; done\n"
    assert files["script"].count(before) == 1
    return files | {"script": files["script"].replace(before, wait + before)}


def killed(restore_id: str) -> None:
    """All processes of the restore, none of which hears it."""
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"CLOUDPILOT_RUN={restore_id}/".encode() in environment.read_bytes():
                os.kill(int(environment.parent.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue


def test_no_damaged_archive_is_used(restores: Restores, tmp_path: Path) -> None:
    """Flipped, cut, longer, that of another backup: found before anything is touched."""
    top = tree(tmp_path / "www", {"a": "then" * 1000})
    made = restores.backups.make(top)
    other = restores.backups.make(tree(tmp_path / "other", {"a": "else"}))
    tree(top, {"a": "now"})
    before, whole = copied(top, "before"), made.archive.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    damages: list[Callable[[], bytes]] = [
        lambda: bytes(flipped), lambda: whole[:-1], lambda: whole + b"\0", other.archive.read_bytes,
    ]  # fmt: skip
    for damage in damages:
        made.archive.write_bytes(damage())
        report = restores.restore(restoration(made, top))
        assert isinstance(report.error, ChecksumMismatch)
        assert_same(before, top)
        assert left_beside(top) == []
    made.archive.write_bytes(whole)
    good(restores.restore(restoration(made, top)))


def test_a_thousand_mutations_and_none_is_taken(backups: Backups, tmp_path: Path) -> None:
    """The scripts' own judgement of an archive, again and again in one shell."""
    whole = backups.make(tree(tmp_path / "www", {"a": "b" * 3000})).archive
    text = whole.read_bytes()
    digest = subprocess.run(["sha256sum", whole], check=True, capture_output=True).stdout[:64]
    folder = tmp_path / "mutants"
    folder.mkdir()
    for number in range(1000):
        (folder / f"{number}").write_bytes(mutated(text, number))
    script = b"\n".join(
        (
            b'set -u\nin_background() { "$@"; }\nstage() { :; }\nprogress() { :; }\nsay() { :; }',
            b'shown() { printf %s "$1"; }\nhuman() { :; }\nfail() { exit "$1"; }',
            (REMOTE / "archives.sh").read_bytes(),
            b"hash_command=(openssl dgst -sha256 -r)\nmkdir work\naccepted=0",
            b"archives=(a.tar.gz) archive_hashes=(" + digest,
            f") archive_sizes=({len(text)})".encode(),
            b'for file in mutants/*; do files=("$file"); (verify_all) && ((accepted += 1)); done',
            b'files=(whole); (verify_all) && echo "accepted $accepted, and the whole one"',
        )
    )
    whole.rename(tmp_path / "whole")
    command = ["bash", "-c", script]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "accepted 0, and the whole one\n", done.stderr


def mutated(text: bytes, number: int) -> bytes:
    """A bit turned, a byte cut out, one put in, cut short, made longer, or parts exchanged."""
    at = number * 7919 % (len(text) - 2)
    kind = number % 6
    if kind == 0:
        return text[:at] + bytes([text[at] ^ 1 << number % 8]) + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at + 1 :]
    if kind == 2:
        return text[:at] + b"x" + text[at:]
    if kind == 3:
        return text[:at]
    if kind == 4:
        return text + text[: number + 1]
    return text[at + 1 :] + text[: at + 1]
