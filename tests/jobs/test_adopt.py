"""Adoption as the queue does it: real stores, and a panel that has never heard of what is there."""

import time
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import delete

from cloudpilot import recovery
from cloudpilot.db import Base, transaction
from cloudpilot.domain import deletions, searches, told, vouching
from cloudpilot.domain import recovery as keys
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import CopyStatus, Offsite
from cloudpilot.domain.objects import ARCHIVE, MANIFEST
from cloudpilot.domain.people import Person
from cloudpilot.domain.restores import RestoreStatus
from cloudpilot.domain.runs import Run
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import VaultRefused
from cloudpilot.jobs import adopt, check_vault, opening, orphans, sign
from cloudpilot.jobs import runs as jobs
from cloudpilot.kinds import VaultKind
from cloudpilot.recovery import RecoveryKey
from cloudpilot.reports import Grade
from cloudpilot.vaults import sending
from cloudpilot.vaults.base import StoredObject
from cloudpilot.vaults.base import Vault as StoreVault
from tests.support.adopting import a_folder
from tests.support.restores import restored
from tests.support.rows import add_person
from tests.support.uploading import PREFIX, Store, back_up, drive, found, objects

PAIRS = [
    ("sqlite", VaultKind.S3),
    ("postgresql", VaultKind.GCS),
    ("postgresql", VaultKind.AZURE_BLOB),
]
KEPT = {"vaults", "audit_entries", "alembic_version"}

everywhere = pytest.mark.parametrize(("database_url", "store"), PAIRS, indirect=True)


def lose() -> None:
    """The panel's database is a fresh one, but for its vault."""
    with transaction() as session:
        for table in reversed(Base.metadata.sorted_tables):
            if table.name not in KEPT:
                session.execute(delete(table))
        add_person(session)


def search(vault_id: UUID) -> Run:
    """Look for backups there, to the end."""
    with transaction() as session:
        by = session.query(Person).first() or add_person(session)
        run_id = searches.ask(session, session.get_one(Vault, vault_id), by).id
    drive()
    with transaction() as session:
        return session.get_one(Run, run_id)


@everywhere
def test_a_fresh_panel_finds_a_backup(
    core: Flask, site_id: UUID, vault_id: UUID, store: Store
) -> None:
    backup_id = back_up(site_id, vault_id)
    drive()
    before, its = found(backup_id), objects(backup_id)
    lose()
    run = search(vault_id)
    assert run.status is Status.COMPLETED, (run.error_code, run.error_detail)
    reached = searches.progress(run)
    assert (reached.unverified, reached.servers, reached.refused) == (1, 1, 0), run.log
    backup = found(backup_id)
    same = "type server_id server_name site_name paths excludes compression archive size sha256"
    for name in (*same.split(), "tar_size", "counts", "tools"):
        assert getattr(backup, name) == getattr(before, name), name
    assert backup.created_at == before.created_at.replace(microsecond=0)
    assert backup.is_unverified
    [copy] = backup.copies
    assert (copy.status, copy.size, copy.sha256) == (CopyStatus.STORED, before.size, before.sha256)
    for new, old in zip(objects(backup_id), its, strict=True):
        for name in ("name", "key", "size", "etag", "version"):
            assert getattr(new, name) == getattr(old, name), name
    with transaction() as session:
        server = session.get_one(Server, backup.server_id)
        assert server.adopted_at
        assert server.removed_at


def make_key(core: Flask) -> RecoveryKey:
    """A recovery key that somebody has."""
    made = recovery.new()
    with transaction() as session:
        person = session.query(Person).first() or add_person(session)
        keys.confirm(session, keys.add(session, core.extensions["sealer"], made, "!", person))
    return made


def keep_key(core: Flask, made: RecoveryKey) -> None:
    """A fresh panel with the same one."""
    with transaction() as session:
        person = session.query(Person).first() or add_person(session)
        keys.confirm(session, keys.add(session, core.extensions["sealer"], made, "!", person))


def signed_backup(site_id: UUID, vault_id: UUID) -> UUID:
    backup_id = back_up(site_id, vault_id)
    drive()
    assert [one.name for one in objects(backup_id) if one.name.startswith("signature-")]
    return backup_id


