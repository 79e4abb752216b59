"""Vaults: object storage that keeps copies of backups. What is there is in vault_objects."""

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
from cloudpilot.kinds import VaultKind
from cloudpilot.secrets import Sealer, Secret

# Where its copies lie: another one of these is another place.
_PLACE = ("kind", "bucket", "endpoint", "prefix")
_ENTERED = (*_PLACE, "name", "region", "key_id")
# For whom a secret was entered: whoever may change a vault must not have it used elsewhere.
_MEANT_FOR = ("bucket", "endpoint", "key_id")
_WORDS = {"key_id": "key id or account"}
_BLANK = dict.fromkeys(("region", "endpoint", "prefix", "key_id"), "")


class Vault(Base):
    """Where it is and how to get in; see vaults.location.Location."""

    __tablename__ = "vaults"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]
    kind: Mapped[VaultKind] = mapped_column(values_of(VaultKind))
    bucket: Mapped[str]
    region: Mapped[str] = mapped_column(default="")
    endpoint: Mapped[str] = mapped_column(default="")
    prefix: Mapped[str] = mapped_column(default="")
    key_id: Mapped[str] = mapped_column(default="")
    secret: Mapped[str]  # sealed at `secret_place`; "" once it was removed
    path_style: Mapped[bool] = mapped_column(default=False)
    equal_parts: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    removed_at: Mapped[datetime | None]  # a tombstone: its copies keep their vault
    lines: Mapped[list[dict[str, Any]] | None]  # what the last check found
    checked_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None] = mapped_column(index=True)  # by the clock, daily

    @property
    def secret_place(self) -> str:
        """Where the sealed secret belongs."""
        return f"vaults/{self.id}/secret"

    @property
    def in_clear(self) -> bool:
        """Whether backups travel there unencrypted."""
        return self.endpoint.startswith("http://")

    @property
    def claim(self) -> str:
        """Of the run that checks it."""
        return f"check:vault:{self.id}"

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
    def place(self) -> tuple[str, ...]:
        """Where its copies lie; of a Space the region is a part of the address, and of Azure's
        blobs the account."""
        more = {VaultKind.DO_SPACES: self.region, VaultKind.AZURE_BLOB: self.key_id}
        return (*(str(getattr(self, name)) for name in _PLACE), more.get(self.kind, ""))


def find(session: Session, vault_id: UUID) -> Vault:
    """Raises NotFound, also for one that was removed."""
    vault = session.get(Vault, vault_id)
    if vault is None or vault.removed_at:
        raise NotFound("There is no such vault.")
    return vault


def listed(session: Session) -> list[Vault]:
    """All of them, by name."""
    rows = select(Vault).where(Vault.removed_at.is_(None))
    return list(session.scalars(rows.order_by(Vault.name, Vault.id)))


def add(session: Session, sealer: Sealer, secret: Secret, values: Mapping[str, Any]) -> Vault:
    """A new vault; raises InvalidConfig if there is one of this name or at this place.

    values  the other columns, by name
    """
    vault = Vault(id=uuid4(), **(_BLANK | dict(values)))
    _refuse_twice(session, vault)
    vault.secret = sealer.seal(secret, vault.secret_place)
    session.add(vault)
    session.flush()
    return vault


def change(
    session: Session,
    vault: Vault,
    sealer: Sealer,
    secret: Secret | None,
    values: Mapping[str, Any],
    *,
    is_used: bool,
) -> bool:
    """It is something else from now on; whether there is anything to check anew.

    secret   None: as it was. A secret is used for no other endpoint, bucket or account than the
             one that it was entered for.
    is_used  whether anything lies there: then it stays where it is

    Raises InvalidConfig.
    """
    new = Vault(id=vault.id, **{name: getattr(vault, name) for name in _ENTERED} | dict(values))
    _refuse_twice(session, new)
    if is_used and new.place != vault.place:
        raise InvalidConfig("Backups lie there: where it is cannot be changed. Add another vault.")
    others = [name for name in _MEANT_FOR if getattr(new, name) != getattr(vault, name)]
    if others and secret is None:
        words = " and ".join(_WORDS.get(name, name) for name in others)
        raise InvalidConfig(f"Another {words}: the secret has to be entered for it, too.")
    is_other = secret is not None or any(
        getattr(vault, name) != value for name, value in values.items() if name != "name"
    )
    for name, value in values.items():
        setattr(vault, name, value)
    if secret is not None:
        vault.secret = sealer.seal(secret, vault.secret_place)
    if is_other:  # what was found was found of another vault
        vault.lines = vault.checked_at = vault.next_check_at = None
    return is_other


def locked(session: Session, vault_id: UUID) -> Vault:
    """The vault, for who changes or removes it: a copy that comes to it meanwhile waits."""
    rows = select(Vault).where(Vault.id == vault_id).with_for_update()
    session.scalar(rows.execution_options(populate_existing=True))
    return find(session, vault_id)


def _refuse_twice(session: Session, vault: Vault) -> None:
    for other in listed(session):
        if other.id == vault.id:
            continue
        if other.name == vault.name:
            raise InvalidConfig(f"There is a vault called {vault.name} already.")
        if other.place == vault.place:
            raise InvalidConfig(f"{other.name} is this place already. Another prefix, perhaps?")


def names(session: Session, backup: Any) -> dict[UUID | None, str]:
    """What the vaults are called that have copies of a backup, or had."""
    ids = [copy.vault_id for copy in backup.copies if copy.vault_id]
    rows = session.execute(select(Vault.id, Vault.name).where(Vault.id.in_(ids)))
    return {row.id: row.name for row in rows}
