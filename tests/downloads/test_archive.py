"""Whole archives from their server, through the real web process: every byte, or an answer that is
seen to be cut off."""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot import create_app
from cloudpilot.db import db, transaction
from cloudpilot.domain import sessions
from cloudpilot.domain.audit import Action, AuditEntry
from cloudpilot.domain.people import Person
from cloudpilot.domain.status import Status
from cloudpilot.downloads.stream import AT_ONCE
from cloudpilot.kinds import Role
from cloudpilot.settings import from_environment
from tests.support.database import SECRET_KEY
from tests.support.openssh import Sshd
from tests.support.panel import Processes, running
from tests.support.rows import add_person, add_real_server, add_site
from tests.support.until import until
from tests.web.scenes import add_backup

MIB = 2**20
SIZE = 300 * MIB + 12345
PARTS = [(0, 1), (0, 4096), (4095, 70_000), (MIB, 40 * MIB), (SIZE - 1, SIZE), (SIZE - MIB, SIZE)]


@dataclass
class Served:
    """A panel's web process, and a backup whose archive lies on the real server."""

    app: Flask
    processes: Processes
    archive: Path
    sha256: str
    backup_id: UUID
    cookies: dict[Role, str]

    def ask(
        self, path: str = "/download", role: Role = Role.OWNER, method: str = "GET", **headers: str
    ) -> HTTPResponse:
        """An answer whose body has not been read; closing it leaves early."""
        connection = HTTPConnection("127.0.0.1", self.processes.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        address = f"/backups/{self.backup_id}{path}"
        about = {"Cookie": self.cookies[role], "Connection": "close"}
        connection.request(method, address, headers=about | named)
        return connection.getresponse()

    def entries(self, action: Action) -> list[AuditEntry]:
        """What the audit log has of this, the newest first."""
        with transaction() as session:
            rows = select(AuditEntry).where(AuditEntry.action == action)
            return list(session.scalars(rows.order_by(AuditEntry.id.desc())))

    def peak(self) -> int:
        """The most memory that a web process has had, in bytes."""
        pids = [self.processes.pid("web"), *self.processes.children("web")]
        words = [Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1] for pid in pids]
        return max(int(said.split()[0]) * 1024 for said in words)


def signed_in(app: Flask, person: Person) -> str:
    """The cookie of a browser in which this person has signed in."""
    with transaction() as session:
        token = sessions.begin(session, person, "127.0.0.1", "tests")
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = token.reveal()
    found = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert found
    return f"{found.key}={found.value}"


