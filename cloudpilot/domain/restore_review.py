"""What a restore would do, path by path, and what stands in its way: from what a look found."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudpilot.sizes import human_bytes as human

SPARE = 64 * 1024 * 1024  # bytes that stay free on a disk
SPARE_INODES = 100  # so many files can still be made there
ANEW = "It is made: nothing is there now."
SWAP = "It takes the place of what is there by one rename."
CARRIED = "What the site's patterns leave out is carried over."
IN_PLACE = (
    "A file system is mounted there, so the folder itself stays: each thing in it is renamed to its"
    " place. What is mounted below is left as it is."
)
SIGN_IN_OTHERWISE = (
    "Who backs up may only read: plan the restore again, and sign in as somebody who may."
)
WITH_SAFE_MODE = "Plan the restore again, with safe mode on."
ONE_BY_ONE = "Plan a restore of its own for each of them."
GOES = "What was added since the backup goes with it."
STAYS = "What was added since the backup stays."


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one path.

    target   where it goes
    now      what is there, see engine.survey
    happens  sentences
    """

    target: str
    now: Mapping[str, Any]
    happens: Sequence[str]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why it cannot be done: a code of the catalogue, a sentence, and what to do where that is not
    what the catalogue says."""

    code: str
    sentence: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """What is asked of the disks, in bytes.

    fetched   archives that come from a vault, into the backup directory
    unpacked  beside what is there, until that is swapped; afterwards what was there is kept instead
    saved     the safe-mode backup, roughly
    files     how many names are unpacked
    is_part   only a part of the backup is wanted, so that `unpacked` and `files` are at most: the
              server finds out what it takes before it unpacks anything
    """

    fetched: int
    unpacked: int
    saved: int
    files: int = 0
    is_part: bool = False


def steps(survey: Mapping[str, Any], *, into: str, exact: bool, has_patterns: bool) -> list[Step]:
    """Of each path."""
    return [
        Step(f"{into}{path['path']}", path, _happens(path, exact, has_patterns))
        for path in survey["paths"]
    ]


def _happens(path: Mapping[str, Any], exact: bool, has_patterns: bool) -> list[str]:
    if path["kind"] == "absent":
        return [ANEW]
    if path["kind"] != "folder":
        return [SWAP]
    said = [IN_PLACE if path["mounted"] else SWAP]
    if has_patterns:
        said.append(CARRIED)
    return [*said, GOES if exact else STAYS]


def in_place(survey: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The databases that are replaced inside of one transaction: of these there is no undo."""
    return [one for one in survey.get("databases", ()) if one.get("method") == "in_place"]


def obstacles_in_place(survey: Mapping[str, Any], saved: Collection[int] | None) -> list[Obstacle]:
    """Why what has no undo is not done.

    saved  the numbers of databases that the safe-mode backup will hold; None: it is off
    """
    over = in_place(survey)
    lost = [one["name"] for one in over if one["number"] not in (saved or ())]
    found = [Obstacle("INVALID_CONFIG", *_not_saved(name, saved)) for name in lost]
    if len(over) > 1:
        names = ", ".join(one["name"] for one in over)
        said = (
            "Only one database can be restored in place at a time, since nothing undoes it:"
            f" restore {names} one after the other."
        )
        found.append(Obstacle("INVALID_CONFIG", said, ONE_BY_ONE))
    return found


def _not_saved(name: str, saved: Collection[int] | None) -> tuple[str, str]:
    said = f"{name} can be restored in place only, of which there is no Undo"
    if saved is None:
        return f"{said}, and safe mode is off: there would be no way back.", WITH_SAFE_MODE
    return (
        f"{said}, and the site's databases do not name it: the safe-mode backup would not hold it.",
        f"Add {name} to the databases of the site, or restore it under its own name.",
    )


def obstacles(
    survey: Mapping[str, Any], need: Need, *, into: str, saved: Collection[int] | None = None
) -> list[Obstacle]:
    """All that is known to stand in its way, before anything is done; `saved` as above."""
    tools = [
        Obstacle("TOOL_MISSING", f"{tool} is not installed there.") for tool in survey["missing"]
    ]
    each = [found for path in survey["paths"] for found in _of_path(path, into)]
    databases = [_of_database(one) for one in survey.get("databases", ()) if not one["method"]]
    databases += obstacles_in_place(survey, saved)
    return [*tools, *each, *databases, *_of_room(survey, need)]


def _of_database(found: Mapping[str, Any]) -> Obstacle:
    said = f"{found['name']}: {found['why']}"
    if found["lacks_rights"]:
        return Obstacle("DB_PRIVILEGE_MISSING", said, SIGN_IN_OTHERWISE)
    return Obstacle("DB_IN_THE_WAY", said)


def _of_path(path: Mapping[str, Any], into: str) -> list[Obstacle]:
    target = f"{into}{path['path']}"
    if path["kind"] == "link":
        return [Obstacle("PATH_IS_LINK", f"{target} is a link now.")]
    if path["kind"] == "other":
        return [Obstacle("PATH_MISSING", f"{target} is neither a folder nor a file now.")]
    if into and path["kind"] != "absent":
        return [Obstacle("INVALID_CONFIG", f"{target} is there already: choose another folder.")]
    if not path["writable"]:
        return [Obstacle("WRITE_DENIED", f"Nothing may be written beside {target}.")]
    return []


def _of_room(survey: Mapping[str, Any], need: Need) -> list[Obstacle]:
    """A file system has room for all that goes there. What each of several takes is not known: the
    server finds that out, as for a part. What the backup directory is to hold comes on top."""
    there: dict[int, list[str]] = defaultdict(list)
    places: dict[int, str] = {}
    for number, path in enumerate(survey["paths"]):
        places[path["system"]] = str(number)
        there[path["system"]].append(path["path"])
    kept, root = need.fetched + need.saved, survey.get("root_system")
    is_known = len(places) == 1 and not need.is_part
    unpacked, files = (need.unpacked, need.files) if is_known else (0, 0)
    found: list[Obstacle] = []
    for system, place in places.items():
        also = kept if system == root else 0
        found += _too_small(survey, place, unpacked + also, f"beside {', '.join(there[system])}")
        found += _too_few(survey, place, files, f"beside {', '.join(there[system])}")
    if kept and root not in places:
        found += _too_small(survey, "root", kept, "for archives")
    return found


def _too_small(survey: Mapping[str, Any], place: str, size: int, where: str) -> list[Obstacle]:
    free = survey["room"].get(place)  # None where nobody can say
    if not size or free is None or free >= size + SPARE:
        return []
    said = f"It needs about {human(size + SPARE)} {where}; {human(free)} is free."
    return [Obstacle("DISK_FULL", said)]


def _too_few(survey: Mapping[str, Any], place: str, files: int, where: str) -> list[Obstacle]:
    """Inodes; where they are made as they are needed nothing is said of them."""
    free = survey.get("inodes", {}).get(place)
    if free is None or free >= files + SPARE_INODES:
        return []
    needed = f"{files + SPARE_INODES:,} inodes {where}, one for each file"
    said = f"It needs about {needed}; {free:,} are free."
    return [Obstacle("DISK_FULL", said)]
