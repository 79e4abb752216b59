"""The commands of docs/recovery.md, run as they stand there, by real processes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from cloudpilot.db import transaction
from cloudpilot.domain import recovery as keys
from cloudpilot.recovery import RecoveryKey
from cloudpilot.settings import Settings
from tests.support.database import SECRET_KEY, database
from tests.support.rows import add_person
from tests.support.vaulting import add_vault, seal

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/recovery.md"


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """From SQLite."""
    return database("sqlite", request, tmp_path)


@pytest.fixture
def lost(core: Flask, key: RecoveryKey) -> Flask:
    """A panel with an owner, a vault and a recovery key."""
    with transaction() as session:
        sealer = core.extensions["sealer"]
        keys.confirm(session, keys.add(session, sealer, key, "hash", add_person(session)))
        seal(core, add_vault(session), "the vault's secret")
    return core


def commands() -> list[str]:
    """Each block of the page."""
    return re.findall(r"```sh\n(.+?)```", PAGE.read_text(), re.DOTALL)


def run(command: str, environ: dict[str, str], typed: str = "") -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=ROOT,
        env={"PATH": path, "HOME": "/nowhere"} | environ,
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the vault's secret" not in done.stderr
    return done.stdout


def test_a_lost_panel_comes_back_by_the_page(
    lost: Flask, settings: Settings, key: RecoveryKey, tmp_path: Path
) -> None:
    export, bring_back, read = commands()
    file, written = tmp_path / "panel.age", tmp_path / "key"
    written.write_text(key.secret.reveal())
    names = {"export": str(file), "key": str(written), "REDIS_URL": settings.redis_url}
    old = {"DATABASE_URL": settings.database_url, "CLOUDPILOT_SECRET_KEY": SECRET_KEY}
    new = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/new.db",
        "CLOUDPILOT_SECRET_KEY": SECRET_KEY[::-1],
    }
    run(export, names | old)
    assert "as it was on" in run(bring_back, names | new, f"{key.secret.reveal().lower()}\n")
    assert "the vault's secret" in run(read, names)
    again = tmp_path / "again.age"
    run(export, names | new | {"export": str(again)})
    assert "the vault's secret" in run(read, names | {"export": str(again)})
