"""What a plan says of a restore, and what stands in its way."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from cloudpilot.domain import chains, restore_sources
from cloudpilot.domain.backups import Backup
from cloudpilot.domain.restore_review import (
    ANEW,
    CARRIED,
    GOES,
    IN_PLACE,
    SIGN_IN_OTHERWISE,
    STAYS,
    SWAP,
    Need,
    obstacles,
    steps,
)
from cloudpilot.kinds import BackupType

NOTHING = Need(0, 0, 0)


def path(**what: Any) -> dict[str, Any]:
    plain = {"path": "/srv/a", "kind": "folder", "mounted": False, "writable": True, "system": 1}
    return plain | what


def survey(*paths: dict[str, Any], root: int = 10**12, **room: int) -> dict[str, Any]:
    free = {str(number): 10**12 for number in range(len(paths))} | room
    return {"missing": [], "room": {"root": root} | free, "paths": list(paths)}


@pytest.mark.parametrize(
    ("found", "options", "said"),
    [
        (path(kind="absent"), {}, [ANEW]),
        (path(kind="file"), {}, [SWAP]),
        (path(), {}, [SWAP, GOES]),
        (path(), {"exact": False}, [SWAP, STAYS]),
        (path(), {"has_patterns": True}, [SWAP, CARRIED, GOES]),
        (path(mounted=True), {}, [IN_PLACE, GOES]),
    ],
)
def test_what_becomes_of_a_path(found: dict[str, Any], options: Any, said: list[str]) -> None:
    asked = {"into": "", "exact": True, "has_patterns": False} | options
    [step] = steps(survey(found), **asked)
    assert list(step.happens) == said


def test_what_goes_into_a_folder_is_told_with_it() -> None:
    [step] = steps(survey(path(kind="absent")), into="/back", exact=True, has_patterns=False)
    assert step.target == "/back/srv/a"


@pytest.mark.parametrize(
    ("found", "into", "codes"),
    [
        (path(), "", []),
        (path(kind="link"), "", ["PATH_IS_LINK"]),
        (path(kind="other"), "", ["PATH_MISSING"]),
        (path(), "/back", ["INVALID_CONFIG"]),
        (path(kind="absent"), "/back", []),
        (path(writable=False), "", ["WRITE_DENIED"]),
    ],
)
def test_what_stands_in_the_way_of_a_path(
    found: dict[str, Any], into: str, codes: list[str]
) -> None:
    assert [one.code for one in obstacles(survey(found), NOTHING, into=into)] == codes


def test_missing_tools_are_named() -> None:
    found = survey(path()) | {"missing": ["zstd"]}
    [one] = obstacles(found, NOTHING, into="")
    assert (one.code, one.sentence) == ("TOOL_MISSING", "zstd is not installed there.")


def test_a_database_that_cannot_be_swapped_stands_in_the_way() -> None:
    looked = [
        {"name": "shop", "method": "", "why": "This user lacks DROP.", "lacks_rights": True},
        {"name": "news", "method": "", "why": "It has replication slots.", "lacks_rights": False},
        {"name": "blog", "method": "swap", "why": "", "lacks_rights": True},
    ]
    rights, slots = obstacles(survey() | {"databases": looked}, NOTHING, into="")
    assert (rights.code, rights.sentence) == ("DB_PRIVILEGE_MISSING", "shop: This user lacks DROP.")
    assert rights.remedy == SIGN_IN_OTHERWISE
    assert (slots.code, slots.sentence) == ("DB_IN_THE_WAY", "news: It has replication slots.")


def over(number: int, name: str) -> dict[str, Any]:
    return {"number": number, "name": name, "method": "in_place", "lacks_rights": True}


@pytest.mark.parametrize(
    ("saved", "looked", "said"),
    [
        ({1}, [over(1, "shop")], []),
        (None, [over(1, "shop")], ["safe mode is off"]),
        ({2}, [over(1, "shop")], ["would not hold it"]),
        ({1, 2}, [over(1, "shop"), over(2, "news")], ["restore shop, news one after the other"]),
        (None, [{"number": 1, "name": "shop", "method": "swap"}], []),
    ],
)
def test_what_has_no_undo_is_done_alone_and_behind_a_safe_mode_backup(
    saved: set[int] | None, looked: list[dict[str, Any]], said: list[str]
) -> None:
    found = obstacles(survey() | {"databases": looked}, NOTHING, into="", saved=saved)
    assert len(found) == len(said)
    for one, words in zip(found, said, strict=True):
        assert words in one.sentence
        assert one.remedy


def test_room_is_asked_of_each_file_system_once_and_of_the_backup_directory() -> None:
    need = Need(fetched=5_000_000_000, unpacked=10**9, saved=10**9)
    paths = path(), path(path="/srv/b")
    enough = survey(*paths)
    assert obstacles(enough, need, into="") == []

    tight = {"0": 10**9, "1": 10**9}
    first, second = obstacles(survey(*paths, root=10**9, **tight), need, into="")
    assert first.code == second.code == "DISK_FULL"
    assert first.sentence == "It needs about 1.1 GB beside /srv/a, /srv/b; 1.0 GB is free."
    assert second.sentence == "It needs about 6.1 GB for archives; 1.0 GB is free."


def test_what_lies_on_one_disk_is_added_up() -> None:
    need = Need(fetched=3 * 10**9, unpacked=5 * 10**9, saved=10**9)
    together = survey(path(), **{"0": 7 * 10**9}) | {"root_system": 1}  # type: ignore[arg-type]
    [one] = obstacles(together, need, into="")
    assert one.sentence == "It needs about 9.1 GB beside /srv/a; 7.0 GB is free."
    apart = together | {"root_system": 2}
    assert obstacles(apart, need, into="") == []


def test_what_a_part_takes_is_not_refused_before_it_is_known() -> None:
    need = Need(fetched=0, unpacked=10**12, saved=0, files=10**9, is_part=True)
    found = survey(path(), **{"0": 10**9}) | {"inodes": {"0": 500}}  # type: ignore[arg-type]
    assert obstacles(found, need, into="") == []


def test_what_each_of_several_disks_takes_is_not_refused_before_it_is_known() -> None:
    need = Need(fetched=0, unpacked=101 * 10**9, saved=10**9, files=10**6)
    paths = path(), path(path="/data", system=2)
    found = survey(*paths, **{"0": 200 * 10**9, "1": 50 * 10**9})  # type: ignore[arg-type]
    found |= {"inodes": {"0": 10**7, "1": 10**5}}
    assert obstacles(found, need, into="") == []
    [one] = obstacles(found | {"root_system": 2}, replace(need, saved=60 * 10**9), into="")
    assert one.sentence == "It needs about 60.1 GB beside /data; 50.0 GB is free."


def test_a_disk_of_which_nothing_is_known_is_not_called_full() -> None:
    need = Need(fetched=10**9, unpacked=10**9, saved=0)
    found = survey(path()) | {"room": {"root": None, "0": None}}
    assert obstacles(found, need, into="") == []


def test_inodes_count_where_they_have_a_limit() -> None:
    need = Need(fetched=0, unpacked=10**6, saved=0, files=5000)
    [one] = obstacles(survey(path()) | {"inodes": {"0": 900}}, need, into="")
    assert one.code == "DISK_FULL"
    assert one.sentence == (
        "It needs about 5,100 inodes beside /srv/a, one for each file; 900 are free."
    )
    assert obstacles(survey(path()) | {"inodes": {"0": 5100}}, need, into="") == []


def test_folders_that_each_increment_names_again_are_counted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = (
        {"entries": 100_500, "directories": 100_000},
        {"entries": 100_020, "directories": 100_010},
        {"entries": 99_007, "directories": 99_000},
    )
    line = [Backup(counts=one) for one in counts]
    monkeypatch.setattr(chains, "needed", lambda *_: line)
    assert restore_sources.names(Session(), line[-1]) == 100_010 + 500 + 10 + 7


@pytest.mark.parametrize(
    ("paths", "kind", "is_part"),
    [
        (["/srv/a", "/srv/b"], BackupType.FILES, False),
        (["/srv/a"], BackupType.FILES, True),
        (["/srv/a", "/srv/b"], BackupType.FULL, True),  # its dumps are not unpacked
        ([], BackupType.FULL, False),  # databases alone
    ],
)
def test_a_part_is_less_than_the_archive_holds(
    paths: list[str], kind: BackupType, is_part: bool
) -> None:
    backup = Backup(paths=["/srv/b", "/srv/a"], type=kind)
    assert restore_sources.is_part(backup, paths) is is_part
