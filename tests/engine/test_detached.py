"""engine.detached against a real sshd: the work lives there, not here."""

import os
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from cloudpilot.engine import detached
from cloudpilot.engine.detached import Place
from cloudpilot.engine.ssh import Session
from cloudpilot.errors import (
    BackupDirUnsafe,
    CommandFailed,
    InvalidPath,
    PermissionDenied,
    RunKilled,
    RunLost,
    RunStopped,
    WriteDenied,
)
from cloudpilot.reports import Report
from tests.engine.conftest import Backups, script_of
from tests.support.must_run import must_run
from tests.support.sshd import IS_ROOT, Sshd
from tests.support.until import until

Launched = Callable[[str], Place]

ONCE = 'echo ran >>"$backup/ran"'
WAITS = "until [ -e go ]; do sleep 0.02; done"
WORKS = "stage archive; progress 5 10; in_background sleep 1000"


def over(session: Session, place: Place) -> Report:
    return until(lambda: detached.look(session, place), lambda report: report.over)


def running(place: Place) -> list[int]:
    """Every process of the run."""
    mark = f"CLOUDPILOT_RUN={place.backup_id}/{place.run_id}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def names_of(processes: list[int]) -> list[str]:
    found = []
    for number in processes:
        with suppress(FileNotFoundError, ProcessLookupError):
            found.append(Path(f"/proc/{number}/comm").read_text().strip())
    return found


def run_file(place: Place, name: str) -> Path:
    return Path(place.run_directory, name)


def script_process(place: Place) -> int:
    return int(run_file(place, "pid").read_text().split()[0])


def test_launched_twice_it_runs_once(session: Session, place: Place) -> None:
    for _ in range(2):
        detached.launch(session, place, script_of(ONCE))
    assert over(session, place).error is None
    detached.launch(session, place, script_of(ONCE))
    assert Path(place.backup_directory, "ran").read_text() == "ran\n"


def test_launched_ten_times_at_once_it_runs_once(server: Sshd, place: Place) -> None:
    def launch(_: int) -> None:
        with server.session() as session:
            detached.launch(session, place, script_of(ONCE))

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(launch, range(10)))
    with server.session() as session:
        assert over(session, place).error is None
    assert Path(place.backup_directory, "ran").read_text() == "ran\n"
    assert sorted(path.name for path in Path(place.backup_directory).iterdir()) == ["ran", "run-r1"]
    assert not list(Path(place.run_directory).glob(".new.*"))


def test_work_outlives_the_connection_that_started_it(server: Sshd, place: Place) -> None:
    with server.session() as session:
        detached.launch(
            session, place, script_of(f"stage archive; progress 5 10; {WAITS}; echo bye")
        )
    with server.session() as session:
        report = detached.look(session, place)
        assert (report.over, report.stage, report.done, report.total) == (False, "archive", 5, 10)
        run_file(place, "go").touch()
        report = over(session, place)
    assert (report.error, report.log, report.result) == (None, "bye", {"complete": "1"})


def test_a_look_that_comes_late_says_how_long_ago_it_ended(
    session: Session, launched: Launched
) -> None:
    place = launched(WAITS)
    assert detached.look(session, place).ended_ago == 0
    run_file(place, "go").touch()
    assert over(session, place).ended_ago <= 5
    said = run_file(place, "exit").stat().st_mtime
    os.utime(run_file(place, "exit"), (said, said - 107))
    assert 107 <= detached.look(session, place).ended_ago <= 115
    os.utime(run_file(place, "exit"), (said, said + 500))  # its clock was set back
    assert detached.look(session, place).ended_ago == 0


def test_a_claim_that_nobody_works_on_is_taken_up(session: Session, place: Place) -> None:
    run = Path(place.run_directory)
    run.mkdir(parents=True)
    Path(place.root).chmod(0o700)
    for name, content in script_of(ONCE).items():
        (run / name).write_bytes(content)
    assert detached.look(session, place).never_started

    detached.launch(session, place, script_of("echo another script"))
    assert over(session, place).error is None
    assert Path(place.backup_directory, "ran").read_text() == "ran\n"


def test_of_scripts_started_side_by_side_one_goes_on(session: Session, launched: Launched) -> None:
    place = launched(f"{ONCE}; {WAITS}")
    others = [
        subprocess.run(["bash", "./script"], check=False, timeout=20, cwd=place.run_directory)
        for _ in range(3)
    ]
    assert [other.returncode for other in others] == [0, 0, 0]
    assert not detached.look(session, place).over
    run_file(place, "go").touch()
    assert over(session, place).error is None
    assert Path(place.backup_directory, "ran").read_text() == "ran\n"


