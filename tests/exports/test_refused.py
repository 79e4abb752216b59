"""What is not an export of this panel's version, whole and proven, changes nothing."""

import gzip
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from cloudpilot import recovery
from cloudpilot.db import db, reading, transaction
from cloudpilot.domain import people
from cloudpilot.domain import recovery as keys
from cloudpilot.domain.people import Person, SetupCode
from cloudpilot.domain.servers import Server
from cloudpilot.errors import (
    CloudPilotError,
    ExportDamaged,
    ExportFailed,
    ExportOfOtherVersion,
    InvalidState,
    PanelNotEmpty,
    RecoveryKeyWrong,
)
from cloudpilot.exports import files, lines, loading, writing
from cloudpilot.exports.lines import Digest, Packed, line
from cloudpilot.exports.tables import exported
from cloudpilot.recovery import RecoveryKey
from tests.exports.conftest import export, load, panel
from tests.support.database import database
from tests.support.rows import add_person, add_server

HOSTILE = "a \"quoted\" 'name';\n-- \u202eünïcödé 🗝 \\u0000 <script>"


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """One kind is enough here."""
    return database("sqlite", request, tmp_path)


@pytest.fixture
def small(core: Flask, key: RecoveryKey) -> Flask:
    """A panel with an owner, a server and a recovery key."""
    with transaction() as session:
        made = keys.add(session, core.extensions["sealer"], key, "hash", add_person(session))
        keys.confirm(session, made)
        add_server(session, HOSTILE)
    return core


@pytest.fixture
def target(small: Flask, settings: Any, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """An empty panel to import into: `with target() as app`."""
    (tmp_path / "new").mkdir()
    url = database("sqlite", request, tmp_path / "new")
    return lambda: panel(settings, url)


def rows_of(data: bytes, key: RecoveryKey) -> list[dict[str, Any]]:
    """The lines of an export."""
    text = BytesIO()
    recovery.decrypt(key.secret, BytesIO(data), text)
    return [json.loads(one) for one in gzip.decompress(text.getvalue()).splitlines()]


def packed(key: RecoveryKey, text: bytes) -> bytes:
    """A gzip, encrypted for the key."""
    data = BytesIO()
    recovery.encrypt(key.recipient, BytesIO(text), data)
    return data.getvalue()


def forged(key: RecoveryKey, rows: list[Any], counts: Any = None, proof: Any = None) -> bytes:
    """An export of these lines with a last one that fits, by who has the key."""
    digest = Digest()
    whole = [line(one) for one in rows]
    for one in whole:
        digest.take(one)
    count: dict[str, int] = {one.name: 0 for one in exported()}
    for row in rows[1:]:
        count[str(row.get("table"))] = count.get(str(row.get("table")), 0) + 1
    end = digest.end(proof or recovery.manifest_key(key.secret), counts or count)
    return packed(key, Packed(iter([*whole, line(end)])).read())


def refused(target: Any, key: RecoveryKey, data: bytes, kind: type[CloudPilotError]) -> str:
    """It is refused like that, and nothing has changed."""
    with target() as app:
        with pytest.raises(kind) as error:
            load(app, key, data)
        with reading() as session:
            tables = {one.name: one.rows for one in exported()} | {"imports": loading.Import}
            counts = {
                name: session.scalar(select(func.count()).select_from(rows))
                for name, rows in tables.items()
            }
        assert not any(counts.values()), counts
        load(app, key, GOOD["data"])  # it is still empty enough for the right one
    return str(error.value)


GOOD: dict[str, bytes] = {}


@pytest.fixture(autouse=True)
def _good(small: Flask) -> Iterator[None]:
    GOOD["data"] = export(small)
    yield
    GOOD.clear()


def test_hostile_names_come_back_as_they_were(target: Any, key: RecoveryKey) -> None:
    with target() as app:
        load(app, key, GOOD["data"])
        with reading() as session:
            assert list(session.scalars(select(Server.name))) == [HOSTILE]


def test_another_key_opens_nothing(target: Any, key: RecoveryKey) -> None:
    with target() as app:
        with pytest.raises(RecoveryKeyWrong, match="does not open"):
            load(app, recovery.new(), GOOD["data"])
        load(app, key, GOOD["data"])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[:100],
        lambda data: data[:-1],
        lambda data: data[: len(data) * 2 // 3],
        lambda data: data[:-9] + bytes([data[-9] ^ 4]) + data[-8:],
        lambda data: data + data,
    ],
)
def test_what_was_cut_or_changed_is_refused(
    target: Any, key: RecoveryKey, spoil: Callable[[bytes], bytes]
) -> None:
    refused(target, key, spoil(GOOD["data"]), ExportDamaged)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"no gzip", "no gzip"),
        (gzip.compress(b"{}\n", mtime=0), "no export of a CloudPilot panel"),
        (gzip.compress(b"[1]\n", mtime=0), "no JSON object"),
        (gzip.compress(b"[" * 200_000 + b"\n", mtime=0), "no JSON"),
        (gzip.compress(b"{}", mtime=0), "ends before its end"),
        (gzip.compress(b"", mtime=0), "last line of the export is missing"),
        (gzip.compress(b"{}", mtime=0)[:-4], "ends before its end"),
        (gzip.compress(b"\n", mtime=0) + b"more", "no JSON"),
    ],
)
def test_what_somebody_has_encrypted_for_the_key_is_refused(
    target: Any, key: RecoveryKey, text: bytes, said: str
) -> None:
    assert said in refused(target, key, packed(key, text), ExportDamaged)


