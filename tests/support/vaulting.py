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


def entered(rclone: Rclone, **columns: Any) -> dict[str, Any]:
    """What a person enters for a new bucket of that store, without the secret."""
    return {
        "bucket": S3Store(rclone).bucket,
        "endpoint": rclone.endpoint,
        "key_id": rclone.key_id,
        "path_style": True,
    } | columns


def vault_in(core: Flask, rclone: Rclone, secret: str = "", **columns: Any) -> UUID:
    """The row of a vault there, its secret sealed; a wrong one if one is given."""
    values = {"region": ""} | entered(rclone, **columns)
    with transaction() as session:
        row = add_vault(session, **values)
        sealer = core.extensions["sealer"]
        row.secret = sealer.seal(Secret(secret or rclone.secret), row.secret_place)
        return row.id
