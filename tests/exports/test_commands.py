"""`flask --app wsgi export` and `import`, as somebody types them who has lost a panel."""

import resource
import shutil
import signal
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from cloudpilot import recovery
from cloudpilot.db import GIVEN_UP, db, reading, transaction
from cloudpilot.domain import recovery as keys
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.domain.servers import Server
from cloudpilot.exports import loading
from cloudpilot.recovery import RecoveryKey
from tests.exports.conftest import export
from tests.support.rows import add_person, add_server
from tests.support.until import pause

New = Callable[[], Any]


@pytest.fixture
def small(core: Flask, key: RecoveryKey) -> Flask:
    """A panel with an owner, a server and a recovery key."""
    with transaction() as session:
        made = keys.add(session, core.extensions["sealer"], key, "hash", add_person(session))
        keys.confirm(session, made)
        server = add_server(session)
        server.private_key = core.extensions["sealer"].seal(key.secret, server.key_place)
        add_server(session, "stuck")
    return core


def run(app: Flask, *arguments: str, typed: str = "") -> Result:
    return app.test_cli_runner().invoke(args=list(arguments), input=typed)


def test_from_one_panel_to_another(
    small: Flask, new: New, key: RecoveryKey, tmp_path: Path
) -> None:
    file = tmp_path / "panel.age"
    said = run(small, "export", str(file))
    assert said.exit_code == 0, said.output
    assert said.stdout == ""
    assert "Left sealed, since no key opens it: servers/" in said.stderr
    typed = f"{key.secret.reveal().lower()}\n"
    with new() as app:
        said = run(app, "import", str(file), typed=typed)
        assert said.exit_code == 0, said.output
        assert "and at rest" in said.output
        assert key.secret.reveal()[20:] not in said.output.upper()
        with reading() as session:
            actions = list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
            [one, stuck] = session.scalars(select(Server).order_by(Server.name.desc()))
        opened = app.extensions["sealer"].open(one.private_key, one.key_place)
        assert (opened, stuck.private_key) == (key.secret, "sealed")
        assert actions == ["panel.imported"]  # what came after the snapshot is not in it
        again = run(app, "import", str(file), typed=typed)
    assert (again.exit_code, "[PANEL_NOT_EMPTY]" in again.output) == (1, True)


def test_it_comes_out_where_a_pipe_takes_it(small: Flask, key: RecoveryKey) -> None:
    said = run(small, "export")
    assert said.exit_code == 0
    assert said.stdout_bytes.startswith(b"age-encryption.org/v1\n")


def test_who_takes_it_slowly_keeps_no_transaction_open(
    small: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is whole before the first byte goes out."""

    def take(whole: IO[bytes], _to: IO[bytes]) -> None:
        assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        assert whole.read().startswith(b"age-encryption.org/v1\n")

    monkeypatch.setattr(shutil, "copyfileobj", take)
    said = run(small, "export")
    assert said.exit_code == 0, said.output


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the new one is the other
def test_an_import_may_wait_for_what_it_reads(
    small: Flask, new: New, key: RecoveryKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = export(small)
    monkeypatch.setitem(GIVEN_UP, "idle_in_transaction_session_timeout", "300ms")

    class Slow(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            pause(1)
            return super().read(size)

    with new() as app:
        with transaction() as session:
            loading.load(session, app.extensions["sealer"], key, Slow(data))
        with reading() as session:
            assert len(session.scalars(select(Server)).all()) == 2


@pytest.mark.parametrize("there", ["none/x.age", "file/x.age", ""])
def test_a_place_where_no_file_can_be_is_said(small: Flask, tmp_path: Path, there: str) -> None:
    (tmp_path / "file").touch()
    said = run(small, "export", str(tmp_path / there))
    assert (said.exit_code, said.stdout) == (1, "")
    assert "[EXPORT_PATH_WRONG]" in said.stderr
    assert "Name a file in a folder that is there" in said.stderr
    assert "space" not in said.stderr


def test_an_export_takes_the_place_of_a_file_once_it_is_whole(small: Flask, tmp_path: Path) -> None:
    file = tmp_path / "panel.age"
    file.write_bytes(b"the one before")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limit[1]))
    try:
        said = run(small, "export", str(file))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    assert (said.exit_code, "File too large. Free some space" in said.stderr) == (1, True)
    assert (list(tmp_path.glob("panel.age*")), file.read_bytes()) == ([file], b"the one before")
    said = run(small, "export", str(file))
    assert f"{file} was there before: it has been replaced." in said.stderr
    assert file.read_bytes().startswith(b"age-encryption.org/v1\n")
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_is_wrong_is_said_with_what_to_do(small: Flask, new: New, tmp_path: Path) -> None:
    with transaction() as session:
        [made] = session.scalars(select(keys.PanelKey))
        session.delete(made)
    said = run(small, "export", str(tmp_path / "x"))
    assert (said.exit_code, "no recovery key yet" in said.output) == (1, True)
    (tmp_path / "junk").write_bytes(b"junk")
    with new() as app:
        for typed, code in (("hunter2", "RECOVERY_KEY_WRONG"), ("", "RECOVERY_KEY_WRONG")):
            said = run(app, "import", str(tmp_path / "junk"), typed=typed)
            assert (said.exit_code, f"[{code}]" in said.output) == (1, True)
        said = run(app, "import", str(tmp_path / "junk"), typed=recovery.new().secret.reveal())
        assert (said.exit_code, "[EXPORT_DAMAGED]" in said.output) == (1, True)
