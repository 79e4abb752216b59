"""Sealing anew: after the secret key was changed, all that an old key has sealed.

While CLOUDPILOT_SECRET_KEYS_OLD names the old key, everything opens; once this has been done, the
old key is not needed any more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from cloudpilot.db import reading, transaction
from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.databases import Database
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.recovery import PanelKey
from cloudpilot.domain.restores import Restore
from cloudpilot.domain.servers import Server
from cloudpilot.domain.vaults import Vault
from cloudpilot.secrets import CannotOpenError, Sealer


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column of sealed values, and where in the database each of them belongs."""

    table: type[Any]
    column: InstrumentedAttribute[Any]
    place: Callable[[Any], str]


SEALED = (
    Sealed(Server, Server.private_key, lambda server: server.key_place),
    Sealed(Server, Server.next_private_key, lambda server: server.next_key_place),
    Sealed(Database, Database.password, lambda database: database.password_place),
    Sealed(Vault, Vault.secret, lambda vault: vault.secret_place),
    Sealed(Cloud, Cloud.secret, lambda cloud: cloud.secret_place),
    Sealed(VaultObject, VaultObject.upload_secret, lambda one: one.upload_place),
    Sealed(Restore, Restore.logins, lambda restore: restore.logins_place),
    Sealed(PanelKey, PanelKey.manifest_key, lambda key: key.manifest_key_place),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many values were sealed anew, and the places of those that no key opens."""

    done: int
    stuck: tuple[str, ...]


def seal_anew() -> Outcome:
    """Seal with the newest key what an older one has sealed; to be repeated without harm.

    What does not open is left as it is: perhaps its key is found again.
    """
    sealer: Sealer = current_app.extensions["sealer"]
    done, stuck = 0, []
    for sealed in SEALED:
        for row in _old(sealer, sealed):
            try:
                with transaction() as session:
                    done += _seal_anew(session, sealer, sealed, row)
            except CannotOpenError:
                stuck.append(sealed.place(row))
    return Outcome(done, tuple(stuck))


def _old(sealer: Sealer, sealed: Sealed) -> list[Any]:
    with reading() as session:
        there = (sealed.column.is_not(None), sealed.column != "")  # else it was forgotten
        rows = session.scalars(select(sealed.table).where(*there))
        return [row for row in rows if not sealer.is_newest(getattr(row, sealed.column.key))]


def _seal_anew(session: Session, sealer: Sealer, sealed: Sealed, row: Any) -> int:
    """1, or 0 if the value was changed meanwhile: whoever did it has sealed it with the newest."""
    old, place = getattr(row, sealed.column.key), sealed.place(row)
    unchanged = update(sealed.table).where(sealed.table.id == row.id, sealed.column == old)
    new = sealer.seal(sealer.open(old, place), place)
    changed = session.execute(unchanged.values({sealed.column: new}).returning(sealed.table.id))
    return 1 if changed.first() else 0
