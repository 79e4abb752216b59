"""Manifests, as they lie in a vault beside archives: who may write there may have written them.

Every field is a stranger's word. It is taken as what it is shown as, or the whole is refused;
nothing of it is ever run. Pure. docs/adopting.md
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote_from_bytes
from uuid import UUID

from cloudpilot.domain import sites, told
from cloudpilot.domain.archives import Made
from cloudpilot.domain.index import NUMBER_AT_MOST
from cloudpilot.domain.servers import valid_path
from cloudpilot.errors import CloudPilotError, ManifestRefused
from cloudpilot.kinds import BackupType, Compression, Engine
from cloudpilot.text import plain

FORMAT = 1  # the newest that is understood
ITEMS_AT_MOST = 100  # databases
LEVEL_AT_MOST = 1000
TEXT_AT_MOST = 300
_ARCHIVE = re.compile(r"(files|database|full)-[0-9]{8}-[0-9]{6}Z\.tar\.(gz|zst)")


@dataclass(frozen=True, slots=True)
class Folder:
    """The ids of a key: `<server>/<site>/<backup>/…`; a server's own paths have its id as site."""

    server: UUID
    site: UUID
    backup: UUID

    @property
    def name(self) -> str:
        """What its keys begin with, without the slash at the end."""
        return f"{self.server}/{self.site}/{self.backup}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself, as it may be stored and shown.

    site_name  "" of a server's own paths
    archive    the file's name
    base       what an increment continues
    """

    folder: Folder
    type: BackupType
    created_at: datetime
    server_name: str
    site_name: str
    paths: Sequence[str]
    excludes: Sequence[str]
    databases: Sequence[Mapping[str, Any]]
    compression: Compression
    archive: str
    made: Made
    base: UUID | None


def parse(body: bytes, folder: Folder, now: datetime) -> Manifest:
    """What it says; raises ManifestRefused with the reason, also for ids that are not the path's.

    now  nothing is younger than that
    """
    return understood(told.read(body), folder, now)


def understood(said: Mapping[str, Any], folder: Folder, now: datetime) -> Manifest:
    """The same, of what has been read."""
    if said.get("format") != FORMAT:
        raise ManifestRefused("The manifest is of a format that this version does not know.")
    plan, result = told.mapping(said, "plan"), told.mapping(said, "result")
    try:
        return _manifest(said, plan, result, folder, now)
    except ManifestRefused:
        raise
    except (CloudPilotError, ValueError, TypeError, KeyError) as error:
        raise ManifestRefused(f"The manifest cannot be used: {plain(str(error), 200)}") from error


def _manifest(
    said: Mapping[str, Any],
    plan: Mapping[str, Any],
    result: Mapping[str, Any],
    folder: Folder,
    now: datetime,
) -> Manifest:
    server, site = told.mapping(plan, "server"), plan["site"]
    found = [server["id"], site["id"] if site else server["id"], plan["backup_id"]]
    if [told.identity(one) for one in found] != [folder.server, folder.site, folder.backup]:
        raise ManifestRefused("It is of another backup than its place says.")
    kind, compression = BackupType(plan["type"]), Compression(plan["compression"])
    archive = _archive(result["archive"], kind, compression)
    paths = [valid_path(told.text(one)) for one in told.listed(plan, "paths", sites.PATHS_AT_MOST)]
    made = Made.parse(_words(result), list(_counted(said.get("databases", []))))
    if made.level > LEVEL_AT_MOST:
        raise ManifestRefused("It continues more backups than a chain has.")
    return Manifest(
        folder=folder,
        type=kind,
        created_at=told.moment(plan["created_at"], now),
        server_name=told.name(server["name"]),
        site_name=told.name(site["name"]) if site else "",
        paths=paths,
        excludes=_patterns(plan, paths),
        databases=[_database(one) for one in told.listed(plan, "databases", ITEMS_AT_MOST)],
        compression=compression,
        archive=archive,
        made=made,
        base=told.identity(made.base) if made.level else None,
    )


def _archive(value: object, kind: BackupType, compression: Compression) -> str:
    text = told.text(value)
    found = _ARCHIVE.fullmatch(text)
    if not found or found[1] != kind.value or not text.endswith(compression.suffix):
        raise ManifestRefused("Its archive has no name as CloudPilot gives it.")
    return text


def _words(result: Mapping[str, Any]) -> dict[str, str]:
    """As a server says it: the same function judges both."""
    if "tree" in result or result.get("complete") is not True:
        raise ManifestRefused("It is not of a whole archive.")
    return {
        key: plain(str(value), TEXT_AT_MOST)
        for key, value in result.items()
        if isinstance(value, str | int)
    }


def _patterns(plan: Mapping[str, Any], paths: Sequence[str]) -> list[str]:
    patterns = [told.text(one) for one in told.listed(plan, "excludes", sites.PATTERNS_AT_MOST)]
    if any("\n" in one or one.endswith("/") for one in patterns):
        raise ManifestRefused("It has patterns that CloudPilot does not make.")
    sites.valid_patterns("\n".join(patterns), paths)
    return patterns


def _database(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ManifestRefused("What should describe a database does not.")
    return {
        "id": str(told.identity(value["id"])),
        "engine": Engine(value["engine"]).value,
        "where": told.short(value["where"], TEXT_AT_MOST),
        "user": told.short(value["user"], TEXT_AT_MOST),
        "all_but": value["all_but"] is True,
        "names": [told.short(one, TEXT_AT_MOST) for one in told.listed(value, "names", 1000)],
    }


def _counted(databases: object) -> Iterator[str]:
    """What is in the dumps, in the lines that a server says it in; see census.read."""
    if not isinstance(databases, list) or len(databases) > ITEMS_AT_MOST:
        raise ManifestRefused("What it says of dumps cannot be read.")
    for number, database in enumerate(databases, 1):
        if not isinstance(database, dict):
            raise ManifestRefused("What it says of dumps cannot be read.")
        yield f"D {number}"
        for key, value in database.items():
            if key != "rows_by_table":
                yield from (f"V {quoted(key)} {one}" for one in _values(value))
        tables = [one for one in told.listed(database, "rows_by_table", 100_000) if _is_table(one)]
        yield f"V listed {len(tables) + bool(database.get('partly'))}"
        yield from (f"T {number} {quoted(table)} {rows}" for table, rows in tables)


def _values(value: object) -> list[str]:
    if isinstance(value, bool):
        return ["1" if value else "0"]
    if isinstance(value, int):
        return [str(value) if 0 <= value <= NUMBER_AT_MOST else "0"]
    listed = value if isinstance(value, list) else [value]
    return [quoted(one) for one in listed[:ITEMS_AT_MOST] if isinstance(one, str)]


def _is_table(one: object) -> bool:
    return (
        isinstance(one, list)
        and len(one) == 2
        and isinstance(one[0], str)
        and type(one[1]) is int
        and 0 <= one[1] <= NUMBER_AT_MOST
    )


def quoted(text: str) -> str:
    """As a server writes it into one line.

    >>> quoted("my shop")
    'my%20shop'
    """
    return quote_from_bytes(text.encode("utf-8", "backslashreplace"), safe="/~+,@=")
