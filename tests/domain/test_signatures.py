"""Signatures: who has the recovery key knows what the panel has proven, and nobody makes one."""

import json
import os
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from cloudpilot import clock
from cloudpilot.db import transaction
from cloudpilot.domain import signatures, vouching
from cloudpilot.domain.adoption import Laid
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.objects import ARCHIVE, INDEX, MANIFEST, NAMES, VaultObject
from cloudpilot.domain.servers import Server
from cloudpilot.domain.status import Status
from cloudpilot.errors import BackupInProgress, ManifestRefused
from cloudpilot.kinds import BackupType, Method, Place
from tests.support.adopting import SHA256, a_folder, adopted, told
from tests.support.rows import add_server, add_site
from tests.support.vaulting import add_vault
from tests.web.scenes import add_backup

KEY, OTHER = os.urandom(32), os.urandom(32)
FOLDER, ATTEMPT = a_folder(), uuid4()
LAID = {name: Laid(f"{FOLDER.name}/{ATTEMPT}/{name}", 4_711, "e", "v", SHA256) for name in NAMES}


def said(**changes: Any) -> dict[str, Any]:
    extra = {"attempt": str(ATTEMPT), "objects": signatures.objects(LAID)}
    return told(FOLDER) | extra | changes


def opened(text: bytes, key: bytes = KEY) -> signatures.Signed:
    return signatures.opened(key, text, FOLDER, clock.now())


def refused(text: bytes, key: bytes = KEY) -> str:
    with pytest.raises(ManifestRefused) as caught:
        opened(text, key)
    return str(caught.value)


def test_what_was_signed_is_known_again() -> None:
    signed = opened(signatures.make(KEY, said()))
    assert (signed.attempt, signed.objects) == (ATTEMPT, LAID)
    assert signed.manifest.server_name == "web-1"
    assert signatures.difference(signed, ATTEMPT, LAID) is None


def test_another_key_is_another_key_and_tells_nothing() -> None:
    text = signatures.make(KEY, said())
    assert "another recovery key" in refused(text, OTHER)
    assert KEY.hex().encode() not in text
    assert signatures.file_name(KEY) != signatures.file_name(OTHER)


def test_whatever_is_changed_is_told() -> None:
    outer = json.loads(signatures.make(KEY, said()))
    for name, value, why in (
        ("signed", outer["signed"].replace("web-1", "web-2"), "changed"),
        ("signed", outer["signed"] + " ", "changed"),
        ("signed", None, "text"),
        ("hmac", "0" * 64, "changed"),
        ("hmac", "\u00e9", "changed"),
        ("hmac", 5, "text"),
        ("key", signatures.key_id(OTHER), "another"),
        ("format", 2, "format"),
    ):
        assert why in refused(json.dumps(outer | {name: value}).encode()), name


def test_one_of_another_place_is_none() -> None:
    text = signatures.make(KEY, said())
    with pytest.raises(ManifestRefused, match="another backup"):
        signatures.opened(KEY, text, a_folder(), clock.now())
    for wrong in (
        {"objects": {}},
        {"objects": signatures.objects(LAID | {INDEX: Laid("elsewhere/x", 1, "", "", "")})},
        {"objects": signatures.objects(LAID) | {ARCHIVE: {"key": "x"}}},
        {"attempt": "x"},
        {"plan": {"type": "everything"}},
        {"plan": 5},
        {"format": 7},
        {"result": {}},
    ):
        assert refused(signatures.make(KEY, said(**wrong))).startswith("Its signature ")
    assert refused(b"[]") == "Its signature is no JSON object."
    with pytest.raises(
        ManifestRefused, match=r"^Its signature is of another backup than its place"
    ):
        signatures.opened(KEY, text, a_folder(), clock.now())
    large = signatures.objects(LAID)
    large[ARCHIVE]["size"] = "4711"
    assert "not in its place" in refused(signatures.make(KEY, said(objects=large)))


