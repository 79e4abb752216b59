"""A panel with one backup of odd files, on a real server and in a real vault; it is only read."""

# ruff: noqa: PTH118, PTH123  (names are bytes: pathlib knows only text)

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask, g

from cloudpilot import create_app
from cloudpilot.db import db, transaction
from cloudpilot.domain import looking, sessions
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.people import Person
from cloudpilot.domain.runs import Run
from cloudpilot.jobs import runs as jobs
from cloudpilot.kinds import Role, VaultKind
from cloudpilot.settings import from_environment
from tests.support.database import SECRET_KEY
from tests.support.openssh import Sshd
from tests.support.rows import add_person, add_real_server, add_site
from tests.support.uploading import Store, add_vault, back_up, drive, found, of_kind
from tests.web.conftest import Browser

ODD = (
    b"plain.txt",
    b"a\nnew line",
    b"not \xff text",
    "\u202eright to left \u05d0\u05d1".encode(),
    b'it\'s "quoted" & <b>bold $(id) `id` %41 100%',
    b"back\\slash",
    b"-rf",
    b"x" * 255,
)
MIB = 2**20


@dataclass
class Panel:
    """The panel, its backup, and the folder that was backed up."""

    app: Flask
    backup_id: UUID
    files: Path
    root: Path

    @property
    def backup(self) -> Backup:
        return found(self.backup_id)

    @property
    def archive(self) -> Path:
        """On the server."""
        there = self.backup.server_copy
        assert there
        return Path(there.path)

    def browser(self, role: Role = Role.OWNER) -> Browser:
        """Of somebody with that role; the one before is forgotten."""
        g.pop("_login_user", None)  # Flask-Login's, in the context that this fixture keeps open
        with transaction() as session:
            person = session.query(Person).filter_by(role=role).one()
            token = sessions.begin(session, person, "127.0.0.1", "tests")
        client = self.app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"] = token.reveal()
        return Browser(client)

    def read_list(self) -> Run:
        """As the button does; the run when it is over, or has met something that may pass."""
        with transaction() as session:
            run_id = looking.ask(session, session.get_one(Backup, self.backup_id), None).id
        jobs.start(str(run_id))
        with transaction() as session:
            return session.get_one(Run, run_id)


def make_odd_files(folder: Path) -> None:
    """Names and kinds of files that are easily got wrong."""
    inside = os.fsencode(folder / "odd")
    (folder / "odd").mkdir(parents=True)
    for number, name in enumerate(ODD):
        with open(os.path.join(inside, name), "wb") as file:
            file.write(name * (number + 1))
    (folder / "empty folder").mkdir()
    (folder / "empty").touch()
    (folder / "secret").write_bytes(b"s")
    (folder / "secret").chmod(0o640)
    os.utime(folder / "secret", (1_000_000_000, 1_000_000_000))
    with (folder / "sparse").open("wb") as file:
        for at in (0, 10 * MIB, 70 * MIB):
            file.seek(at)
            file.write(os.urandom(5000))
        file.truncate(90 * MIB)
    (folder / "large.bin").write_bytes(os.urandom(40 * MIB))  # more than one piece
    (folder / "linked").mkdir()
    os.link(folder / "large.bin", folder / "linked" / "again.bin")
    (folder / "linked" / "link").symlink_to("../secret")
    (folder / "many").mkdir()
    for number in range(130):
        (folder / "many" / f"file {number:03d}").write_text(str(number))


@contextmanager
def made(
    home: Path, template: Path, server: Sshd, store: Store | None, **columns: object
) -> Iterator[Panel]:
    """A panel below `home` with one backup, whose row has these columns."""
    shutil.copy(template, home / "panel.db")
    app = create_app(
        from_environment(
            {
                "DATABASE_URL": f"sqlite:///{home / 'panel.db'}",
                "REDIS_URL": f"unix://{home}/no-redis.sock",
                "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
                "CLOUDPILOT_RETRY_SECONDS": "0.1",
            }
        )
    )
    make_odd_files(home / "site")
    with app.app_context():
        with transaction() as session:
            for role in Role:
                add_person(session, role)
            row = add_real_server(app, session, server, home / "root")
            site_id = add_site(session, row, paths=[str(home / "site")]).id
        backup_id = back_up(site_id, add_vault(app, store) if store else None, **columns)
        drive()
        panel = Panel(app, backup_id, home / "site", home / "root")
        assert panel.backup.is_in_vault is bool(store)
        yield panel
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="module")
def panel(
    sqlite_template: Path,
    server: Sshd,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Panel]:
    store = of_kind(VaultKind.S3, request.getfixturevalue)
    with made(tmp_path_factory.mktemp("panel"), sqlite_template, server, store) as found:
        yield found


@pytest.fixture
def listed(panel: Panel) -> Panel:
    """Its list of files has been read."""
    run = panel.read_list()
    assert run.error_code is None, run.error_detail
    return panel


Change = Callable[[Path], None]
