"""What a run needs to know and nobody may see: handed over in a pipe, kept in no file."""

import hashlib
import os
import signal
from pathlib import Path
from uuid import uuid4

import pytest

from cloudpilot.engine import detached
from cloudpilot.engine.detached import Place
from cloudpilot.engine.ssh import Session
from cloudpilot.secrets import Secret
from tests.engine.conftest import Backups, script_of
from tests.support.canaries import Sightings, files, processes, watching
from tests.support.until import until

WAITS = "until [ -e go ]; do sleep 0.02; done"
MEMORY = 'memory; reveal password >"$memory_folder/password"; echo "$memory_folder" >where'
ODD = [
    "hunter2 hunter2",
    "it's $(id) `id`",
    "zwei\nZeilen\n",
    "пароль 漢字",
    "-n \\n %s",
    "x" * 200_000,
]


def run_file(place: Place, name: str) -> Path:
    return Path(place.run_directory, name)


def launch(session: Session, place: Place, body: str, password: str = "the password") -> None:
    detached.launch(session, place, script_of(body), {"password": Secret(password)})


def finish(session: Session, place: Place) -> None:
    """Let it go on, and see that it ends well."""
    run_file(place, "go").touch()
    report = until(lambda: detached.look(session, place), lambda report: report.over)
    assert report.error is None, report.error


def memory_of(place: Place) -> Path:
    return Path(until(lambda: _read(run_file(place, "where")), bool).strip())


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


@pytest.mark.parametrize("password", ODD)
def test_it_arrives_as_it_is(session: Session, place: Place, password: str) -> None:
    launch(session, place, f"reveal password | sha256sum >sum; {WAITS}", password)
    finish(session, place)
    digest = hashlib.sha256(password.encode()).hexdigest()
    assert run_file(place, "sum").read_text().split()[0] == digest


def test_it_is_in_no_file_no_command_line_and_no_environment(
    session: Session, place: Place
) -> None:
    sightings = Sightings()
    sightings.plant("password", "cAnArY-of-this-run")
    sightings.plant("encoded", "Y0FuQXJZLW9mLXRoaXMtcnVu")
    with watching(sightings, files(Path(place.root), Path("/dev/shm")), processes(set)):
        uses = 'reveal password | while read -r word; do [ "$word" ]; done'
        launch(session, place, f"{uses}; {WAITS}", "cAnArY-of-this-run")
        until(lambda: sightings.rounds, lambda rounds: rounds > 5)
        finish(session, place)
    assert sightings.seen == set()


def test_who_looks_for_it_would_find_it(session: Session, place: Place) -> None:
    """Each place that the test before looks through, with the secret really in it."""
    sightings = Sightings()
    sightings.plant("password", "cAnArY-of-the-careless")
    careless = (
        'word=$(reveal password); echo "$word" >careless; export word;'
        f' bash -c "{WAITS}" careless "$word"'
    )
    with watching(sightings, files(Path(place.root)), processes(set)):
        launch(session, place, careless, "cAnArY-of-the-careless")
        until(lambda: len(sightings.seen), lambda count: count >= 3)
        finish(session, place)
    places = {place.rpartition("/")[2] for _, place in sightings.seen}
    assert places >= {"careless", "cmdline of bash", "environ of bash"}


def test_a_file_that_has_to_be_is_in_memory_and_ours_alone(session: Session, place: Place) -> None:
    launch(session, place, f"{MEMORY}; {WAITS}")
    folder = memory_of(place)
    assert folder.parent == Path("/dev/shm")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "password").stat().st_mode & 0o777 == 0o600
    finish(session, place)
    assert not folder.exists()


@pytest.mark.parametrize("act", ["launch", "stop", "remove"])
def test_what_a_killed_run_leaves_in_memory_is_swept(plain_backups: Backups, act: str) -> None:
    """As a user of our own: root's is swept by whatever else is tested at the same time."""
    session = plain_backups.session
    place = Place(str(plain_backups.root), f"b-{uuid4().hex[:8]}", "r1")
    launch(session, place, f"{MEMORY}; {WAITS}")
    folder = memory_of(place)
    pid = int(run_file(place, "pid").read_text().split()[0])
    os.killpg(pid, signal.SIGKILL)
    until(lambda: Path(f"/proc/{pid}").exists(), lambda alive: not alive)
    assert folder.exists()
    if act == "launch":
        other = Place(place.root, f"{place.backup_id}-other", "r1")
        launch(session, other, WAITS)
        finish(session, other)
    elif act == "stop":
        detached.stop(session, place)
    else:
        detached.remove(session, place.root, place.backup_id)
    assert not folder.exists()


def test_the_memory_of_a_run_that_works_is_not_swept(session: Session, place: Place) -> None:
    launch(session, place, f"{MEMORY}; {WAITS}")
    folder = memory_of(place)
    other = Place(place.root, f"{place.backup_id}-other", "r1")
    launch(session, other, WAITS)
    finish(session, other)
    assert folder.exists()
    finish(session, place)