def test_who_has_only_the_public_half_cannot_make_one(target: Any, key: RecoveryKey) -> None:
    """Write access to a vault is enough to put a file there."""
    *rows, _ = rows_of(GOOD["data"], key)
    data = forged(key, rows, proof=b"guessed" * 4)
    assert "does not fit" in refused(target, key, data, ExportDamaged)


def test_an_archive_bomb_is_refused_early(
    target: Any, key: RecoveryKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "FREE", 1024 * 1024)
    spaces = gzip.compress(b" " * 50_000_000)
    assert "far more" in refused(target, key, packed(key, spaces), ExportDamaged)
    monkeypatch.setattr(lines, "FREE", 2**40)
    monkeypatch.setattr(lines, "LINE_AT_MOST", 1024 * 1024)
    assert "longer than any row" in not_unpacked(key, packed(key, spaces))


def not_unpacked(key: RecoveryKey, data: bytes) -> str:
    """Why it cannot even be unpacked."""
    unpacked = lines.Unpacked(lambda one: None)
    with pytest.raises(ExportDamaged) as error:
        recovery.decrypt(key.secret, BytesIO(data), unpacked)
    return str(error.value)


@pytest.mark.parametrize(
    "what", [{"revision": "0123456789ab"}, {"revision": None}, {"revision": []}, {"version": 2}]
)
def test_one_of_a_newer_version_says_which_is_needed(
    target: Any, key: RecoveryKey, what: dict[str, Any]
) -> None:
    first, *rows, _ = rows_of(GOOD["data"], key)
    data = forged(key, [first | what | {"panel": "9.9.9"}, *rows])
    assert "CloudPilot 9.9.9" in refused(target, key, data, ExportOfOtherVersion)
    assert "or a newer one" in ExportOfOtherVersion.remedy


def changed(**what: Any) -> Callable[[list[Any]], list[Any]]:
    """The server's row with other columns."""

    def change(rows: list[Any]) -> list[Any]:
        return [
            row | {"row": row["row"] | what} if row.get("table") == "servers" else row
            for row in rows
        ]

    return change


def without(rows: list[Any], name: str) -> list[Any]:
    return [row for row in rows if row.get("table") != name]


# An older one, at which what is exported was the same as today.
OLDER = "6c1f08d2b9e7"


def counted(rows: list[Any]) -> list[Any]:
    """As if its first line had known of them."""
    found = Counter(row["table"] for row in rows[1:])
    return [rows[0] | {"counts": dict.fromkeys(rows[0]["counts"], 0) | found}, *rows[1:]]


@pytest.mark.parametrize("of", [{}, {"revision": OLDER}])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (changed(name="a\0b"), "a name that cannot be"),
        (changed(name="\ud800"), "a name that cannot be"),
        (changed(name=7), "a name that cannot be"),
        (changed(host_keys=["a\0b"]), "a NUL in host_keys"),
        (changed(host_keys={"a\0b": [1]}), "a NUL in host_keys"),
        (changed(port="22"), "a port that cannot be"),
        (changed(port=2**70), "do not belong together"),
        (changed(name={"clear": "a"}), "a name that cannot be"),
        (changed(name=["a"]), "a name that cannot be"),
        (changed(id=7), "a id that cannot be"),
        (changed(privilege="god"), "that cannot be"),
        (changed(created_at="2026-11-29T08:00:00"), "a created_at that cannot be"),
        (changed(created_at="yesterday"), "a created_at that cannot be"),
        (changed(id="1"), "a id that cannot be"),
        (changed(name=None), "do not belong together"),
        (changed(private_key="v1.x.y"), "neither in clear nor sealed"),
        (changed(private_key={"clear": 1}), "neither in clear nor sealed"),
        (changed(also="x"), "other columns"),
        (lambda rows: [*rows, {"table": "sessions", "row": {}}], "no row of a table"),
        (lambda rows: [*rows, {"table": ["servers"], "row": {}}], "no row of a table"),
        (lambda rows: [*rows, {"table": "servers", "row": []}], "other columns"),
        (lambda rows: [*rows, {"table": "servers"}], "no row of a table"),
        (lambda rows: counted([*rows, rows[-1]]), "do not belong together"),
        (lambda rows: counted(without(rows, "people")), "do not belong together"),
        (lambda rows: without(rows, "servers"), "more or fewer rows"),
        (lambda rows: [rows[0] | {"made_at": "once"}, *rows[1:]], "when it was made"),
        (lambda rows: [rows[0] | {"made_at": None}, *rows[1:]], "when it was made"),
    ],
)
def test_rows_that_cannot_be_are_refused(
    target: Any,
    key: RecoveryKey,
    of: dict[str, str],
    spoil: Callable[[list[Any]], list[Any]],
    said: str,
) -> None:
    first, *rows, _ = rows_of(GOOD["data"], key)
    data = forged(key, spoil([first | of, *rows]))
    assert said in refused(target, key, data, ExportDamaged)