def test_no_process_of_it_holds_the_connection(session: Session, launched: Launched) -> None:
    place = launched(WAITS)
    held = [link.readlink() for link in Path(f"/proc/{script_process(place)}/fd").iterdir()]
    assert not [name for name in held if str(name).startswith(("socket:", "pipe:"))]
    run_file(place, "go").touch()
    over(session, place)


def test_a_killed_script_is_lost_and_never_completed(session: Session, launched: Launched) -> None:
    place = launched(WORKS)
    until(lambda: names_of(running(place)), lambda names: "sleep" in names)
    os.kill(script_process(place), signal.SIGKILL)
    report = over(session, place)
    assert isinstance(report.error, RunLost)
    assert running(place)  # what it had started is still there …
    detached.remove(session, place.root, place.backup_id)
    assert not running(place)  # … until it is removed
    assert detached.look(session, place).never_started


def test_a_script_that_something_ended_says_so(session: Session, launched: Launched) -> None:
    place = launched(WORKS)
    until(lambda: names_of(running(place)), lambda names: "sleep" in names)
    os.kill(script_process(place), signal.SIGTERM)
    assert isinstance(over(session, place).error, RunKilled)
    assert not running(place)


def test_a_script_that_ends_without_its_word_is_lost(session: Session, launched: Launched) -> None:
    report = over(session, launched("exit 0"))
    assert isinstance(report.error, RunLost)
    assert "complete" in str(report.error)


def test_an_exit_status_and_the_last_words_become_the_failure(
    session: Session, launched: Launched
) -> None:
    report = over(session, launched("fail 79 'It is a link.'"))
    assert (type(report.error), str(report.error)) == (BackupDirUnsafe, "It is a link.")


def test_stopping_ends_the_whole_group_and_cleans(session: Session, launched: Launched) -> None:
    place = launched(
        f"made=(half); echo half >made; touch work/x ../half; (sleep 1000 & sleep 1000 &); {WORKS}"
    )
    until(lambda: names_of(running(place)), lambda names: names.count("sleep") == 3)
    detached.stop(session, place)
    assert not running(place)
    report = detached.look(session, place)
    assert isinstance(report.error, RunStopped)
    assert [path.name for path in Path(place.backup_directory).iterdir()] == ["run-r1"]
    assert not run_file(place, "work").exists()
    detached.stop(session, place)
    assert isinstance(detached.look(session, place).error, RunStopped)


def test_what_does_not_listen_is_killed_and_cleaned_up_after(
    session: Session, launched: Launched
) -> None:
    deaf = "echo half >made; touch ../half; trap '' TERM; while :; do sleep 0.1; done"
    place = launched(f"bash -c {deaf!r} & {deaf}")
    until(lambda: Path(place.backup_directory, "half").exists(), bool)
    detached.stop(session, place)
    assert not running(place)
    assert isinstance(detached.look(session, place).error, RunStopped)
    assert [path.name for path in Path(place.backup_directory).iterdir()] == ["run-r1"]


def test_stopping_what_is_over_changes_nothing(session: Session, launched: Launched) -> None:
    place = launched("made=(whole); echo whole >made; touch ../whole")
    assert over(session, place).error is None
    detached.stop(session, place)
    assert detached.look(session, place).error is None
    assert Path(place.backup_directory, "whole").exists()


def test_a_stop_that_is_faster_than_the_launch_wins(session: Session, place: Place) -> None:
    detached.stop(session, place)  # there is not even a backup directory
    assert not Path(place.root).exists()
    Path(place.root).mkdir(mode=0o700)
    detached.stop(session, place)
    detached.launch(session, place, script_of(ONCE))
    assert isinstance(detached.look(session, place).error, RunStopped)
    assert not Path(place.backup_directory, "ran").exists()


def test_a_stop_that_comes_after_the_removal_leaves_nothing(
    session: Session, launched: Launched
) -> None:
    place = launched(WORKS)
    detached.stop(session, place)
    detached.remove(session, place.root, place.backup_id)
    detached.stop(session, place)
    assert not Path(place.root, place.backup_id).exists()