def test_what_lies_there_is_what_was_signed_or_is_told() -> None:
    signed = opened(signatures.make(KEY, said()))
    assert "another upload" in str(signatures.difference(signed, uuid4(), LAID))
    for name in NAMES:
        other = LAID | {name: Laid(LAID[name].key, 4_711, "another etag", "v")}
        assert f"Its {name} is not" in str(signatures.difference(signed, ATTEMPT, other))
    assert signatures.difference(signed, ATTEMPT, {ARCHIVE: LAID[ARCHIVE]})


@pytest.fixture
def vault_id(core: Flask) -> UUID:
    with transaction() as session:
        return add_vault(session).id


def stored(session: Session, vault_id: UUID, **columns: Any) -> Copy:
    """A backup that this panel has had proven in the vault."""
    server = add_server(session)
    site = add_site(session, server)
    at = clock.now().replace(microsecond=0) - timedelta(hours=1)
    backup = add_backup(session, server, site, Status.COMPLETED, **columns)
    backup.created_at, backup.archive = at, f"{backup.type}-{at:%Y%m%d-%H%M%S}Z.tar.gz"
    place = {"place": Place.VAULT, "vault_id": vault_id, "name": backup.archive}
    proven = {"verified_by": "md5-parts", "verified_at": clock.now(), "sha256": SHA256, "size": 5}
    copy = Copy(id=uuid4(), status=CopyStatus.STORED, **place, **proven)
    backup.copies.append(copy)
    attempt, folder = uuid4(), f"{server.id}/{site.id}/{backup.id}"
    session.flush()
    names = {ARCHIVE: backup.archive, INDEX: "i.index.gz", MANIFEST: "manifest.json"}
    for name, file in names.items():
        key = f"{folder}/{attempt}/{file}"
        ids = {"copy_id": copy.id, "vault_id": vault_id, "attempt": attempt}
        proven = {"size": 5, "sha256": SHA256, "stored_at": clock.now(), "etag": name}
        session.add(VaultObject(name=name, key=key, upload_secret="", **ids, **proven))
    session.flush()
    return copy


CENSUS = {
    "engine": "mariadb",
    "name": "shop",
    "where": "127.0.0.1:3306",
    "exact": True,
    "tables": 1,
    "rows": 2,
    "definers": ["root@localhost"],
    "rows_by_table": [["a", 2]],
    "complete": True,
}


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"method": Method.TREE, "tar_size": None, "base_id": uuid4(), "level": 0},
        {"warning_count": 3, "counts": {"files": 3, "unreadable": 2}},
        {"type": BackupType.FULL, "census": [CENSUS, CENSUS | {"complete": False}]},
        {"level": 1, "base_id": uuid4(), "chain_id": uuid4()},
    ],
)
def test_what_a_panel_signs_is_what_another_reads(vault_id: UUID, columns: dict[str, Any]) -> None:
    with transaction() as session:
        copy = stored(session, vault_id, **columns)
        backup = session.get_one(Backup, copy.backup_id)
        found = vouching.laid(session, copy)
        assert found is not None
        text = signatures.make(KEY, vouching.said(session, copy, *found))
        own = backup.site_id
        assert own
        folder = a_folder(server=backup.server_id, site=own, backup=backup.id)
        signed = signatures.opened(KEY, text, folder, clock.now())
        assert signatures.difference(signed, *found) is None
        told_again = signed.manifest
        assert (told_again.archive, told_again.created_at) == (backup.archive, backup.created_at)
        assert (told_again.made.size, told_again.made.sha256) == (5, SHA256)
        assert told_again.made.warnings == backup.warning_count
        assert list(told_again.made.census) == backup.census
        assert told_again.made.level == (0 if backup.is_tree else backup.level)
        assert told_again.base == (backup.base_id if told_again.made.level else None)


def test_what_is_not_signed_yet_is_found(vault_id: UUID) -> None:
    file = signatures.file_name(KEY)
    with transaction() as session:
        copy = stored(session, vault_id)
        adopted(session, vault_id)
        assert [one.id for one in vouching.unsigned(session, vault_id, file, 9)] == [copy.id]
        ids = {"copy_id": copy.id, "vault_id": vault_id, "attempt": uuid4()}
        row = VaultObject(name=file, key="k", upload_secret="", **ids)
        session.add(row)
        session.flush()
        assert len(vouching.unsigned(session, vault_id, file, 9)) == 1  # begun, and not proven
        row.stored_at = clock.now()
        session.flush()
        assert vouching.unsigned(session, vault_id, file, 9) == []
        other = signatures.file_name(OTHER)
        assert len(vouching.unsigned(session, vault_id, other, 9)) == 1


