"""Snapshot trees on the real sshd: each is the site exactly, and only changes take space."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cloudpilot.engine import detached, script
from cloudpilot.engine.script import Tree
from cloudpilot.errors import InvalidConfig
from tests.engine.conftest import Backups, Made, left_of, mounted
from tests.engine.test_increments import first_changes, second_changes, site, third_changes
from tests.support.sshd import IS_ROOT
from tests.support.tree import assert_same
from tests.support.until import until

__all__ = ["site"]
NAME = "files-1.tree"
DAYS = 30


def following(made: Made | None, **more: Any) -> Tree:
    """A tree that links to that one."""
    if made is None:
        return Tree(NAME, **more)
    return Tree(NAME, made.place.backup_id, NAME, made.report.result["sha256"], **more)


def of(made: Made, path: Path) -> Path:
    """Where in its tree that path is."""
    return made.archive / "files" / path.relative_to("/")


def used(*folders: Path) -> int:
    """Bytes on the disk of all of these together."""
    said = subprocess.check_output(["du", "-s", "-c", "-B1", *folders], text=True)
    return int(said.splitlines()[-1].split()[0])


def test_each_tree_is_the_site_and_links_to_the_one_before(backups: Backups, site: Path) -> None:
    def nothing(_: Path) -> None: ...

    made: list[Made] = []
    for change in (nothing, first_changes, second_changes, nothing, third_changes):
        change(site)
        made.append(backups.make(site, tree=following(made[-1] if made else None)))
        result = made[-1].report.result
        assert result["base"] == (made[-2].place.backup_id if len(made) > 1 else "")
        assert_same(site, of(made[-1], site))
        found = [row for row in made[-1].index if row[0] == "F"]
        assert len(found) == int(result["entries"])
        assert int(result["size"]) == sum(int(row[4]) for row in found)
    print(made[-1].report)
