"""Sizes that bite: many small files, and one that is nearly all holes or really that large."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.test_restore_files import Restores, copied, good, restoration, restores
from tests.support.tree import assert_same

__all__ = ["restores"]  # a fixture
GIB = 2**30
FOLDERS = 100
CHUNK = 4 * 2**20


def fill(top: Path, files: int, real: int) -> None:
    """Small files, and a large one: `real` bytes of noise, 5 GiB long."""
    for number in range(files):
        folder = top / str(number % FOLDERS)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"page-{number}.html").write_bytes(os.urandom(number % 997))
    with (top / "large").open("wb") as file:
        for _ in range(0, real, CHUNK):
            file.write(os.urandom(CHUNK))
        for at in (3 * GIB, 5 * GIB - 3):
            file.seek(max(at, file.tell()))
            file.write(b"end")


@pytest.mark.parametrize(
    ("files", "real"),
    [
        pytest.param(10_000, 0, id="10,000 files and 5 GiB of holes"),
        pytest.param(
            100_000, 5 * GIB - CHUNK, id="100,000 files and 5 GiB of noise", marks=pytest.mark.long
        ),
    ],
)
def test_all_of_it_comes_back(restores: Restores, tmp_path: Path, files: int, real: int) -> None:
    top = tmp_path / "site"
    fill(top, files, real)
    restores = Restores(replace(restores.backups, patience=900))
    made = restores.backups.make(top)
    assert made.report.result["files"] == str(files + 1)
    before = copied(top, "before")
    shutil.rmtree(top / "7")
    (top / "large").write_text("small")
    what = restoration(made, top)
    good(restores.restore(what))
    assert_same(before, top)
    assert real or (top / "large").stat().st_blocks < 1000