def test_one_signs_at_a_time(vault_id: UUID) -> None:
    with transaction() as session:
        from_row = add_vault(session, "second")
        assert vouching.latest(session, from_row.id) is None
        run = vouching.ask(session, from_row)
        with pytest.raises(BackupInProgress):
            vouching.ask(session, from_row)
        assert vouching.latest(session, from_row.id) is run


def test_a_copy_that_is_not_whole_is_not_signed(vault_id: UUID) -> None:
    with transaction() as session:
        copy = stored(session, vault_id)
        rows = session.query(VaultObject).filter_by(copy_id=copy.id).all()
        rows[0].gone_at = clock.now()
        session.flush()
        assert vouching.laid(session, copy) is None
        for row in rows:
            row.gone_at = clock.now()
        session.flush()
        assert vouching.laid(session, copy) is None


def found_with(session: Session, vault_id: UUID, key: bytes, **changes: Any) -> Backup:
    """One that was found, with a signature beside it that says what its rows say."""
    folder = a_folder()
    backup = adopted(session, vault_id, folder, **changes)
    rows = session.query(VaultObject).filter_by(copy_id=backup.copies[0].id).all()
    attempt = rows[0].key.split("/")[3]
    laid = {
        one.name: Laid(one.key, one.size or 0, one.etag, one.version, one.sha256 or "")
        for one in rows
    }
    plan = {"server": {"id": str(folder.server), "name": "as it was signed"}}
    content = told(folder, plan=plan) | {"attempt": attempt, "objects": signatures.objects(laid)}
    backup.signature = signatures.make(key, content).decode()
    session.flush()
    return backup


def test_what_was_found_is_judged_by_a_key(vault_id: UUID) -> None:
    with transaction() as session:
        without = adopted(session, vault_id)
        backup = found_with(session, vault_id, KEY)
        assert not vouching.judge(session, backup, None)
        assert backup.unverified_why == vouching.NO_KEY
        assert vouching.judge_all(session, vault_id, OTHER) == (0, 2)
        assert "another recovery key" in backup.unverified_why
        assert vouching.judge_all(session, vault_id, KEY) == (1, 1)
        assert (backup.is_unverified, backup.unverified_why) == (False, "")
        assert backup.server_name == "as it was signed"
        assert session.get_one(Server, backup.server_id).name == "as it was signed"
        assert without.is_unverified
        assert "No signature" in without.unverified_why
        assert vouching.judge_all(session, vault_id, KEY) == (0, 1)


def test_a_server_of_this_panel_keeps_its_name(vault_id: UUID) -> None:
    with transaction() as session:
        backup = found_with(session, vault_id, KEY)
        session.get_one(Server, backup.server_id).adopted_at = None
        assert vouching.judge(session, backup, KEY)
        assert session.get_one(Server, backup.server_id).name == "web-1"


def test_what_is_told_otherwise_under_a_signature_loses_its_chain(vault_id: UUID) -> None:
    with transaction() as session:
        base = uuid4()
        backup = found_with(session, vault_id, KEY, result={"level": 1, "base": str(base)})
        backup.chain_id = base
        assert vouching.judge(session, backup, KEY)
        assert (backup.level, backup.base_id, backup.chain_id) == (0, None, None)


def test_a_signature_of_other_objects_is_told(vault_id: UUID) -> None:
    with transaction() as session:
        backup = found_with(session, vault_id, KEY)
        rows = session.query(VaultObject).filter_by(copy_id=backup.copies[0].id).all()
        rows[1].etag = "replaced"
        session.flush()
        assert not vouching.judge(session, backup, KEY)
        assert "is not the object that was signed" in backup.unverified_why
        rows[1].gone_at = clock.now()
        session.flush()
        assert not vouching.judge(session, backup, KEY)
        assert "not there any more" in backup.unverified_why