def all_belongs_to_something(vault_id: UUID) -> None:
    line = orphans.in_vault(opening.vault(vault_id), vault_id, time.monotonic() + 60)
    assert line.grade is Grade.OK, line.sentence


def test_what_was_overwritten_counts_as_signed_in_no_search(
    core: Flask, site_id: UUID, vault_id: UUID, store: Store
) -> None:
    made = make_key(core)
    backup_id = signed_backup(site_id, vault_id)
    [archive] = [one for one in objects(backup_id) if one.name == ARCHIVE]
    store.replace(f"{PREFIX}/{archive.key}", b"x" * (archive.size or 0))
    lose()
    keep_key(core, made)
    reached = searches.progress(search(vault_id))
    assert (reached.signed, reached.unverified) == (0, 1)
    before = {one.id for one in objects(backup_id)}
    reached = searches.progress(search(vault_id))
    assert (reached.signed, reached.unverified, reached.known) == (0, 0, 1)
    assert {one.id for one in objects(backup_id)} == before
    assert "Its archive is not the object that was signed" in found(backup_id).unverified_why


def test_false_signatures_beside_it_hide_none(
    core: Flask, site_id: UUID, vault_id: UUID, store: Store
) -> None:
    """Newer ones, of other names and of the same, and one that is larger than any."""
    made = make_key(core)
    backup_id = signed_backup(site_id, vault_id)
    [own] = [one.key for one in objects(backup_id) if one.name.startswith("signature-")]
    place, _, name = own.rpartition("/")
    names = [f"signature-{n:016x}.json" for n in range(4)]
    names += [f"{n:032x}/{name}" for n in range(4)]
    for n, one in enumerate(names):
        store.replace(
            f"{PREFIX}/{place}/{one}", b" " * (told.BYTES_AT_MOST + 1) if n in {0, 4} else b"{}"
        )
    lose()
    keep_key(core, made)
    reached = searches.progress(search(vault_id))
    assert (reached.signed, reached.unverified) == (1, 0), reached


def typed(made: RecoveryKey, vault_id: UUID) -> tuple[int, int]:
    """How many are signed, and not, by a key that this panel has not."""
    with transaction() as session:
        return vouching.judge_all(session, vault_id, recovery.manifest_key(made.secret))


def test_a_typed_key_finds_its_signature_among_false_ones(
    core: Flask, site_id: UUID, vault_id: UUID, store: Store
) -> None:
    made = make_key(core)
    backup_id = signed_backup(site_id, vault_id)
    [own] = [one.key for one in objects(backup_id) if one.name.startswith("signature-")]
    for n in range(7):
        false = f"{PREFIX}/{own.rpartition('/')[0]}/signature-{n:016x}.json"
        store.replace(false, b" " * (told.BYTES_AT_MOST - n % 2) if n > 3 else b"{}")
    lose()
    assert searches.progress(search(vault_id)).unverified == 1
    assert typed(recovery.new(), vault_id) == (0, 1)
    assert typed(made, vault_id) == (1, 0)
    assert not found(backup_id).is_unverified


def test_a_typed_key_reaches_behind_a_false_upload_once_that_is_deleted(
    core: Flask, site_id: UUID, vault_id: UUID, store: Store
) -> None:
    made = make_key(core)
    backup_id = signed_backup(site_id, vault_id)
    its = {one.key for one in objects(backup_id)}
    lay_copy(store, backup_id, "/".join(next(iter(its)).split("/")[:3]), UUID(int=1))
    lose()
    search(vault_id)
    assert typed(made, vault_id) == (0, 1)
    assert not {one.key for one in objects(backup_id)} & its
    delete_it(backup_id)
    reached = searches.progress(search(vault_id))
    assert (reached.unverified, reached.refused) == (1, 0)
    assert {one.key for one in objects(backup_id)} == its
    assert found(backup_id).deleted_at is None
    assert typed(made, vault_id) == (1, 0)


