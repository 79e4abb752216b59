"""Which backups are good, and how the newest of them are found: conditions of queries.

A good backup is completed, was whole when it was made, has not been deleted by us, was there when a
Check looked for it last, and has no serious warnings. One that was adopted is none: this panel has
not seen it made.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, cast, func, or_, select

from cloudpilot.domain.backups import Backup
from cloudpilot.domain.copies import Copy, CopyStatus
from cloudpilot.domain.sites import Site
from cloudpilot.domain.status import ACTIVE, Status
from cloudpilot.errors import RunStopped
from cloudpilot.kinds import BackupType

SERIOUS = 100  # one name in so many that could not be read makes warnings serious


def has_files(backup: Any = Backup) -> ColumnElement[bool]:
    """Paths are part of it."""
    return _is_of(backup, lambda kind: kind.has_files)


def has_databases(backup: Any = Backup) -> ColumnElement[bool]:
    """Dumps are part of it."""
    return _is_of(backup, lambda kind: kind.has_databases)


def is_snapshot(backup: Any = Backup) -> ColumnElement[bool]:
    """It is of a whole machine."""
    return _is_of(backup, lambda kind: kind is BackupType.SNAPSHOT)


def _is_of(backup: Any, holds: Callable[[BackupType], bool]) -> ColumnElement[bool]:
    return cast(backup.type, String).in_([kind.value for kind in BackupType if holds(kind)])


def is_good() -> tuple[ColumnElement[bool], ...]:
    """Completed, somewhere as far as we know, and without serious warnings."""
    copy = select(Copy.id).where(
        Copy.backup_id == Backup.id,
        reads(Copy.status, CopyStatus.STORED),
    )
    unreadable, files, folders = (
        func.coalesce(Backup.counts[name].as_float(), 0)
        for name in ("unreadable", "files", "directories")
    )
    few = unreadable * SERIOUS <= unreadable + files + folders
    return (
        reads(Backup.status, Status.COMPLETED),
        Backup.adopted_at.is_(None),
        copy.correlate(Backup).exists(),
        or_(Backup.warning_count == 0, few),
    )


def is_serious(backup: Backup) -> bool:
    """Whether so much could not be read that the backup does not count as good."""
    count = backup.counts.get
    unreadable = count("unreadable", 0) if backup.warning_count else 0
    read = count("files", 0) + count("directories", 0)
    return bool(unreadable * SERIOUS > unreadable + read)


def has_ended() -> tuple[ColumnElement[bool], ...]:
    """Made here, over, and not because a person stopped it."""
    return (
        Backup.adopted_at.is_(None),
        and_(*(cast(Backup.status, String) != status.value for status in ACTIVE)),
        Backup.error_code.is_distinct_from(RunStopped.code),
    )


def has_failed() -> tuple[ColumnElement[bool], ...]:
    """Failed, and not because a person stopped it: there would be nothing to be done about it."""
    return (
        Backup.status == Status.FAILED,
        Backup.error_code.is_distinct_from(RunStopped.code),
    )


def newest_of_site(column: Any, *conditions: Any) -> Any:
    """That column of a site's newest such backup, within a query of sites."""
    rows = newest(select(column), Backup.site_id == Site.id, *conditions)
    return rows.correlate(Site).scalar_subquery()


def newest(rows: Select[Any], *conditions: Any) -> Select[Any]:
    """The newest backup of those, deleted ones left out."""
    rows = rows.where(*conditions, Backup.deleted_at.is_(None))
    return rows.order_by(Backup.created_at.desc(), Backup.id.desc()).limit(1)


def reads(column: Any, value: StrEnum) -> ColumnElement[bool]:
    """That value, said so that no index of such values is walked: for a site that was never backed
    up it would be walked to its end. The rows of one site or server are few."""
    return cast(column, String) == value.value
