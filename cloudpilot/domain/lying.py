"""What lies in a vault, put together by the backup that it is said to belong to. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from cloudpilot.domain.manifests import Folder
from cloudpilot.domain.objects import ARCHIVE, INDEX, MANIFEST
from cloudpilot.errors import ManifestRefused

OBJECTS_AT_MOST = 200  # of one backup: uploads that were begun again and again
MANIFEST_NAME = "manifest.json"
_ID = "([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
# At Azure there are 128 random bits before the name.
_KEY = re.compile(rf"{_ID}/{_ID}/{_ID}/{_ID}/(?:[0-9a-f]{{32}}/)?([A-Za-z0-9._-]{{1,150}})")
_SIGNATURE = re.compile(r"signature-[0-9a-f]{16}\.json")


class ObjectThere(Protocol):
    """An object in a vault."""

    @property
    def key(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def modified_at(self) -> datetime: ...


One = TypeVar("One", bound=ObjectThere)


@dataclass(slots=True)
class Lying(Generic[One]):
    """What lies there of one backup; of an attempt, by the names of its objects, several of one
    name the newest first."""

    folder: Folder
    attempts: dict[UUID, dict[str, list[One]]] = field(default_factory=dict)
    count: int = 0

    def add(self, attempt: UUID, name: str, one: One) -> None:
        """One more object of it."""
        self.count += 1
        if self.count <= OBJECTS_AT_MOST:
            same = self.attempts.setdefault(attempt, {}).setdefault(name, [])
            same.append(one)
            same.sort(key=lambda each: each.modified_at, reverse=True)

    def newest(self) -> datetime | None:
        """When the newest object of those that are looked at was made."""
        named = (same[0].modified_at for names in self.attempts.values() for same in names.values())
        return max(named, default=None)

    def with_manifests(self) -> list[UUID]:
        """The attempts that may be whole, the newest first; raises ManifestRefused if there is
        none, or more than anybody has made."""
        if self.count > OBJECTS_AT_MOST:
            raise ManifestRefused("More objects lie in its place than an upload makes.")
        found = [one for one, names in self.attempts.items() if MANIFEST_NAME in names]
        if not found:
            raise ManifestRefused("It has no manifest: its upload may not have ended.")
        at = {one: self.attempts[one][MANIFEST_NAME][0].modified_at for one in found}
        return sorted(found, key=lambda one: (at[one], str(one)), reverse=True)

    def manifest(self, attempt: UUID) -> One:
        """The manifest of an attempt that has one."""
        return self.attempts[attempt][MANIFEST_NAME][0]

    def signatures(self, attempt: UUID) -> Sequence[One]:
        """What may be signatures of it, the newest first."""
        names = self.attempts[attempt]
        found = [one for name in names if _SIGNATURE.fullmatch(name) for one in names[name]]
        return sorted(found, key=lambda one: one.modified_at, reverse=True)

    def objects(self, attempt: UUID, archive: str) -> dict[str, One]:
        """Of an attempt, those that a backup consists of; raises ManifestRefused.

        archive  the file's name
        """
        names = {ARCHIVE: archive, INDEX: f"{archive}.index.gz", MANIFEST: MANIFEST_NAME}
        there = self.attempts[attempt]
        missing = [name for name, file in names.items() if file not in there]
        if missing:
            raise ManifestRefused(f"Its {' and '.join(missing)} is not there, or not yet.")
        return {name: there[file][0] for name, file in names.items()}


def together(objects: Iterable[One]) -> Iterator[Lying[One]]:
    """Backups by the order of their keys; what is called otherwise is passed over.

    objects  ordered by key
    """
    for found in groupby(filter(None, map(_parts, objects)), key=lambda parts: parts[0]):
        folder, parts = found
        lying: Lying[One] = Lying(folder)
        for _, attempt, name, one in parts:
            lying.add(attempt, name, one)
        yield lying


def _parts(one: One) -> tuple[Folder, UUID, str, One] | None:
    found = _KEY.fullmatch(one.key)
    if found is None:
        return None
    server, site, backup, attempt, name = found.groups()
    return Folder(UUID(server), UUID(site), UUID(backup)), UUID(attempt), name, one