def test_a_script_begun_after_the_stop_ends_itself(session: Session, launched: Launched) -> None:
    place = launched(WAITS)
    detached.stop(session, place)
    for name in ("pid", "exit", "error"):
        run_file(place, name).unlink(missing_ok=True)
    subprocess.run(["setsid", "bash", "./script"], check=False, timeout=20, cwd=place.run_directory)
    assert isinstance(detached.look(session, place).error, RunStopped)


def test_after_a_reboot_it_is_lost(session: Session, launched: Launched) -> None:
    place = launched(WAITS)
    pid, start, _ = run_file(place, "pid").read_text().split()
    run_file(place, "pid").write_text(f"{pid} {start} another-boot\n")
    report = detached.look(session, place)
    assert isinstance(report.error, RunLost)
    assert "restarted" in str(report.error)
    detached.stop(session, place)


def test_a_number_that_another_process_has_now_is_not_alive(
    session: Session, launched: Launched
) -> None:
    place = launched(WAITS)
    pid, _, boot = run_file(place, "pid").read_text().split()
    run_file(place, "pid").write_text(f"{pid} 1 {boot}\n")
    assert isinstance(detached.look(session, place).error, RunLost)
    detached.stop(session, place)


def test_a_zombie_is_not_alive(session: Session, launched: Launched) -> None:
    place = launched(WAITS)
    boot = run_file(place, "pid").read_text().split()[2]
    zombie = subprocess.Popen(["true"])
    stat = Path(f"/proc/{zombie.pid}/stat")
    until(lambda: stat.read_text().split()[2], lambda state: state == "Z")
    run_file(place, "pid").write_text(f"{zombie.pid} {stat.read_text().split()[21]} {boot}\n")
    report = detached.look(session, place)
    zombie.wait()
    assert isinstance(report.error, RunLost)
    detached.stop(session, place)


def test_nothing_there_is_said_as_such(session: Session, place: Place) -> None:
    report = detached.look(session, place)
    assert (report.never_started, report.over) == (True, False)
    detached.remove(session, place.root, place.backup_id)


def test_odd_bytes_in_a_log_break_nothing(session: Session, launched: Launched) -> None:
    place = launched(
        r"printf 'a\0b\033[31m\xe2\x80\xa8c\xff\nexit 0\nR complete=1\nend\n';"
        r"warn $'odd \xff\x1b'; exit 70"
    )
    report = over(session, place)
    assert isinstance(report.error, CommandFailed)
    assert report.log == "a\\x00b\\x1b[31m\\u2028c\\xff\nexit 0\nR complete=1\nend"
    assert report.warnings == ("odd \\xff\\x1b",)
    assert report.result == {}


def test_a_long_log_and_many_warnings_are_cut(session: Session, launched: Launched) -> None:
    place = launched("seq 100000; for i in {1..300}; do warn \"$i$(printf '%600s' x)\"; done")
    report = over(session, place)
    assert len(report.log) <= 4000
    assert report.log.endswith("\n100000")
    assert len(report.warnings) == 200
    assert max(map(len, report.warnings)) == 500


def test_a_look_changes_nothing(session: Session, launched: Launched) -> None:
    place = launched("exit 70")
    over(session, place)
    run = Path(place.run_directory)
    before = {path.name: path.stat().st_mtime_ns for path in (run, *run.iterdir())}
    detached.look(session, place)
    assert {path.name: path.stat().st_mtime_ns for path in (run, *run.iterdir())} == before