def test_an_older_one_says_which_tables_it_has(target: Any, key: RecoveryKey) -> None:
    first, *rows, _ = rows_of(GOOD["data"], key)
    data = forged(key, [first | {"revision": OLDER, "counts": None}, *rows])
    assert "does not say what it has" in refused(target, key, data, ExportDamaged)


def test_nothing_comes_after_the_last_line(target: Any, key: RecoveryKey) -> None:
    rows = rows_of(GOOD["data"], key)
    text = b"".join(map(line, [*rows, rows[1]]))
    assert "after the last line" in refused(
        target, key, packed(key, gzip.compress(text)), ExportDamaged
    )
    whole = gzip.compress(b"".join(map(line, rows)))
    twice = packed(key, whole + gzip.compress(b"x"))
    assert "after the end" in not_unpacked(key, twice)


def test_only_an_empty_panel_takes_one(target: Any, key: RecoveryKey) -> None:
    with target() as app:
        with transaction() as session:
            add_server(session)
        with pytest.raises(PanelNotEmpty, match="There are servers in this panel"):
            load(app, key, GOOD["data"])


def test_the_set_up_code_of_the_new_panel_is_dead(target: Any, key: RecoveryKey) -> None:
    with target() as app:
        with transaction() as session:
            people.replace_setup_code(session, "hash")
        load(app, key, GOOD["data"])
        with transaction() as session:
            assert session.get_one(SetupCode, 1).used_at
            with pytest.raises(InvalidState):
                people.create_owner(
                    session, "hash", email="eve@example.com", name="Eve", password_hash="!"
                )


def test_a_full_disk_leaves_no_file(small: Flask, tmp_path: Path) -> None:
    with reading() as session:
        whom = writing.whom(session, small.extensions["sealer"])
    with pytest.raises(ExportFailed, match="No space left"):
        writing_to_full(small, whom)
    there = tmp_path / "there.age"
    there.write_bytes(b"the former one")
    (tmp_path / "none").mkdir()
    with pytest.raises(ExportFailed):
        files.saved(db.engine, small.extensions["sealer"], whom, tmp_path / "none" / "x" / "y")
    written = files.saved(db.engine, small.extensions["sealer"], whom, there)
    assert written.counts["servers"] == 1
    assert there.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.glob("*.part")] == []


def writing_to_full(app: Flask, whom: writing.For) -> None:
    with files._told(), Path("/dev/full").open("wb", buffering=0) as full:
        writing.write(db.engine, app.extensions["sealer"], whom, full)


def test_there_is_no_export_without_a_key(core: Flask) -> None:
    with transaction() as session:
        session.query(keys.PanelKey).delete()
    with reading() as session, pytest.raises(InvalidState, match="no recovery key"):
        writing.whom(session, core.extensions["sealer"])


class Slow:
    """An export that is being read while something else happens."""

    def __init__(self, data: bytes, between: Callable[[], None]) -> None:
        self._data, self._between = BytesIO(data), between

    def read(self, size: int = -1) -> bytes:
        piece = self._data.read(min(size, 1000))
        if not piece:
            self._between()
        return piece


def test_an_import_that_is_cut_off_leaves_nothing(target: Any, key: RecoveryKey) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    with target() as app:
        with pytest.raises(KeyboardInterrupt), transaction() as session:
            loading.load(session, app.extensions["sealer"], key, Slow(GOOD["data"], die))
        with reading() as session:
            assert session.scalar(select(func.count(Person.id))) == 0
        load(app, key, GOOD["data"])


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_of_two_imports_at_once_one_is_made(
    small: Flask,
    settings: Any,
    key: RecoveryKey,
    kind: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    (tmp_path / "both").mkdir()
    url = database(kind, request, tmp_path / "both")
    begun, said = threading.Barrier(2), []

    def go() -> None:
        with panel(settings, url) as app:
            begun.wait(20)
            try:
                load(app, key, GOOD["data"])
                said.append("done")
            except PanelNotEmpty:
                said.append("refused")

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(said) == ["done", "refused"]
