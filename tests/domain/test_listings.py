"""Listings: found by folder and name, searched, and gone when nobody needs them."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import blocks, listings, looking
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.index import Entry, Pieces
from cloudpilot.domain.listings import Listing, ListingBlock
from cloudpilot.domain.people import Person
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.errors import BackupInProgress, InvalidPath, NoBackupDir, NotCompleted, NotFound
from cloudpilot.kinds import Place, RunKind
from tests.support.rows import add_person, add_server, add_site
from tests.support.vaulting import add_vault
from tests.web.scenes import add_backup

TREE = [
    Entry("manifest.json", "0", 0, 512, 5),
    *(
        Entry(f"files/many/n{number:03d}", "0", number, number + 1, number)
        for number in range(600, 900)
    ),
    Entry("files/many/sub/Deep.TXT", "0", 1000, 1001, 5),
    Entry("files/many%20more/deep", "0", 1001, 1002, 5),
    Entry("files/empty", "5", 1002, 1003, 0),
    Entry("files/%D7%90-deep", "2", 1003, 1004, 0, link="x"),
]


@pytest.fixture
def backup_id(core: Flask) -> UUID:
    with transaction() as session:
        server = add_server(session)
        add_person(session)
        return add_backup(session, server, add_site(session, server), Status.COMPLETED).id


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some hundred blocks for some hundred entries."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 300)


def keep(backup_id: UUID, tree: list[Entry] = TREE) -> UUID:
    found = list(blocks.cut(tree))
    with transaction() as session:
        listing = listings.begin(session, backup_id)
        listings.add(session, listing.id, 0, found)
        firsts, size = [one.first for one in found], sum(len(one.content) for one in found)
        listings.finish(session, listing.id, firsts, size, Pieces([0, 1], [0, 1]), len(tree))
    return listing.id


def ask(backup_id: UUID, question: Callable[..., object], *args: object, **more: object) -> object:
    with reading() as session:
        listing = listings.of(session, backup_id)
        assert listing
        found = question(session, listing, *args, **more)
        return list(found) if question is listings.below else found


@pytest.mark.usefixtures("small_blocks")
def test_a_folder_is_found_page_by_page(backup_id: UUID) -> None:
    keep(backup_id)
    found, after = [], ""
    for _ in range(9):
        page = ask(backup_id, listings.folder, "files/many", after)
        assert isinstance(page, listings.Found)
        found += [one.path for one in page.entries]
        if page.following is None:
            break
        after = page.following
    assert found == ["files/many/sub", *(f"files/many/n{number}" for number in range(600, 900))]
    top = ask(backup_id, listings.folder, "")
    assert [one.path for one in top.entries] == ["files", "manifest.json"]  # type: ignore[attr-defined]
    assert ask(backup_id, listings.folder, "files/empty") == listings.Found([], None)
    for path in ("files/man", "files/many/n600", "nothing"):
        with pytest.raises(InvalidPath):
            ask(backup_id, listings.folder, path)


@pytest.mark.usefixtures("small_blocks")
def test_names_are_found_and_searched(backup_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(backup_id)
    one = ask(backup_id, listings.find, "files/many/n777", is_folder=False)
    assert one == TREE[1 + 177]
    for path in ("files/many/n77", "files/many", ""):
        with pytest.raises(InvalidPath):
            ask(backup_id, listings.find, path, is_folder=False)

    def search(path: str, words: str, after: str = "") -> listings.Found:
        found = ask(backup_id, listings.search, path, words, after)
        assert isinstance(found, listings.Found)
        return found

    deep = ["files/%D7%90-deep", "files/many/sub/Deep.TXT", "files/many%20more/deep"]
    assert sorted(found.path for found in search("", "DEEP").entries) == sorted(deep)
    assert [one.path for one in search("files/many", "deep").entries] == deep[1:2]
    assert [one.path for one in search("", "א").entries] == deep[:1]
    assert search("", "d7").entries == []  # no letter of an escape is one of a name
    found, after = [], ""
    while True:
        page = search("", "n", after)
        found += [one.path for one in page.entries if "/n" in one.path]
        if page.following is None:
            break
        after = page.following
    assert found == [f"files/many/n{number}" for number in range(600, 900)]
    monkeypatch.setattr(listings, "SEARCH_SECONDS", -1.0)
    assert search("", "deep").following is not None  # there was no time, and it goes on from there


@pytest.mark.usefixtures("small_blocks")
def test_all_below_a_folder_and_nothing_else(backup_id: UUID) -> None:
    listing_id = keep(backup_id)
    below = ask(backup_id, listings.below, "files/many")
    assert len(below) == 302  # type: ignore[arg-type]
    with reading() as session:
        listing = listings.of(session, backup_id)
        assert listing
        assert listings.pieces(listing) == Pieces([0, 1], [0, 1])
        assert listing.id == listing_id
        assert not listings.is_stale(listing)


def count(kind: type[Listing | ListingBlock]) -> int:
    with reading() as session:
        return session.scalar(select(func.count()).select_from(kind)) or 0


def change(listing_id: UUID, **columns: object) -> None:
    with transaction() as session:
        for name, value in columns.items():
            setattr(session.get_one(Listing, listing_id), name, value)


def drop() -> int:
    with reading() as session:
        old = listings.is_anything_old(session)
    with transaction() as session:
        dropped = listings.dropped(session)
    assert old == bool(dropped)
    return dropped


def test_a_new_listing_takes_the_place_of_the_old_one(backup_id: UUID) -> None:
    first = keep(backup_id)
    second = keep(backup_id, TREE[:1])
    with reading() as session:
        found = listings.of(session, backup_id)
        assert found
        assert found.id == second != first
    assert (count(Listing), count(ListingBlock)) == (1, 1)
    assert drop() == 0


def test_what_nobody_needs_goes(backup_id: UUID) -> None:
    old = clock.now() - listings.KEPT - timedelta(minutes=1)
    change(keep(backup_id), used_at=old)
    with transaction() as session:
        listing = listings.of(session, backup_id)
        assert listing
        assert listings.is_stale(listing)
        listings.note_use(session, listing)
    assert drop() == 0
    change(keep(backup_id), used_at=old)
    assert drop() == 1
    with transaction() as session:
        begun = listings.begin(session, backup_id).id
    assert drop() == 0
    change(begun, begun_at=clock.now() - timedelta(hours=2))
    assert drop() == 1
    with transaction() as session:
        listings.discard(session, listings.begin(session, backup_id).id)
    assert count(Listing) == 0
    keep(backup_id)
    with transaction() as session:
        session.get_one(Backup, backup_id).deleted_at = clock.now()
    assert drop() == 1
    assert (count(Listing), count(ListingBlock)) == (0, 0)


def test_the_longest_unused_goes_when_it_is_too_much(
    backup_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(backup_id)
    monkeypatch.setattr(listings, "BYTES_AT_MOST", 10)
    with transaction() as session:
        assert listings.dropped(session) == 1


def test_what_is_no_backup_cannot_be_looked_into(backup_id: UUID) -> None:
    def asked(**columns: object) -> None:
        with transaction() as session:
            backup = session.get_one(Backup, backup_id)
            for name, value in columns.items():
                session.query(Backup).filter_by(id=backup_id).update({name: value})
            session.refresh(backup)
            looking.ask(session, backup, None)
            session.rollback()

    with pytest.raises(NotFound):
        asked(deleted_at=clock.now())
    with pytest.raises(NotCompleted, match="made"):
        asked(deleted_at=None, status=Status.RUNNING)
    with pytest.raises(NotCompleted, match="failed"):
        asked(status=Status.FAILED)


def test_the_list_is_read_once_at_a_time(backup_id: UUID) -> None:
    with transaction() as session:
        backup = session.get_one(Backup, backup_id)
        run = looking.ask(session, backup, session.scalars(select(Person)).one())
        assert (run.kind, run.server_id, run.vault_id) == (RunKind.LIST, backup.server_id, None)
        assert looking.latest(session, backup) is run
        assert looking.on_server(session, backup).server_id == backup.server_id
        with pytest.raises(BackupInProgress):
            looking.ask(session, backup, None)


def test_it_is_read_where_the_backup_can_be_reached(backup_id: UUID) -> None:
    with transaction() as session:
        backup = session.get_one(Backup, backup_id)
        there = backup.server_copy
        assert there
        there.move(session, CopyStatus.MISSING)
        with pytest.raises(NoBackupDir):
            looking.sources(session, backup)
        there.move(session, CopyStatus.STORED)
        session.get_one(Server, backup.server_id).removed_at = clock.now()
        with pytest.raises(NoBackupDir):
            looking.on_server(session, backup)


def test_a_backup_in_a_vault_alone_is_no_download_from_a_server(backup_id: UUID) -> None:
    with transaction() as session:
        backup, vault = session.get_one(Backup, backup_id), add_vault(session)
        place = {"place": Place.VAULT, "vault_id": vault.id, "name": backup.archive}
        backup.copies.append(Copy(status=CopyStatus.STORED, **place))
        session.flush()
        assert [one.place for one in looking.sources(session, backup)] == ["vault", "server"]
        session.get_one(Server, backup.server_id).removed_at = clock.now()
        with pytest.raises(NoBackupDir):
            looking.on_server(session, backup)
        run = looking.ask(session, backup, None)
        assert (run.server_id, run.vault_id) == (None, vault.id)
