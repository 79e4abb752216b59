"""Sites: what of a server belongs together."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock, excludes
from cloudpilot.db import Base
from cloudpilot.domain.servers import Server, valid_path
from cloudpilot.domain.status import values_of
from cloudpilot.domain.vaults import Vault
from cloudpilot.errors import InvalidConfig, InvalidPath, NotFound
from cloudpilot.kinds import BackupType, Compression, Method
from cloudpilot.text import has_controls

PATHS_AT_MOST = 100
PATTERNS_AT_MOST = 500
PATTERN_BYTES_AT_MOST = 50_000  # of all patterns: they are arguments of one command
_SYSTEM = ("/proc", "/sys", "/dev", "/run")


class Site(Base):
    """Paths and databases (see there) of a server that are backed up together."""

    __tablename__ = "sites"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    server_id: Mapped[UUID] = mapped_column(ForeignKey(Server.id), index=True)
    name: Mapped[str]
    paths: Mapped[list[str]]
    excludes: Mapped[list[str]]
    compression: Mapped[Compression] = mapped_column(
        values_of(Compression), default=Compression.GZIP
    )
    # What its backups do unless the form says otherwise; see Backup.
    vault_id: Mapped[UUID | None] = mapped_column(ForeignKey(Vault.id))
    streamed: Mapped[bool] = mapped_column(default=False)
    method: Mapped[Method] = mapped_column(values_of(Method), default=Method.ARCHIVE)
    local_days: Mapped[int | None]
    rate: Mapped[int | None] = mapped_column(BigInteger)  # bytes a second
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    removed_at: Mapped[datetime | None]  # a tombstone: its backups keep their site
    preview: Mapped[dict[str, Any] | None]  # what the last PREVIEW run counted
    previewed_at: Mapped[datetime | None]


def find(session: Session, site_id: UUID) -> Site:
    """Raises NotFound, also for one that was removed."""
    site = session.get(Site, site_id)
    if site is None or site.removed_at:
        raise NotFound("There is no such site.")
    return site


def listed(session: Session, server_id: UUID | None = None) -> list[Site]:
    """The sites of one server or of all, by name."""
    rows = select(Site).where(Site.removed_at.is_(None)).order_by(Site.name, Site.id)
    return list(session.scalars(rows.where(Site.server_id == server_id) if server_id else rows))


def types(paths: Sequence[str], databases: Sequence[Any]) -> tuple[BackupType, ...]:
    """What can be backed up of a site that has these, all of it first; nothing of an empty one.

    >>> [str(kind) for kind in types(["/srv"], ["shop"])]
    ['full', 'files', 'database']
    """
    if paths and databases:
        return BackupType.FULL, BackupType.FILES, BackupType.DATABASE
    return (BackupType.FILES,) if paths else (BackupType.DATABASE,) if databases else ()


def some_paths(text: str) -> list[str]:
    """As valid_paths; raises InvalidPath also if there is none."""
    paths = valid_paths(text)
    if not paths:
        raise InvalidPath("Give at least one path.")
    return paths


def valid_paths(text: str) -> list[str]:
    """Paths to back up, one a line, or none; raises InvalidPath.

    >>> valid_paths("/srv/www/\\n\\n/etc")
    ['/srv/www', '/etc']
    """
    paths = list(dict.fromkeys(valid_path(line.strip()) for line in _typed_lines(text)))
    if len(paths) > PATHS_AT_MOST:
        raise InvalidPath(f"Give at most {PATHS_AT_MOST} paths: the folder above them, perhaps?")
    for path in paths:
        if any(path == system or path.startswith(f"{system}/") for system in _SYSTEM):
            raise InvalidPath(f"{path} holds the kernel's own files: they cannot be backed up.")
    return paths


def valid_patterns(text: str, paths: Sequence[str]) -> list[str]:
    """Exclude patterns, one a line, for a site of `paths`; raises InvalidConfig.

    A pattern without a slash matches a name at any depth; one with a slash is anchored at each
    of the site's paths; `*` and `?` never match a slash. One that would hit a site's own path
    leaves nothing to back up, so it is refused.

    >>> valid_patterns("*.log\\n/cache/", ["/srv/www"])
    ['*.log', '/cache']
    """
    patterns = list(dict.fromkeys(_valid_pattern(line) for line in _typed_lines(text)))
    if len(patterns) > PATTERNS_AT_MOST or len("".join(patterns).encode()) > PATTERN_BYTES_AT_MOST:
        raise InvalidConfig(f"Give at most {PATTERNS_AT_MOST} exclude patterns, 50 kB in all.")
    excludes.options(patterns, paths)  # what it refuses would fail every backup
    return patterns


def _valid_pattern(text: str) -> str:
    pattern = text.rstrip("/").removeprefix("**/")
    if has_controls(pattern):
        raise InvalidConfig("A pattern holds a character that cannot be seen; type it again.")
    return pattern


def _typed_lines(text: str) -> list[str]:
    return [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