def test_what_is_laid_there_later_takes_no_signature_from_it(
    core: Flask, site_id: UUID, vault_id: UUID, store: Store
) -> None:
    made = make_key(core)
    backup_id = signed_backup(site_id, vault_id)
    its = {one.key for one in objects(backup_id)}
    lose()
    search(vault_id)
    lay_copy(store, backup_id, "/".join(next(iter(its)).split("/")[:3]), UUID(int=1))
    assert searches.progress(search(vault_id)).known == 1
    assert {one.key for one in objects(backup_id)} == its
    assert typed(made, vault_id) == (1, 0)


def test_what_was_deleted_stays_so_if_it_is_found_again(
    core: Flask, site_id: UUID, vault_id: UUID, store: Store
) -> None:
    """A store that lists for a while what it has deleted."""
    backup_id = back_up(site_id, vault_id)
    drive()
    kept = {one.key: store.body(f"{PREFIX}/{one.key}") for one in objects(backup_id)}
    lose()
    search(vault_id)
    delete_it(backup_id)
    for key, body in kept.items():
        store.replace(f"{PREFIX}/{key}", body)
    assert searches.progress(search(vault_id)).known == 1
    assert found(backup_id).deleted_at


def lay_copy(store: Store, backup_id: UUID, place: str, attempt: UUID) -> None:
    """Somebody lays the same there, as of another upload, with a false signature."""
    for one in objects(backup_id):
        if not one.name.startswith("signature-"):
            file = one.key.rpartition("/")[2]
            content = store.body(f"{PREFIX}/{one.key}")
            store.replace(f"{PREFIX}/{place}/{attempt}/{file}", content)
    store.replace(f"{PREFIX}/{place}/{attempt}/signature-{0:016x}.json", b"{}")


def delete_it(backup_id: UUID) -> None:
    """A person has it deleted."""
    with transaction() as session:
        by = session.query(Person).first() or add_person(session)
        deletions.delete(session, session.get_one(Backup, backup_id), by)
    drive()
    assert found(backup_id).deleted_at


def test_a_false_one_that_was_deleted_does_not_shut_out_the_right_one(
    core: Flask, site_id: UUID, vault_id: UUID, store: Store
) -> None:
    """It lies in another folder, which comes first, and carries the same id."""
    made = make_key(core)
    backup_id = signed_backup(site_id, vault_id)
    its = objects(backup_id)
    [manifest] = [one for one in its if one.name == MANIFEST]
    server, false = str(found(backup_id).server_id), str(UUID(int=1))
    old = manifest.key.rpartition("/")[0]
    for one in its[:3]:
        place = one.key.replace(old, f"{false}/{manifest.key.split('/', 1)[1].rpartition('/')[0]}")
        content = store.body(f"{PREFIX}/{one.key}")
        store.replace(f"{PREFIX}/{place}", content.replace(server.encode(), false.encode()))
    lose()
    search(vault_id)
    assert str(found(backup_id).server_id) == false
    delete_it(backup_id)
    search(vault_id)
    assert found(backup_id).deleted_at  # without the key nobody knows that it is right
    keep_key(core, made)
    reached = searches.progress(search(vault_id))
    backup = found(backup_id)
    assert (str(backup.server_id), backup.is_unverified) == (server, False), reached
    assert backup.deleted_at is backup.delete_requested_at is None
    assert {one.key for one in objects(backup_id)} == {one.key for one in its}


def test_deleting_a_false_one_takes_nothing_else_of_the_folder(
    core: Flask, site_id: UUID, vault_id: UUID, store: Store
) -> None:
    made = make_key(core)
    backup_id = signed_backup(site_id, vault_id)
    its = {one.key for one in objects(backup_id)}
    folder = "/".join(next(iter(its)).split("/")[:3])
    lay_copy(store, backup_id, folder, UUID(int=1))
    lose()
    search(vault_id)  # of a panel without the key
    assert len(objects(backup_id)) == 4
    assert not {row.key for row in objects(backup_id)} & its
    delete_it(backup_id)
    left = {key.removeprefix(f"{PREFIX}/") for key in store.keys(folder)}
    assert left == its
    keep_key(core, made)
    assert searches.progress(search(vault_id)).refused == 0
    assert not found(backup_id).is_unverified


