"""The list of files is read from wherever it is whole, and from nowhere else."""

import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cloudpilot.db import reading, transaction
from cloudpilot.domain import listings
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.listings import Listing
from cloudpilot.domain.objects import INDEX, VaultObject
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.kinds import Place
from tests.downloads.conftest import Panel, panel

__all__ = ["panel"]  # a fixture
AWAY = "https://127.0.0.1:1"


@pytest.fixture
def index(panel: Panel) -> Iterator[Path]:
    """The index on the server, which a test may change; no list has been read."""
    file = Path(f"{panel.archive}.index.gz")
    kept = file.with_name("kept")
    shutil.copy(file, kept)
    with transaction() as session:
        session.query(listings.ListingBlock).delete()
        session.query(Listing).delete()
    yield file
    kept.rename(file)


@pytest.fixture
def no_vault(panel: Panel) -> Iterator[None]:
    """The vault has lost its copy."""
    yield from _without(panel, Place.VAULT)


@pytest.fixture
def no_server(panel: Panel) -> Iterator[None]:
    """The server has lost its copy."""
    yield from _without(panel, Place.SERVER)


def _without(panel: Panel, place: Place) -> Iterator[None]:
    with transaction() as session:
        session.query(Copy).filter_by(place=place).update({"status": CopyStatus.MISSING})
    yield
    with transaction() as session:
        session.query(Copy).filter_by(place=place).update({"status": CopyStatus.STORED})


def names(panel: Panel) -> int | None:
    """How many the list has that may be looked at."""
    with reading() as session:
        assert (session.scalar(select(func.count()).select_from(Listing)) or 0) <= 1
        found = listings.of(session, panel.backup_id)
        return found.names if found else None


@pytest.mark.usefixtures("index", "no_server")
def test_it_is_read_from_the_vault(panel: Panel) -> None:
    assert panel.read_list().status is Status.COMPLETED
    assert names(panel)


@pytest.mark.usefixtures("index")
def test_a_vault_that_is_away_leaves_the_server(panel: Panel) -> None:
    with transaction() as session:
        endpoint = session.scalars(select(Vault.endpoint)).one()
        session.query(Vault).update({"endpoint": AWAY})
    try:
        assert panel.read_list().status is Status.COMPLETED
    finally:
        with transaction() as session:
            session.query(Vault).update({"endpoint": endpoint})
    assert names(panel)


@pytest.mark.usefixtures("no_server")
def test_what_a_vault_does_not_have_any_more(panel: Panel, index: Path) -> None:
    with transaction() as session:
        key = session.scalars(select(VaultObject.key).where(VaultObject.name == INDEX)).one()
        session.query(VaultObject).filter_by(name=INDEX).update({"key": f"{key}-gone"})
    try:
        assert panel.read_list().error_code == "OBJECT_MISSING"
    finally:
        with transaction() as session:
            session.query(VaultObject).filter_by(name=INDEX).update({"key": key})
    assert names(panel) is None
    assert index.exists()


@pytest.mark.usefixtures("no_vault")
def test_a_damaged_index_is_never_shown(panel: Panel, index: Path) -> None:
    good = index.read_bytes()
    text = gzip.decompress(good)
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 16
    for damaged in (
        bytes(flipped),
        good[:-1],
        good[: len(good) // 2],
        b"",
        good + good,
        gzip.compress(text.rpartition(b"E ")[0]),
        gzip.compress(text.replace(b"\nE ", b"\nE 1", 1)),
        gzip.compress(text.replace(b" files/", b" ../../", 1)),
    ):
        index.write_bytes(damaged)
        assert panel.read_list().error_code == "INDEX_DAMAGED"
        assert names(panel) is None
    index.unlink()
    assert panel.read_list().error_code == "INDEX_MISSING"
    index.symlink_to(index.with_name("kept"))
    assert panel.read_list().error_code == "ARCHIVE_MISSING"


@pytest.mark.usefixtures("index", "no_vault")
def test_a_folder_that_is_not_there_and_a_server_that_is_away(panel: Panel) -> None:
    folder, away = panel.archive.parent, panel.root / "away"
    folder.rename(away)
    assert panel.read_list().error_code == "NO_BACKUP_DIR"
    away.rename(folder)
    with transaction() as session:
        port = session.scalars(select(Server.port)).one()
        session.query(Server).update({"port": 1})
    run = panel.read_list()  # it is tried again by itself
    assert (run.status, run.error_code) == (Status.RUNNING, "SSH_UNREACHABLE")
    with transaction() as session:
        session.query(Server).update({"port": port})