def write_archive(file: Path) -> str:
    """Its SHA-256."""
    digest, block = hashlib.sha256(), os.urandom(MIB)
    with file.open("wb") as output:
        for number in range(SIZE // MIB + 1):
            piece = (number.to_bytes(8, "big") + block)[: min(MIB, SIZE - number * MIB)]
            output.write(piece)
            digest.update(piece)
    return digest.hexdigest()


@pytest.fixture(scope="module")
def served(
    sqlite_template: Path, server: Sshd, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("served")
    (home / "panel.db").write_bytes(sqlite_template.read_bytes())
    environ = {
        "DATABASE_URL": f"sqlite:///{home / 'panel.db'}",
        "REDIS_URL": f"unix://{home}/no-redis.sock",
        "CLOUDPILOT_SECRET_KEY": SECRET_KEY,
    }
    app = create_app(from_environment(environ))
    with app.app_context():
        with transaction() as session:
            people = [add_person(session, role) for role in Role]
            row = add_real_server(app, session, server, home / "root")
            backup = add_backup(session, row, add_site(session, row), Status.COMPLETED, size=SIZE)
            file = home / "root" / str(backup.id) / backup.archive
            file.parent.mkdir(parents=True)
            backup.sha256 = backup.copies[0].sha256 = write_archive(file)
        cookies = {person.role: signed_in(app, person) for person in people}
        with running(environ, home, "web") as processes:
            yield Served(app, processes, file, str(backup.sha256), backup.id, cookies)
        db.session.remove()
        db.engine.dispose()


def test_all_of_it_comes_with_constant_memory(served: Served) -> None:
    with served.ask("/download", method="HEAD") as head:
        assert head.status == 200
        assert int(head.headers["Content-Length"]) == SIZE
    before, began = served.peak(), time.monotonic()
    digest = hashlib.sha256()
    with served.ask() as answer:
        first = answer.read(1)
        assert time.monotonic() - began < 5  # long before all of it could have been read
        digest.update(first)
        while piece := answer.read(MIB):
            digest.update(piece)
    assert digest.hexdigest() == served.sha256
    assert served.peak() - before < 48 * MIB
    assert answer.headers["ETag"] == f'"{served.sha256}"'
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="shop-files-')
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    entry = served.entries(Action.BACKUP_DOWNLOADED)[0]
    assert (entry.actor, entry.details) == ("owner@example.com", {"what": served.archive.name})


def test_what_was_broken_off_is_resumed(served: Served) -> None:
    """As browsers and curl do it; a part of another archive than the one that was begun is none."""
    with served.ask() as answer:
        begun = answer.read(20 * MIB)
    tag = f'"{served.sha256}"'
    with served.ask(Range=f"bytes={len(begun)}-", If_Range=tag) as answer:
        assert answer.status == 206
        assert answer.headers["Content-Range"] == f"bytes {len(begun)}-{SIZE - 1}/{SIZE}"
        digest = hashlib.sha256(begun)
        while piece := answer.read(MIB):
            digest.update(piece)
    assert digest.hexdigest() == served.sha256
    whole = served.archive.read_bytes()
    for first, end in PARTS:
        with served.ask(Range=f"bytes={first}-{end - 1}") as answer:
            assert (answer.status, answer.read()) == (206, whole[first:end])
    with served.ask(Range="bytes=-500") as answer:
        assert answer.read() == whole[-500:]
    for headers in ({"Range": "bytes=5-", "If_Range": '"another"'}, {"Range": "bytes=0-1,5-6"}):
        with served.ask(**headers) as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, str(SIZE))
    with served.ask(Range=f"bytes={SIZE}-") as answer:
        assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{SIZE}")


def test_pages_answer_while_as_many_download_as_may(served: Served) -> None:
    with ExitStack() as stack:
        for _ in range(AT_ONCE):
            answer = stack.enter_context(served.ask())
            assert answer.read(1)
        with served.ask() as refused:
            assert refused.status == 503
            assert refused.headers["Retry-After"] == "30"
            assert b"DOWNLOADS_BUSY" in refused.read()
        began = time.monotonic()
        for _ in range(5):
            with served.ask("") as page:
                assert page.status == 200
        assert time.monotonic() - began < 10
    # Who leaves early gives the place back.
    until(lambda: _status(served), lambda status: status == 200)


def _status(served: Served) -> int:
    with served.ask() as answer:
        return answer.status


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
def test_who_may_not_download_gets_nothing(served: Served, role: Role) -> None:
    for path in ("/download", "/files/download?path=manifest.json", "/files/command?path=a"):
        with served.ask(path, role) as answer:
            assert answer.status == 403
            assert b"NOT_ALLOWED" in answer.read()


@pytest.fixture
def damaged(served: Served) -> Iterator[int]:
    """One bit of the archive was turned: where."""
    at = 150 * MIB
    with served.archive.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 4]))
    yield at
    with served.archive.open("r+b") as file:
        file.seek(at)
        file.write(bytes([byte]))


@pytest.mark.parametrize("first", [0, 149 * MIB, 299 * MIB])
def test_a_damaged_archive_never_ends_as_a_whole_one(
    served: Served, damaged: int, first: int
) -> None:
    """Neither all of it nor its end: of that, too, the server hashes the whole."""
    before = len(served.entries(Action.DOWNLOAD_FAILED))
    headers = {"Range": f"bytes={first}-"} if first else {}
    with served.ask(**headers) as answer, pytest.raises(IncompleteRead):
        answer.read()
    failures = until(
        lambda: served.entries(Action.DOWNLOAD_FAILED), lambda rows: len(rows) > before
    )
    assert failures[0].details["code"] == "CHECKSUM_MISMATCH"


def test_what_is_not_there_is_told_before_the_first_byte(served: Served) -> None:
    folder, away = served.archive.parent, served.archive.parent.with_name("away")
    folder.rename(away)
    with served.ask() as answer:
        assert (answer.status, b"NO_BACKUP_DIR" in answer.read()) == (409, True)
    away.rename(folder)
    hidden = served.archive.with_name("hidden")
    served.archive.rename(hidden)
    for make in (lambda: None, lambda: served.archive.write_bytes(b"short")):
        make()
        with served.ask() as answer:
            assert (answer.status, b"ARCHIVE_MISSING" in answer.read()) == (404, True)
    served.archive.unlink()
    served.archive.symlink_to("/etc/passwd")
    with served.ask() as answer:
        assert (answer.status, b"root:" in answer.read()) == (404, False)
    served.archive.unlink()
    hidden.rename(served.archive)