@everywhere
def test_what_is_signed_is_known_again(
    core: Flask, site_id: UUID, vault_id: UUID, store: Store
) -> None:
    made = make_key(core)
    backup_id = signed_backup(site_id, vault_id)
    before = found(backup_id)
    lose()
    reached = searches.progress(search(vault_id))
    assert (reached.signed, reached.unverified) == (0, 1)
    assert "nobody has compared it" in found(backup_id).unverified_why
    with transaction() as session:
        other = recovery.manifest_key(recovery.new().secret)
        assert vouching.judge_all(session, vault_id, other) == (0, 1)
    assert "another recovery key" in found(backup_id).unverified_why
    with transaction() as session:
        right = recovery.manifest_key(made.secret)
        assert vouching.judge_all(session, vault_id, right) == (1, 0)
    backup = found(backup_id)
    assert not backup.is_unverified
    same = "type server_name site_name paths excludes archive size tar_size sha256 counts tools"
    for name in same.split():
        assert getattr(backup, name) == getattr(before, name), name
    lose()
    keep_key(core, made)
    reached = searches.progress(search(vault_id))
    assert (reached.signed, reached.unverified) == (1, 0)
    assert found(backup_id).signed_at
    all_belongs_to_something(vault_id)
    assert sum(one.name.startswith("signature-") for one in objects(backup_id)) == 1


def test_what_was_changed_after_it_was_signed_is_told(
    core: Flask, site_id: UUID, vault_id: UUID, store: Store
) -> None:
    made = make_key(core)
    backup_id = signed_backup(site_id, vault_id)
    [manifest] = [one for one in objects(backup_id) if one.name == MANIFEST]
    whole = f"{PREFIX}/{manifest.key}"
    text = store.body(whole).decode().replace("igzip", "gzipp").replace("pigz", "gipz")
    store.replace(whole, text.encode() + b" ")
    lose()
    keep_key(core, made)
    search(vault_id)
    assert "Its manifest is not the object that was signed" in found(backup_id).unverified_why


def test_a_forged_manifest_is_what_it_is(
    core: Flask, site_id: UUID, vault_id: UUID, store: Store
) -> None:
    """Somebody who can write to the bucket makes backups of other servers of this one's archive."""
    made = make_key(core)
    backup_id = signed_backup(site_id, vault_id)
    its = {one.name: one for one in objects(backup_id)}
    backup = found(backup_id)
    forged = a_folder(server=backup.server_id)
    old = its[MANIFEST].key.rpartition("/")[0]
    for one in its.values():
        content = store.body(f"{PREFIX}/{one.key}")
        place = one.key.replace(old, f"{forged.name}/{its[MANIFEST].attempt}")
        content = content.replace(str(backup_id).encode(), str(forged.backup).encode())
        content = content.replace(str(backup.site_id).encode(), str(forged.site).encode())
        store.replace(f"{PREFIX}/{place}", content)
    evil = a_folder()
    name = f"{evil.name}/{its[MANIFEST].attempt}/manifest.json"
    store.replace(f"{PREFIX}/{name}", b'{"format": 1, "plan": "rm -rf /"}')
    lose()
    keep_key(core, made)
    run = search(vault_id)
    reached = searches.progress(run)
    assert (reached.signed, reached.unverified, reached.refused) == (1, 1, 1), run.log
    assert "something of it was changed" in found(forged.backup).unverified_why
    assert not found(backup_id).is_unverified


def test_what_had_no_signature_gets_one_later(
    core: Flask, site_id: UUID, vault_id: UUID, store: Store
) -> None:
    backup_id = back_up(site_id, vault_id)
    drive()
    assert len(objects(backup_id)) == 3
    make_key(core)
    assert sign.ask(vault_id) == 1
    drive()
    assert len(objects(backup_id)) == 4
    assert sign.ask(vault_id) == 0
    first = [key for key in store.keys(str(backup_id)) if "signature" in key]
    make_key(core)  # in place of the other
    assert sign.ask(vault_id) == 1
    assert sign.ask(vault_id) == 1  # it is under way
    drive()
    both = [key for key in store.keys(str(backup_id)) if "signature" in key]
    assert len(both) == 2
    assert set(first) < set(both)
    with transaction() as session:
        person = session.query(Person).first() or add_person(session)
        deletions.delete(session, session.get_one(Backup, backup_id), person)
    drive()
    assert store.keys(str(backup_id)) == []


