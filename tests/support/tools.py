"""Stubs in front of a server's own tools: they fail, or hold whoever calls them at some point."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sshd import Sshd, private_sshd


class Tools:
    """Stands before the server's own tools."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gate = folder / "gate"

    def put(self, name: str, body: str) -> None:
        (self.folder / name).write_text(f"#!/bin/bash\n{body}\n")
        (self.folder / name).chmod(0o755)

    def hold(self, name: str) -> None:
        """The second call of a tool (the first is its trial) waits until the gate is gone."""
        real = shutil.which(name)
        self.gate.touch()
        wait = f"while [ -e {self.gate} ]; do sleep 0.02; done"
        first = f"mkdir {self.folder}/tried-{name} 2>/dev/null"
        self.put(name, f'{first} || {wait}\nexec {real} "$@"')

    def let_go(self) -> None:
        self.gate.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def stubbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sshd, Path]]:
    folder = tmp_path_factory.mktemp("tools")
    path = f"PATH={folder}:{os.environ['PATH']}"
    with private_sshd(tmp_path_factory.mktemp("stubbed"), environment=path) as sshd:
        yield sshd, folder


@pytest.fixture
def tools(stubbed: tuple[Sshd, Path]) -> Iterator[Tools]:
    found = Tools(stubbed[1])
    yield found
    found.let_go()
    for path in found.folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
