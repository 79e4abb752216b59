"""What is left out of an archive: the rules in words, and as tar on the real sshd follows them."""

import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from cloudpilot.errors import InvalidConfig, InvalidPath
from cloudpilot.excludes import distinct, merged, options
from tests.engine.conftest import Backups

TREE = (
    "cache/a", "cache.txt", "deep/cache/b", "deep/deeper/x.log", "x.log", ".hidden/x",
    "log/app.LOG", "deep/a b", "[id]/page", "i", "star*", "stars",
    "back\\slash", "-dash", "a/b/c", "x/a/b", "aé",
)  # fmt: skip


def members(archive: Path, top: Path) -> set[str]:
    """Names in an archive relative to `top`, those of folders without their slash."""
    with tarfile.open(archive) as tar:
        names = [member.name for member in tar.getmembers()[1:-1]]
    start = f"files{top}"
    return {name.removeprefix(start).lstrip("/") for name in names} - {""}


def plant(top: Path, names: tuple[str, ...]) -> set[str]:
    """Makes files; returns their names and those of the folders that they are in."""
    found = set()
    for name in names:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))
        found |= {name, *(str(parent) for parent in Path(name).parents if str(parent) != ".")}
    return found


CASES = {
    "cache": {"cache", "cache/a", "deep/cache", "deep/cache/b"},
    "cache/": {"cache", "cache/a", "deep/cache", "deep/cache/b"},
    "/cache": {"cache", "cache/a"},
    "/cache/": {"cache", "cache/a"},
    "deep/cache": {"deep/cache", "deep/cache/b"},
    "*.log": {"deep/deeper/x.log", "x.log"},
    "/*.log": {"x.log"},
    "/*/*.log": set(),
    "/deep/*/x.log": {"deep/deeper/x.log"},
    "x.lo?": {"deep/deeper/x.log", "x.log"},
    ".*": {".hidden", ".hidden/x"},
    "a b": {"deep/a b"},
    "[id]": {"[id]", "[id]/page"},
    "star\\*": {"star*"},
    "star*": {"star*", "stars"},
    "back\\\\slash": {"back\\slash"},
    "-dash": {"-dash"},
    "a/b": {"a/b", "a/b/c"},
    "/x/*": {"x/a", "x/a/b"},
    "a??": {"aé", "deep/a b"},
    "/*": None,
    "nothing": set(),
}


@pytest.mark.parametrize("pattern", CASES)
def test_a_pattern_leaves_out(backups: Backups, tmp_path: Path, pattern: str) -> None:
    top = tmp_path / "the [site]*"
    everything = plant(top, TREE)
    expected = CASES[pattern]
    made = backups.make(top, excludes=(pattern,))
    left_out = everything if expected is None else expected
    assert everything - members(made.archive, top) == left_out


def test_patterns_add_up_and_are_anchored_at_every_path(backups: Backups, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for top in (one, two):
        plant(top, ("cache/x", "deep/cache/x", "a.log", "keep"))
    made = backups.make(one, two, excludes=("/cache", "*.log"))
    for top in (one, two):
        names = {name for name in members(made.archive, top) if not name.startswith("files")}
        assert names == {"deep", "deep/cache", "deep/cache/x", "keep"}


@pytest.mark.parametrize("pattern", ["srv", "w*", "???", "*", "s?v/", "\\srv", "日*", "日???"])
def test_a_pattern_that_would_leave_out_a_path_itself_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidConfig, match="nothing of it would be backed up"):
        options([pattern], ["/srv/www", "/日本"])


@pytest.mark.parametrize("pattern", ["", "/", "//", "**/x", "a//b", "../x", "/./x", "a\0b"])
def test_a_pattern_that_means_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidConfig):
        options([pattern], ["/srv/www"])


def test_patterns_have_a_limit_together() -> None:
    with pytest.raises(InvalidConfig, match="too long"):
        options([f"/{number}" + "x" * 100 for number in range(500)], ["/srv/www", "/srv/other"])
    assert options([], ["/srv"]) == ()


@pytest.mark.parametrize("path", ["", "relative", "/a//b", "/a/", "/a/../b", "/a/.", "/a\0b"])
def test_a_path_that_is_not_whole_is_refused(path: str) -> None:
    with pytest.raises(InvalidPath):
        distinct([path])


def test_paths_are_merged() -> None:
    assert merged(["/srv/b", "/srv/a/x", "/srv/a", "/srv/ab", "/srv/b"]) == (
        "/srv/a",
        "/srv/ab",
        "/srv/b",
    )
    assert merged(["/srv", "/"]) == ("/",)
    with pytest.raises(InvalidPath):
        merged([])


# Names and patterns by the hundred. The rules are written down a second time, the simple way.

CHARACTERS = "ab*?[]\\!^-'\"`$(){}~#&;|<> \n\té日\udcff\x01"
names = st.text(st.sampled_from(CHARACTERS), min_size=1, max_size=12).filter(
    lambda name: name not in {".", ".."} and len(os.fsencode(name)) <= 255
)


def fits(pattern: bytes, name: bytes) -> bool:
    if not pattern:
        return not name
    first, rest = pattern[:1], pattern[1:]
    if first == b"*":
        return fits(rest, name) or (bool(name) and fits(pattern, name[1:]))
    if first == b"?":
        return bool(name) and fits(rest, name[1:])
    if first == b"\\" and rest:
        first, rest = rest[:1], rest[1:]
    return name[:1] == first and fits(rest, name[1:])


def is_left_out(name: str, pattern: str) -> bool:
    parts = [os.fsencode(part) for part in name.split("/")]
    wanted = [os.fsencode(part) for part in pattern.strip("/").split("/")]
    if "/" in pattern.rstrip("/"):
        pairs = zip(wanted, parts, strict=False)
        return len(parts) >= len(wanted) and all(fits(one, part) for one, part in pairs)
    return any(fits(wanted[0], part) for part in parts)


@given(
    site=names,
    tree=st.lists(st.lists(names, min_size=1, max_size=3).map("/".join), max_size=10, unique=True),
    patterns=st.lists(
        st.tuples(st.sampled_from(["", "/"]), names, st.sampled_from(["", "/"])), max_size=6
    ),
    literal=st.booleans(),
)
@example(site="\n", tree=["a"], patterns=[], literal=False)  # a slash before the end of a line
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_hostile_names_and_patterns_mean_what_they_say(
    backups: Backups,
    tmp_path_factory: pytest.TempPathFactory,
    site: str,
    tree: list[str],
    patterns: list[tuple[str, str, str]],
    literal: bool,
) -> None:
    top = tmp_path_factory.mktemp("h") / site
    top.mkdir()
    everything = set()
    for name in tree:
        try:
            everything |= plant(top, (name,))
        except OSError:
            continue  # one name is a file here and a folder there
    written = [f"{start}{name}{end}" for start, name, end in patterns]
    if literal and tree:
        written += ["/" + "".join(f"\\{char}" if char != "/" else char for char in tree[0])]
    parts = str(top).split("/")
    assume(not any("**" in pattern or not pattern.strip("/") for pattern in written))
    for pattern in written:
        assume("/" in pattern.rstrip("/") or not any(is_left_out(part, pattern) for part in parts))
    made = backups.make(top, excludes=tuple(written))
    expected = {
        name
        for name in everything
        if not any(
            is_left_out(start, pattern)
            for pattern in written
            for start in (name, *map(str, Path(name).parents))
            if start != "."
        )
    }
    assert members(made.archive, top) == expected
