"""The files that run on servers, as their linters see them."""

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from cloudpilot.engine import restored_databases, uploading
from cloudpilot.engine import script as script_of_a_backup
from cloudpilot.engine.program import REMOTE
from tests.support.must_run import must_run

LINES_OF_A_FUNCTION = 40


@pytest.mark.parametrize("script", sorted(REMOTE.glob("*.sh")), ids=lambda path: path.name)
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    if not shutil.which("shellcheck"):
        must_run("shellcheck", "it is not installed")
    done = subprocess.run(["shellcheck", script], check=False, capture_output=True, text=True)
    assert done.stdout == ""


@pytest.mark.parametrize("script", sorted(REMOTE.glob("*.sh")), ids=lambda path: path.name)
def test_nothing_is_written_to_tmp_on_its_way(script: Path) -> None:
    """Before 5.1 bash writes a here-document or here-string into a file there: a secret could be in
    it, and where /tmp is full the command is left out."""
    lines = script.read_text().splitlines()
    assert [line for line in lines if "<<" in line and not line.startswith("#")] == []


def test_perl_has_nothing_to_say() -> None:
    command = ["perl", "-wc", REMOTE / "pack.pl"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr.strip().endswith("syntax OK")
    assert len(done.stderr.strip().split("\n")) == 1


def test_perl_needs_no_module() -> None:
    text = (REMOTE / "pack.pl").read_text()
    used = {line.split()[1].rstrip(";") for line in text.splitlines() if line.startswith("use ")}
    assert used == {"strict", "warnings"}


def test_scripts_that_go_together_have_no_function_twice() -> None:
    """The later one would take the place of the other, without a word."""
    together = (
        *script_of_a_backup.SCRIPTS,
        *script_of_a_backup.DUMP_SCRIPTS,
        *script_of_a_backup.CHAIN_SCRIPTS,
        *script_of_a_backup.STREAM_SCRIPTS,
        *script_of_a_backup.LAST,
    )
    restoring = ("words", "ending", "prelude", "clients", *restored_databases.SCRIPTS)
    trees = (*script_of_a_backup.SCRIPTS, *script_of_a_backup.TREE_SCRIPTS)
    for names in (together, trees, uploading.SCRIPTS, uploading.TREE_SCRIPTS, restoring):
        found = [
            line.removesuffix("() {")
            for name in names
            for line in (REMOTE / f"{name}.sh").read_text().splitlines()
            if line.endswith("() {") and not line.startswith(" ")
        ]
        assert [name for name, count in Counter(found).items() if count > 1] == []


@pytest.mark.parametrize("script", sorted(REMOTE.iterdir()), ids=lambda path: path.name)
def test_no_function_is_long(script: Path) -> None:
    length = 0
    for line in script.read_text().splitlines():
        length = 0 if line.startswith("sub ") or line.endswith("() {") else length + 1
        assert line != "}" or length <= LINES_OF_A_FUNCTION
