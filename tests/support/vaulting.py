"""Rows of vaults, and a bucket in a real store for one."""

from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from sqlalchemy.orm import Session

from cloudpilot.db import transaction
from cloudpilot.domain.vaults import Vault
from cloudpilot.kinds import VaultKind
from cloudpilot.secrets import Secret
from tests.support.rclone import Rclone
from tests.vaults.s3_store import S3Store


def add_vault(session: Session, name: str = "offsite", **columns: Any) -> Vault:
    """A vault at Amazon's that nobody has checked."""
    values: dict[str, Any] = {
        "id": uuid4(),
        "name": name,
        "kind": VaultKind.S3,
        "bucket": f"bucket-{uuid4().hex[:8]}",
        "region": "eu-central-1",
        "endpoint": "",
        "prefix": "",
        "key_id": "AKIAEXAMPLE",
        "secret": "sealed",
        "path_style": False,
        "equal_parts": False,
    }
    vault = Vault(**(values | columns))
    session.add(vault)
    session.flush()
    return vault


def seal(core: Flask, vault: Vault, secret: str) -> None:
    """Give it this secret."""
    vault.secret = core.extensions["sealer"].seal(Secret(secret), vault.secret_place)


def vault_in(core: Flask, rclone: Rclone, secret: str = "", **columns: Any) -> UUID:
    """The row of a vault in a new bucket there, its secret sealed; a wrong one if one is given."""
    where = {"endpoint": rclone.endpoint, "key_id": rclone.key_id, "path_style": True, "region": ""}
    values = where | {"bucket": S3Store(rclone).bucket} | columns
    with transaction() as session:
        row = add_vault(session, **values)
        seal(core, row, secret or rclone.secret)
        return row.id
