"""The columns whose values only this panel can open: sealed anew, and opened for an export."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import InstrumentedAttribute

from cloudpilot.domain.clouds import Cloud
from cloudpilot.domain.databases import Database
from cloudpilot.domain.objects import VaultObject
from cloudpilot.domain.recovery import PanelKey
from cloudpilot.domain.restores import Restore
from cloudpilot.domain.servers import Server
from cloudpilot.domain.vaults import Vault


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
