"""Clouds: accounts at providers that keep whole servers as snapshots."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloudpilot import clock
from cloudpilot.db import Base
from cloudpilot.domain.status import values_of
from cloudpilot.errors import InvalidConfig, NotFound
from cloudpilot.kinds import CloudKind
from cloudpilot.secrets import Sealer, Secret

# What the machines and snapshots are found by: another one of these is another account.
_ACCOUNT = ("kind", "region", "project", "tenant", "endpoint")
# For whom a secret was entered: whoever may change a cloud must not have it used elsewhere.
_MEANT_FOR = ("endpoint", "tenant", "key_id")
_WORDS = {"endpoint": "address", "tenant": "directory", "key_id": "key id"}
_BLANK = dict.fromkeys(("region", "project", "tenant", "key_id", "endpoint"), "")


class Cloud(Base):
    """Where it is and how to get in; see clouds.account.Account."""

    __tablename__ = "clouds"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]
    kind: Mapped[CloudKind] = mapped_column(values_of(CloudKind))
    region: Mapped[str] = mapped_column(default="")
    project: Mapped[str] = mapped_column(default="")
    tenant: Mapped[str] = mapped_column(default="")
    key_id: Mapped[str] = mapped_column(default="")
    endpoint: Mapped[str] = mapped_column(default="")
    secret: Mapped[str]  # sealed at `secret_place`; "" once it was removed
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    removed_at: Mapped[datetime | None]  # a tombstone: its snapshots keep their cloud
    lines: Mapped[list[dict[str, Any]] | None]  # what the last check found
    # The machines that it saw: id, name, addresses, region, disks, size.
    instances: Mapped[list[dict[str, Any]] | None]
    checked_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None] = mapped_column(index=True)  # by the clock, daily

    @property
    def secret_place(self) -> str:
        """Where the sealed secret belongs."""
        return f"clouds/{self.id}/secret"

    @property
    def claim(self) -> str:
        """Of the run that checks it."""
        return f"check:cloud:{self.id}"

    @property
    def level(self) -> str:
        """The worst of what the last check found: ok, warning, failed, or nothing yet."""
        found = {line["level"] for line in self.lines or ()}
        return next((level for level in ("failed", "warning", "ok") if level in found), "")

    @property
    def failed(self) -> bool:
        """Whether the last check found that it does not work."""
        return self.level == "failed"

    @property
    def account(self) -> tuple[str, ...]:
        """What tells it from another one."""
        return tuple(str(getattr(self, name)) for name in _ACCOUNT)


def find(session: Session, cloud_id: UUID) -> Cloud:
    """Raises NotFound, also for one that was removed."""
    cloud = session.get(Cloud, cloud_id)
    if cloud is None or cloud.removed_at:
        raise NotFound("There is no such cloud.")
    return cloud


def listed(session: Session) -> list[Cloud]:
    """All of them, by name."""
    rows = select(Cloud).where(Cloud.removed_at.is_(None))
    return list(session.scalars(rows.order_by(Cloud.name, Cloud.id)))


def names(session: Session) -> dict[UUID | None, str]:
    """What all of them are called, also those that were removed."""
    return {row.id: row.name for row in session.execute(select(Cloud.id, Cloud.name))}


def add(session: Session, sealer: Sealer, secret: Secret, values: Mapping[str, Any]) -> Cloud:
    """A new cloud; raises InvalidConfig if there is one of this name.

    values  the other columns, by name
    """
    cloud = Cloud(id=uuid4(), **(_BLANK | dict(values)))
    _refuse_twice(session, cloud)
    cloud.secret = sealer.seal(secret, cloud.secret_place)
    session.add(cloud)
    session.flush()
    return cloud


def change(
    session: Session,
    cloud: Cloud,
    sealer: Sealer,
    secret: Secret | None,
    values: Mapping[str, Any],
    *,
    is_used: bool,
) -> bool:
    """It is something else from now on; whether there is anything to check anew.

    secret   None: as it was. A secret is used for no other address, directory or key id than the
             one that it was entered for.
    is_used  whether servers or snapshots are linked to it: then it stays the account that it is

    Raises InvalidConfig.
    """
    names = (*_ACCOUNT, "name", "key_id")
    new = Cloud(id=cloud.id, **{name: getattr(cloud, name) for name in names} | dict(values))
    _refuse_twice(session, new)
    if is_used and new.account != cloud.account:
        raise InvalidConfig("Servers or snapshots belong to this account. Add another cloud.")
    others = [name for name in _MEANT_FOR if getattr(new, name) != getattr(cloud, name)]
    if others and secret is None:
        words = " and ".join(_WORDS[name] for name in others)
        raise InvalidConfig(f"Another {words}: the secret has to be entered for it, too.")
    is_other = secret is not None or any(
        getattr(cloud, name) != value for name, value in values.items() if name != "name"
    )
    for name, value in values.items():
        setattr(cloud, name, value)
    if secret is not None:
        cloud.secret = sealer.seal(secret, cloud.secret_place)
    if is_other:  # what was found was found of another account
        cloud.lines = cloud.instances = cloud.checked_at = cloud.next_check_at = None
    return is_other


def locked(session: Session, cloud_id: UUID) -> Cloud:
    """The cloud, for who changes or removes it: a snapshot that begins meanwhile waits."""
    rows = select(Cloud).where(Cloud.id == cloud_id).with_for_update()
    session.scalar(rows.execution_options(populate_existing=True))
    return find(session, cloud_id)


def _refuse_twice(session: Session, cloud: Cloud) -> None:
    if any(other.name == cloud.name for other in listed(session) if other.id != cloud.id):
        raise InvalidConfig(f"There is a cloud called {cloud.name} already.")
