"""`make demo`, as README tells it: it starts, and Ctrl-C stops all of it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.must_run import must_run
from tests.support.ports import free_port
from tests.support.rclone import program
from tests.support.until import until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A demo that has just been started, and what it says."""
    if not program():
        must_run("rclone", "the demo's vault is one")
    said = tmp_path / "said"
    ours = {"CLOUDPILOT_HOME": str(tmp_path / "home"), "PORT": str(free_port())}
    with said.open("wb") as out:
        started = subprocess.Popen(
            [sys.executable, "-m", "bin.demo"],
            cwd=ROOT,
            env=os.environ | ours | {"PYTHONPATH": str(ROOT)},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    yield started, said
    if started.poll() is None:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def ours(home: Path) -> list[str]:
    """What is at work there: by its command, its folder or its environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            where = str((process / "cwd").readlink())
        except OSError:
            continue  # it has ended
        if str(home).encode() in words or where.startswith(str(home)):
            found.append(f"{process.name}: {words[:200]!r} in {where}")
    return found


def test_ended_in_the_middle_of_a_backup_it_leaves_nothing_at_work(
    demo: tuple[subprocess.Popen[bytes], Path],
) -> None:
    started, said = demo
    home = said.parent / "home"
    until(said.read_text, lambda text: "running (" in text, seconds=60)
    started.send_signal(signal.SIGINT)
    assert started.wait(30) == 0, said.read_text()
    assert "Traceback" not in said.read_text()
    until(lambda: ours(home), lambda found: not found, seconds=10)
