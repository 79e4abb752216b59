"""All of a panel comes back in another one: of another kind, with another secret key."""

import gzip
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from cloudpilot.db import Base, reading, transaction
from cloudpilot.domain import audit, rest
from cloudpilot.domain.audit import AuditEntry
from cloudpilot.exports.sealed import SEALED
from cloudpilot.exports.tables import EXPORTED, LEFT_OUT, THERE_BEFORE, exported
from cloudpilot.recovery import RecoveryKey
from tests.exports.conftest import everything, export, load

New = Callable[[], Any]


def test_every_table_and_column_is_exported_or_left_out_with_a_reason(core: Flask) -> None:
    said = set(LEFT_OUT) | {
        f"{table}.{column}" for table, columns in EXPORTED.items() for column in columns.split()
    }
    there = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        if table.name not in LEFT_OUT
        for column in table.columns
    }
    tables = {name for name in LEFT_OUT if "." not in name}
    assert there == said - tables
    assert tables <= set(Base.metadata.tables)


def test_what_is_sealed_here_is_exported_in_clear_or_not_at_all() -> None:
    for sealed in SEALED:
        assert sealed.column.key in EXPORTED[sealed.table.__tablename__].split()


def test_everything_comes_back(old: Flask, new: New, key: RecoveryKey) -> None:
    before = everything(old)
    assert [name for name, rows in before.items() if not rows] == []
    assert "s3cret" in str(before["servers"])
    data = export(old)
    with new() as app:
        load(app, key, data)
        after = everything(app)
        with reading() as session:
            assert rest.is_at_rest(session)
    for name in before:
        if name not in THERE_BEFORE:
            assert after[name] == before[name], name
    for name in THERE_BEFORE:
        assert after[name] == before[name], name


def test_a_second_import_is_refused(old: Flask, new: New, key: RecoveryKey) -> None:
    data = export(old)
    with new() as app:
        load(app, key, data)
        with pytest.raises(Exception, match="in this panel already"):
            load(app, key, data)
        with transaction() as session:  # entries go on where the old ones ended
            audit.record(session, audit.PANEL, audit.Action.SIGNED_OUT)
        with reading() as session:
            numbers = list(session.scalars(select(AuditEntry.id).order_by(AuditEntry.id)))
    assert len(set(numbers)) == len(everything(old)["audit_entries"]) + 1


def test_it_is_read_without_us(old: Flask, key: RecoveryKey, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(key.secret.reveal())
    command = ["age", "-d", "-i", str(tmp_path / "key")]
    said = subprocess.run(command, input=export(old), capture_output=True, check=True)
    first, *rows, last = map(json.loads, gzip.decompress(said.stdout).splitlines())
    assert first["format"] == "cloudpilot-export"
    assert (last["end"], last["counts"]) == (True, first["counts"])
    assert {row["table"] for row in rows} == {one.name for one in exported()}
    [server, *_] = [row["row"] for row in rows if row["table"] == "servers"]
    assert server["private_key"] == {"clear": "s3cret"}
