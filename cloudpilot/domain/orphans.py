"""Orphans: what lies on a server or in a vault and belongs to nothing that a row knows. Pure.

They are told and never deleted: who restores the panel's database from an older copy has backups
that no row knows, and wants them back.

What is known is read before and after looking. What is begun meanwhile is known after, what is
deleted meanwhile was known before; so nothing that is under way is ever an orphan.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

FOLDER_AGE = 3600  # seconds: a younger one may be of a run that is just being launched
OBJECT_AGE = timedelta(days=1)
TRIALS = "cloudpilot-check/"  # what keys begin with of the small objects that checks write
PANEL = "cloudpilot-panel/"  # and of the exports of panels, this one's and others'

_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_OF_A_BACKUP = re.compile(rf"({_ID})/{_ID}/({_ID})/.+", re.DOTALL)


class FolderThere(Protocol):
    """A folder in a backup directory: `kind` is "backup" or "schedule", `age` in seconds."""

    @property
    def kind(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def age(self) -> int: ...


class ObjectThere(Protocol):
    """An object in a vault."""

    @property
    def key(self) -> str: ...
    @property
    def modified_at(self) -> datetime: ...


class UploadThere(Protocol):
    """An open upload; `begun_at` is None where the store does not tell."""

    @property
    def key(self) -> str: ...
    @property
    def begun_at(self) -> datetime | None: ...


_Folder = TypeVar("_Folder", bound=FolderThere)
_Object = TypeVar("_Object", bound=ObjectThere)
_Upload = TypeVar("_Upload", bound=UploadThere)


@dataclass(frozen=True, slots=True)
class KnownOnServer:
    """Ids of backups that have something on a server, and of schedules that are there."""

    backups: frozenset[str] = frozenset()
    schedules: frozenset[str] = frozenset()

    def __or__(self, other: "KnownOnServer") -> "KnownOnServer":
        return KnownOnServer(self.backups | other.backups, self.schedules | other.schedules)


@dataclass(frozen=True, slots=True)
class KnownInVault:
    """What is known of a vault.

    keys     of objects that are not proven gone, and of uploads under way
    at_work  ids of backups that something is being done with
    servers  ids of all servers that this panel has or had
    """

    keys: frozenset[str] = frozenset()
    at_work: frozenset[str] = frozenset()
    servers: frozenset[str] = frozenset()

    def __or__(self, other: "KnownInVault") -> "KnownInVault":
        return KnownInVault(
            self.keys | other.keys,
            self.at_work | other.at_work,
            self.servers | other.servers,
        )


@dataclass(frozen=True, slots=True)
class InVault(Generic[_Object, _Upload]):
    """What of a vault's contents belongs to nothing that is known.

    strange  how many of the objects are of servers that this panel has never had: another panel
             may keep them there
    foreign  how many objects have no key as CloudPilot makes them; they are no orphans
    """

    objects: Sequence[_Object]
    uploads: Sequence[_Upload]
    strange: int
    foreign: int


def folders(there: Iterable[_Folder], known: KnownOnServer) -> list[_Folder]:
    """Those that nobody knows, in their order; none that was changed within FOLDER_AGE."""
    ids = {"backup": known.backups, "schedule": known.schedules}
    return [one for one in there if one.age > FOLDER_AGE and one.id not in ids[one.kind]]


def in_vault(
    objects: Iterable[_Object], uploads: Iterable[_Upload], known: KnownInVault, now: datetime
) -> InVault[_Object, _Upload]:
    """Those that nobody knows, in their order; none that came within OBJECT_AGE before `now`."""
    foreign, strange = 0, 0
    found: list[_Object] = []
    for one in objects:
        if one.key.startswith(PANEL):
            continue
        if not _is_ours(one.key):
            foreign += 1
        elif one.modified_at < now - OBJECT_AGE and not _is_known(one.key, known):
            found.append(one)
            strange += _is_strange(one.key, known)
    left = [one for one in uploads if _is_left(one, known, now)]
    return InVault(found, left, strange, foreign)


def _is_left(upload: UploadThere, known: KnownInVault, now: datetime) -> bool:
    """Where the store does not say when an upload was begun, it ends it by itself."""
    old = upload.begun_at is not None and upload.begun_at < now - OBJECT_AGE
    return old and _is_ours(upload.key) and not _is_known(upload.key, known)


def _is_ours(key: str) -> bool:
    """
    >>> _is_ours("cloudpilot-check/1"), _is_ours("photos/cat.jpg")
    (True, False)
    """
    return key.startswith(TRIALS) or _OF_A_BACKUP.fullmatch(key) is not None


def _is_known(key: str, known: KnownInVault) -> bool:
    ids = _OF_A_BACKUP.fullmatch(key)
    return key in known.keys or (ids is not None and ids[2] in known.at_work)


def _is_strange(key: str, known: KnownInVault) -> bool:
    ids = _OF_A_BACKUP.fullmatch(key)
    return ids is not None and ids[1] not in known.servers