def test_a_store_that_takes_no_signature_fails_no_backup(
    core: Flask, site_id: UUID, vault_id: UUID, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_key(core)
    why = VaultRefused("The store is full.")

    def full(*_: object) -> None:
        raise why

    with monkeypatch.context() as broken:
        broken.setattr(sending, "send", full)
        backup_id = back_up(site_id, vault_id)
        drive()
        assert found(backup_id).offsite_status is Offsite.UPLOADED
        assert sign.ask(vault_id) == 1
        drive()
        with transaction() as session:
            run = vouching.latest(session, vault_id)
        assert run is not None
        assert (run.status, "The store is full." in str(run.error_detail)) == (Status.FAILED, True)
        lines = check_vault._signatures(vault_id)
        assert (lines[0].grade, lines[0].code) == (Grade.WARNING, run.error_code)
        drive()
    assert sign.ask(vault_id) == 1
    drive()
    assert sign.ask(vault_id) == 0
    assert len([key for key in store.keys(str(backup_id)) if "signature" in key]) == 1


def lose_the_newest() -> None:
    """The panel's database is an older copy: it has its server and site, and no backup of them."""
    with transaction() as session:
        for name in ("vault_objects", "copies", "status_events", "runs", "backups"):
            session.execute(delete(Base.metadata.tables[name]))


def test_one_job_looks_for_a_while_and_the_next_goes_on(
    core: Flask, site_id: UUID, vault_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = set()
    for _ in range(3):
        ids.add(back_up(site_id, vault_id))
        drive()
    lose()
    monkeypatch.setattr(adopt, "SECONDS", -1)
    with transaction() as session:
        by = session.query(Person).first()
        assert by
        run_id = searches.ask(session, session.get_one(Vault, vault_id), by).id
    jobs.start(str(run_id))
    with transaction() as session:
        run = session.get_one(Run, run_id)
        assert (run.status, searches.progress(run).unverified) == (Status.RUNNING, 1)
        searches.note(run, searches.Progress())  # as if it had been killed before it said so
    drive()
    with transaction() as session:
        run = session.get_one(Run, run_id)
        reached = searches.progress(run)
        assert run.status is Status.COMPLETED
        assert (reached.unverified, reached.known) == (2, 1)
        assert {one.id for one in session.query(Backup)} == ids


def test_one_that_is_stopped_finds_nothing_more(
    core: Flask, site_id: UUID, vault_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(site_id, vault_id)
    drive()
    lose()
    real = adopt.small

    def stopped(vault: StoreVault, one: StoredObject) -> bytes:
        with transaction() as session:
            [run] = session.query(Run)
            run.move(session, Status.FAILED)
        return real(vault, one)

    monkeypatch.setattr(adopt, "small", stopped)
    assert search(vault_id).status is Status.FAILED
    with transaction() as session:
        assert session.query(Backup).all() == []


def test_what_nobody_has_signed_brings_no_rights(
    core: Flask, site_id: UUID, vault_id: UUID, tmp_path: Path
) -> None:
    """On its own server as well: it may have been put there by anybody."""
    made = make_key(core)
    shell = tmp_path / "site" / "shell"
    shell.write_text("#!/bin/sh\n")
    shell.chmod(0o4755)
    backup_id = signed_backup(site_id, vault_id)
    lose_the_newest()
    with transaction() as session:
        session.execute(delete(Base.metadata.tables["recovery_keys"]))
    assert searches.progress(search(vault_id)).unverified == 1
    backup = found(backup_id)
    assert backup.site_id == site_id
    for name, mode in (("unverified", 0o755), ("signed", 0o4755)):
        into = tmp_path / name
        restore = restored(backup_id, vault_id=vault_id, into=str(into), knows=True)
        assert (restore.status, restore.error_detail) == (RestoreStatus.COMPLETED, None)
        copy = Path(f"{into}{shell}")
        assert (copy.read_text(), copy.stat().st_mode & 0o7777) == ("#!/bin/sh\n", mode)
        with transaction() as session:
            vouching.judge_all(session, vault_id, recovery.manifest_key(made.secret))
