"""Servers: the machines that back themselves up when we say so."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock, outbound
from cloudpilot.db import Base
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.status import values_of
from cloudpilot.errors import AddressRefused, InvalidConfig, InvalidPath, NotFound
from cloudpilot.kinds import Privilege
from cloudpilot.text import has_controls

BACKUP_ROOT = "/tmp/cloudpilot-backups"  # noqa: S108  (the product's default; made 0700, see engine)
SAFE_BACKUP_ROOT = "/var/backups/cloudpilot"  # survives a reboot; the set-up command creates it
USERNAME = "cloudpilot"
NAME_LENGTH = 100
BACKUPS_AT_ONCE, BACKUPS_AT_ONCE_AT_MOST = 2, 20
PATH_LENGTH = 4096  # bytes, as Linux has it
_NO_PLACES = ("/proc/", "/sys/", "/dev/", "/run/")
_SYSTEM = ("/bin/", "/boot/", "/etc/", "/lib/", "/lib32/", "/lib64/", "/sbin/", "/usr/")
_SHARED = {
    f"/var/{name}"
    for name in ("backups", "cache", "lib", "local", "log", "mail", "opt", "spool", "tmp")
}
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.\-_]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+(%[A-Za-z0-9]+)?")
_USERNAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


class Server(Base):
    """A Linux machine that is reached by SSH."""

    __tablename__ = "servers"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]
    host: Mapped[str]
    port: Mapped[int] = mapped_column(default=22)
    username: Mapped[str] = mapped_column(default=USERNAME)
    privilege: Mapped[Privilege] = mapped_column(values_of(Privilege), default=Privilege.PLAIN)
    backup_root: Mapped[str] = mapped_column(default=BACKUP_ROOT)
    # Of schedules; what somebody asks for by hand begins at once.
    backups_at_once: Mapped[int] = mapped_column(default=BACKUPS_AT_ONCE)
    public_key: Mapped[str]  # the line for authorized_keys
    private_key: Mapped[str]  # sealed at `key_place`
    host_keys: Mapped[list[str]] = mapped_column(default=list)  # approved, "SHA256:…"
    offered_host_key: Mapped[str | None]  # shown by the server, not approved
    expected_host_keys: Mapped[list[str]] = mapped_column(default=list)  # announced, not yet seen
    next_public_key: Mapped[str | None]  # of a rotation that is under way
    next_private_key: Mapped[str | None]  # sealed at `next_key_place`
    key_made_at: Mapped[datetime] = mapped_column(default=clock.now)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    checked_at: Mapped[datetime | None]  # when the last Check ended well enough to say something
    next_check_at: Mapped[datetime | None] = mapped_column(index=True)  # by the clock, daily
    removed_at: Mapped[datetime | None]  # a tombstone: its backups keep their server
    adopted_at: Mapped[datetime | None]  # known from a vault alone; a tombstone, too
    cloud_id: Mapped[UUID | None] = mapped_column(ForeignKey(Cloud.id), index=True)
    instance_id: Mapped[str | None]  # its machine there, as clouds.base.Instance has it
    instance_name: Mapped[str | None]  # as it was called when somebody chose it

    @property
    def key_place(self) -> str:
        """Where the sealed private key belongs."""
        return key_place(self.id)

    @property
    def next_key_place(self) -> str:
        """Where the sealed private key belongs that is to replace the present one."""
        return f"servers/{self.id}/next_private_key"

    @property
    def is_ready(self) -> bool:
        """Whether a host key has been approved, so that we may log in."""
        return bool(self.host_keys)

    def approve(self, *fingerprints: str) -> None:
        """From now on these, and only these, are the server's host keys."""
        self.host_keys = list(fingerprints)
        self.expected_host_keys = []
        self.offered_host_key = None