def test_all_is_private(session: Session, launched: Launched) -> None:
    place = launched("exit 70")
    over(session, place)
    for path in (Path(place.root), *Path(place.root).rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_removing_ends_what_runs_and_proves_it_gone(session: Session, launched: Launched) -> None:
    place = launched(WORKS)
    Path(place.backup_directory, ".new.left").mkdir()
    detached.remove(session, place.root, place.backup_id)
    assert not running(place)
    assert not Path(place.backup_directory).exists()


def test_a_launch_that_comes_after_the_deletion_does_not_bring_it_back(
    session: Session, launched: Launched
) -> None:
    place = launched(WORKS)
    detached.remove(session, place.root, place.backup_id)
    with pytest.raises(RunStopped, match="has been deleted"):
        launched(WORKS)
    assert not running(place)
    assert sorted(path.name for path in Path(place.root).iterdir()) == [".removed"]


def test_what_was_deleted_is_remembered_for_a_week(session: Session, launched: Launched) -> None:
    place = launched("true")
    detached.remove(session, place.root, place.backup_id)
    remembered = Path(place.root, ".removed")
    old = remembered / "old"
    old.touch()
    os.utime(old, (0, 0))
    detached.remove(session, place.root, "another")
    assert sorted(path.name for path in remembered.iterdir()) == sorted(
        ["another", place.backup_id]
    )


def test_what_may_not_be_removed_is_reported(plain_backups: Backups) -> None:
    if not IS_ROOT:
        must_run("root", "only root can put something into another one's folder")
    place = Place(str(plain_backups.root), f"b-{uuid4().hex[:8]}", "r1")
    detached.launch(plain_backups.session, place, script_of("true"))
    over(plain_backups.session, place)
    foreign = Path(place.backup_directory, "foreign")
    foreign.mkdir()
    (foreign / "file").touch()
    with pytest.raises(WriteDenied, match="foreign"):
        detached.remove(plain_backups.session, place.root, place.backup_id)
    assert foreign.exists()
    (foreign / "file").unlink()
    detached.remove(plain_backups.session, place.root, place.backup_id)
    assert not Path(place.backup_directory).exists()


def test_a_folder_that_its_owner_closed_is_removed_all_the_same(plain_backups: Backups) -> None:
    place = Place(str(plain_backups.root), f"b-{uuid4().hex[:8]}", "r1")
    detached.launch(
        plain_backups.session, place, script_of("mkdir -p ../closed/x; chmod 0 ../closed")
    )
    over(plain_backups.session, place)
    detached.remove(plain_backups.session, place.root, place.backup_id)
    assert not Path(place.backup_directory).exists()


def test_what_we_may_not_see_is_not_proven_gone(plain_backups: Backups, tmp_path: Path) -> None:
    if not IS_ROOT:
        must_run("root", "there is no other account")
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    with pytest.raises(PermissionDenied, match="Cannot look for"):
        detached.remove(plain_backups.session, str(hidden / "root"), "b1")


def unsafe_root(kind: str, root: Path) -> None:
    if kind == "link":
        (root.parent / "elsewhere").mkdir()
        root.symlink_to(root.parent / "elsewhere")
    elif kind == "file":
        root.touch()
    elif kind == "no sticky bit":
        root.parent.chmod(0o777)
    elif kind == "shared":
        root.mkdir()
        root.chmod(0o1777)
    else:
        root.mkdir()
        os.chown(root, 12345, 12345)


@pytest.mark.parametrize("kind", ["link", "file", "no sticky bit", "shared", "foreign"])
def test_a_backup_directory_that_others_control_is_refused(
    session: Session, place: Place, kind: str
) -> None:
    if kind == "foreign" and not IS_ROOT:
        must_run("root", "only root can give a folder away")
    unsafe_root(kind, Path(place.root))
    with pytest.raises(BackupDirUnsafe):
        detached.launch(session, place, script_of(ONCE))
    assert not Path(place.backup_directory).exists()


def test_a_backup_directory_is_made_with_all_above_it(
    session: Session, place: Place, tmp_path: Path
) -> None:
    place = Place(str(tmp_path / "a/b -c/it's \n d"), place.backup_id, "r1")
    detached.launch(session, place, script_of(ONCE))
    assert over(session, place).error is None
    assert Path(place.root).stat().st_mode & 0o777 == 0o700
    detached.remove(session, place.root, place.backup_id)


def test_a_folder_that_we_may_not_make_is_said(plain_backups: Backups) -> None:
    if not IS_ROOT:
        must_run("root", "the account may be allowed anything")
    with pytest.raises(WriteDenied, match="cannot be created"):
        detached.launch(
            plain_backups.session, Place("/root-of-nobody/x", "b", "r"), script_of(ONCE)
        )


@pytest.mark.parametrize(
    "parts", [("rel", "b", "r"), ("/a/", "b", "r"), ("/a", "..", "r"), ("/a", "b", "")]
)
def test_a_place_is_named_safely(parts: tuple[str, str, str]) -> None:
    with pytest.raises(InvalidPath):
        Place(*parts)


def test_programs_do_not_depend_on_the_login_environment(session: Session) -> None:
    assert session.ask(detached.LOOK, ("/nope", "b", "r")).endswith(b"end\n")


def test_what_does_not_hear_that_it_shall_end_is_killed(
    session: Session, launched: Launched
) -> None:
    place = launched("(trap '' TERM; exec sleep 300) & touch begun; fail 70 no")
    report = over(session, place)
    assert isinstance(report.error, CommandFailed)
    assert running(place) == []
