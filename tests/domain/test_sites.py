"""domain.sites: what may be backed up and what may be left out."""

from uuid import uuid4

import pytest
from flask import Flask

from cloudpilot import clock
from cloudpilot.db import reading, transaction
from cloudpilot.domain import sites
from cloudpilot.errors import InvalidConfig, InvalidPath, NotFound
from cloudpilot.kinds import BackupType
from tests.support.rows import add_server, add_site


def test_paths_come_one_a_line_without_blank_ones_or_doubles() -> None:
    assert sites.valid_paths("/srv/a/\r\n\r\n/srv/b \n/srv/a") == ["/srv/a", "/srv/b"]


@pytest.mark.parametrize("text", ["srv", "/proc", "/sys/kernel", "/dev", "/run/x"])
def test_a_path_is_a_whole_one_and_none_of_the_kernels(text: str) -> None:
    with pytest.raises(InvalidPath):
        sites.valid_paths(text)


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_site_may_have_no_paths_and_what_is_backed_up_at_once_has_some(text: str) -> None:
    assert sites.valid_paths(text) == []
    assert sites.some_paths("/srv") == ["/srv"]
    with pytest.raises(InvalidPath, match="at least one path"):
        sites.some_paths(text)


def test_what_can_be_backed_up_is_what_the_site_has() -> None:
    files, database, full = BackupType.FILES, BackupType.DATABASE, BackupType.FULL
    assert sites.types([], []) == ()
    assert sites.types(["/srv"], []) == (files,)
    assert sites.types([], ["shop"]) == (database,)
    assert sites.types(["/srv"], ["shop"]) == (full, files, database)


def test_there_are_not_too_many_paths() -> None:
    with pytest.raises(InvalidPath, match="at most 100"):
        sites.valid_paths("\n".join(f"/srv/{number}" for number in range(101)))


@pytest.mark.parametrize(
    ("typed", "pattern"),
    [
        ("*.log", "*.log"),
        ("node_modules/", "node_modules"),
        ("/cache", "/cache"),
        ("cache/tmp/", "cache/tmp"),
        ("**/cache", "cache"),
        ("-x $(y) 'z'", "-x $(y) 'z'"),
        ("trailing ", "trailing "),
    ],
)
def test_a_pattern_is_kept_as_it_is_meant(typed: str, pattern: str) -> None:
    assert sites.valid_patterns(typed, ["/srv/www"]) == [pattern]


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("/", "everything"),
        ("a/**/b", "match nothing"),
        ("../x", "match nothing"),
        ("a//b", "match nothing"),
        ("\\www", "itself"),
        ("a\u200bb", "cannot be seen"),
        ("www", "itself"),
        ("s?v", "itself"),
        ("*", "itself"),
    ],
)
def test_a_pattern_that_would_surprise_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(InvalidConfig, match=why):
        sites.valid_patterns(pattern, ["/srv/www"])


def test_brackets_are_letters_like_any_other() -> None:
    assert sites.valid_patterns("[w]", ["/home/w"]) == ["[w]"]


def test_patterns_that_are_too_long_at_all_paths_together_are_refused() -> None:
    paths = [f"/srv/{'x' * 50}{n}" for n in range(100)]
    with pytest.raises(InvalidConfig, match="all paths together"):
        sites.valid_patterns("\n".join(f"/{n}" for n in range(490)), paths)


def test_there_are_not_too_many_patterns() -> None:
    for text in (
        "\n".join(f"p{n}" for n in range(501)),
        "\n".join(f"{n}{'x' * 999}" for n in range(60)),
    ):
        with pytest.raises(InvalidConfig, match="at most"):
            sites.valid_patterns(text, ["/srv"])


def test_sites_are_listed_by_name_and_found_unless_removed(core: Flask) -> None:
    with transaction() as session:
        one, two = add_server(session, "one"), add_server(session, "two")
        kept = add_site(session, one, "b")
        add_site(session, two, "a")
        gone = add_site(session, one, "gone", removed_at=clock.now())
    with reading() as session:
        assert [site.name for site in sites.listed(session)] == ["a", "b"]
        assert [site.name for site in sites.listed(session, one.id)] == ["b"]
        assert sites.find(session, kept.id).paths == ["/srv/shop"]
        for missing in (gone.id, uuid4()):
            with pytest.raises(NotFound):
                sites.find(session, missing)