class Checkup(Base):
    """What a server said of itself at one Check."""

    __tablename__ = "checkups"
    __table_args__ = (Index(None, "server_id", "at"), Index(None, "at"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    server_id: Mapped[UUID] = mapped_column(ForeignKey(Server.id))
    at: Mapped[datetime] = mapped_column(default=clock.now)
    lines: Mapped[list[dict[str, Any]]]  # key, level, title, detail, remedy
    facts: Mapped[dict[str, Any]]
    changes: Mapped[list[dict[str, Any]]] = mapped_column(default=list)  # key, title, before, after


def key_comment(server_id: UUID) -> str:
    """What the panel's line in authorized_keys ends with."""
    return f"cloudpilot-{server_id}"


def key_place(server_id: UUID) -> str:
    """Where a server's sealed private key belongs."""
    return f"servers/{server_id}/private_key"


def find(session: Session, server_id: UUID) -> Server:
    """Raises NotFound, also for one that was removed."""
    server = session.get(Server, server_id)
    if server is None or server.removed_at:
        raise NotFound("There is no such server.")
    return server


def listed(session: Session) -> list[Server]:
    """All servers, by name."""
    rows = select(Server).where(Server.removed_at.is_(None)).order_by(Server.name, Server.id)
    return list(session.scalars(rows))


def adopted(session: Session) -> list[Server]:
    """Those that are known from a vault alone, by name."""
    rows = select(Server).where(Server.adopted_at.is_not(None), Server.removed_at.is_not(None))
    return list(session.scalars(rows.order_by(Server.name, Server.id)))


def of_ids(session: Session, ids: Iterable[UUID]) -> list[Server]:
    """These, removed ones among them."""
    return list(session.scalars(select(Server).where(Server.id.in_(set(ids)))))


def latest_checkup(session: Session, server_id: UUID) -> Checkup | None:
    """What the last Check found."""
    rows = select(Checkup).where(Checkup.server_id == server_id)
    return session.scalar(rows.order_by(Checkup.at.desc()).limit(1))


def valid_name(text: str) -> str:
    """A name for a server or site; raises InvalidConfig."""
    name = text.strip()
    if not name or len(name) > NAME_LENGTH:
        raise InvalidConfig(f"A name has 1 to {NAME_LENGTH} characters.")
    if has_controls(name):
        raise InvalidConfig("The name holds a character that cannot be seen; type it again.")
    return name


def shaped_host(text: str) -> str:
    """A host name or address, wherever it is; raises InvalidConfig."""
    host = text.strip().removeprefix("[").removesuffix("]")
    if not _HOST.fullmatch(host) or len(host) > 253:
        raise InvalidConfig("Give a host name or an address, for example web-1.example.com.")
    return host


def valid_host(text: str) -> str:
    """A host that the panel may connect to; raises InvalidConfig, AddressRefused."""
    host = shaped_host(text)
    if reason := outbound.refusal(host):
        raise AddressRefused(reason)
    return host


def valid_username(text: str) -> str:
    """The user to log in as; raises InvalidConfig."""
    if not _USERNAME.fullmatch(text.strip()):
        raise InvalidConfig("A user name has lower-case letters, digits, - and _, like cloudpilot.")
    return text.strip()


def valid_path(text: str) -> str:
    """A whole path without `.`, `..` and doubled slashes; raises InvalidPath."""
    if not text.startswith("/"):
        raise InvalidPath(f"“{text}” is not a whole path: it must begin with a slash.")
    if has_controls(text):
        raise InvalidPath("A path holds a character that cannot be seen; type it again.")
    if len(text.encode()) > PATH_LENGTH:
        raise InvalidPath(f"A path is longer than {PATH_LENGTH} bytes.")
    parts = [part for part in text.split("/") if part]
    if {".", ".."} & set(parts):
        raise InvalidPath(f"“{text}” must not hold . or .. between slashes.")
    return "/" + "/".join(parts)


def valid_backups_at_once(text: str) -> int:
    """How many scheduled backups a server may make at once; raises InvalidConfig.

    >>> valid_backups_at_once(" 3 ")
    3
    """
    typed = text.strip()
    number = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 4 else 0
    if not 1 <= number <= BACKUPS_AT_ONCE_AT_MOST:
        raise InvalidConfig(f"Give a number from 1 to {BACKUPS_AT_ONCE_AT_MOST}.")
    return number


def valid_backup_root(text: str) -> str:
    """A directory for backups: a folder of its own, not one that the system uses."""
    path = valid_path(text.strip())
    if path.count("/") < 2:
        raise InvalidPath("Give a folder of its own, such as /var/backups/cloudpilot.")
    if path.startswith(_NO_PLACES):
        raise InvalidPath(f"{path} does not survive or is no place for files.")
    if path in _SHARED or path.startswith(_SYSTEM):
        raise InvalidPath(f"{path} is the system's. Give a folder of its own, {SAFE_BACKUP_ROOT}?")
    return path
