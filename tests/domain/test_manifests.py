"""Manifests that anybody may have written."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudpilot.domain import manifests
from cloudpilot.domain.told import BYTES_AT_MOST, name
from cloudpilot.errors import ManifestRefused
from cloudpilot.kinds import BackupType
from cloudpilot.text import has_controls
from tests.support.adopting import SHA256, a_folder, body, told

NOW = datetime(2026, 11, 29, tzinfo=UTC)
FOLDER = a_folder()
DATABASE = {
    "id": "6f0e0d0c-0000-4000-8000-00000000000a",
    "engine": "mariadb",
    "where": "127.0.0.1:3306",
    "user": "backup",
    "all_but": False,
    "names": ["shop"],
}
CENSUS = {
    "engine": "mariadb",
    "name": "my shop",
    "where": "127.0.0.1:3306",
    "exact": True,
    "tables": 2,
    "bytes": -1,
    "definer": ["root@localhost", 7],
    "rows": 7,
    "rows_by_table": [["a", 2], ["b", 5], ["c"], ["d", True], [3, 3]],
}


def refused(content: bytes) -> str:
    with pytest.raises(ManifestRefused) as caught:
        manifests.parse(content, FOLDER, NOW)
    return str(caught.value)


def test_what_a_server_writes_is_understood() -> None:
    found = manifests.parse(body(FOLDER), FOLDER, NOW)
    assert (found.server_name, found.site_name, found.type) == ("web-1", "shop", BackupType.FILES)
    assert (found.made.size, found.made.sha256, found.made.counts["files"]) == (4_711, SHA256, 3)
    assert found.excludes == ["*.log", "/cache"]
    assert found.base is None


def test_paths_of_a_server_have_no_site() -> None:
    folder = a_folder(server=FOLDER.server, site=FOLDER.server)
    found = manifests.parse(body(folder, plan={"site": None}), folder, NOW)
    assert found.site_name == ""


def test_what_is_in_dumps_is_counted_as_a_server_says_it() -> None:
    plan = {"type": "database", "paths": [], "excludes": [], "databases": [DATABASE]}
    result = {"archive": "database-20261120-100000Z.tar.gz"}
    found = manifests.parse(body(FOLDER, plan=plan, result=result, databases=[CENSUS]), FOLDER, NOW)
    [counted] = found.made.census
    assert (counted["name"], counted["exact"], counted["rows"]) == ("my shop", True, 7)
    assert counted["rows_by_table"] == [["b", 5], ["a", 2]]
    assert counted["definers"] == ["root@localhost"]
    assert found.databases == [DATABASE]


def test_an_increment_says_what_it_continues() -> None:
    base = uuid4()
    found = manifests.parse(body(FOLDER, result={"level": 1, "base": str(base)}), FOLDER, NOW)
    assert (found.base, found.made.level) == (base, 1)


def test_names_are_shown_as_they_are() -> None:
    hostile = "a\x1b[31m\u202egpj.exe\n<b>\ud800\U000e0041"
    plan = {"server": {"id": str(FOLDER.server), "name": hostile}}
    plan["site"] = {"id": str(FOLDER.site), "name": " \n "}
    found = manifests.parse(body(FOLDER, plan=plan), FOLDER, NOW)
    assert found.server_name == "a\\x1b[31m\\u202egpj.exe\\x0a<b>\\ud800\\ue0041"
    assert found.site_name == "(no name)"
    assert name("x" * 100) == "x" * 100
    assert len(name("\x1b" * 100)) == 100


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"plan": {"backup_id": str(uuid4())}},
        {"plan": {"backup_id": "../../etc"}},
        {"plan": {"backup_id": None}},
        {"plan": {"server": {"id": str(uuid4()), "name": "x"}}},
        {"plan": {"server": []}},
        {"plan": {"site": {"id": str(uuid4()), "name": "x"}}},
        {"plan": {"site": "shop"}},
        {"plan": {"site": {"id": str(FOLDER.site), "name": "x" * 101}}},
        {"plan": {"site": {"id": str(FOLDER.site), "name": "x" * 100_000}}},
        {"plan": {"server": {"id": str(FOLDER.server), "name": " " * 101}}},
        {"plan": {"databases": [DATABASE | {"where": "x" * 301}]}},
        {"plan": {"databases": [DATABASE | {"user": "x" * 301}]}},
        {"plan": {"databases": [DATABASE | {"names": ["x" * 301]}]}},
        {"plan": {"type": "everything"}},
        {"plan": {"type": "snapshot"}},
        {"plan": {"type": ["files"]}},
        {"plan": {"compression": "xz"}},
        {"plan": {"created_at": "yesterday"}},
        {"plan": {"created_at": "2026-11-20T10:00:00"}},
        {"plan": {"created_at": "2999-01-01T00:00:00+00:00"}},
        {"plan": {"created_at": "0001-01-01T00:00:00+23:59"}},
        {"plan": {"created_at": 5}},
        {"plan": {"paths": ["srv"]}},
        {"plan": {"paths": ["/srv/../etc"]}},
        {"plan": {"paths": ["/srv\n/etc"]}},
        {"plan": {"paths": [7]}},
        {"plan": {"paths": ["/a"] * 101}},
        {"plan": {"excludes": ["a\nb"]}},
        {"plan": {"excludes": ["cache/"]}},
        {"plan": {"excludes": ["shop"]}},
        {"plan": {"excludes": None}},
        {"plan": {"databases": ["shop"]}},
        {"plan": {"databases": [DATABASE | {"engine": "oracle"}]}},
        {"plan": {"databases": [DATABASE | {"names": 3}]}},
        {"result": {"archive": "../../../etc/passwd"}},
        {"result": {"archive": "database-20261120-100000Z.tar.gz"}},
        {"result": {"archive": "files-20261120-100000Z.tar.zst"}},
        {"result": {"sha256": "9f86"}},
        {"result": {"size": -1}},
        {"result": {"size": 0}},
        {"result": {"size": 2**70}},
        {"result": {"size": 1.5}},
        {"result": {"size": True}},
        {"result": {"files": [1]}},
        {"result": {"complete": "yes"}},
        {"result": {"tree": "files-20261120-100000Z.tree"}},
        {"result": {"level": 1, "base": "full"}},
        {"result": {"level": 100_000, "base": str(uuid4())}},
        {"result": []},
        {"databases": {"a": 1}},
        {"databases": ["shop"]},
        {"databases": [{"name": "shop"}]},
    ],
)
def test_what_is_not_as_it_is_written_is_refused(changes: dict[str, Any]) -> None:
    content = told(FOLDER)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(content.get(key), dict)
        content[key] = content[key] | value if both else value
    assert refused(json.dumps(content).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b"{",
        b'{"format": NaN}',
        b"[" * 100_000,
        b'{"format": 1' + b"0" * 10_000 + b"}",
        b" " * (BYTES_AT_MOST + 1),
    ],
)
def test_what_is_no_json_object_is_refused(content: bytes) -> None:
    assert refused(content)


def test_a_reason_holds_nothing_that_cannot_be_seen() -> None:
    assert "\\u202e" in refused(body(FOLDER, plan={"paths": ["\u202e/srv"]}))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(anything, st.sampled_from(["plan", "result", ""]), st.data())
def test_nothing_else_comes_of_anything(value: Any, part: str, data: st.DataObject) -> None:
    """Whatever stands where: it is understood, or refused with a sentence."""
    content = told(FOLDER)
    inside = content[part] if part else content
    inside[data.draw(st.sampled_from(sorted(inside)))] = value
    with suppress(ManifestRefused):
        found = manifests.parse(json.dumps(content).encode(), FOLDER, NOW)
        assert found.folder == FOLDER
        assert not has_controls(found.server_name + found.site_name)
