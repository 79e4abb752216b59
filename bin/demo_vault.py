"""The vault of `make demo`: a real S3 server on loopback, whose bucket is a folder of the demo."""

import os
import secrets as randomness
import subprocess
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from flask import Flask

from cloudpilot.db import transaction
from cloudpilot.domain import vaults
from cloudpilot.domain.vaults import Vault
from cloudpilot.kinds import VaultKind
from cloudpilot.secrets import Secret
from tests.support.ports import free_port, wait_for
from tests.support.rclone import program

NAME, BUCKET, KEY_ID = "demo vault", "demo", "DEMOKEY"


@dataclass(frozen=True, slots=True)
class Store:
    """One that runs."""

    process: subprocess.Popen[bytes]
    port: int
    secret: str

    def stop(self) -> None:
        """The end of it."""
        self.process.terminate()
        self.process.wait()


def started(home: Path) -> Store:
    """The store, with its bucket; what was uploaded before is there."""
    (home / BUCKET).mkdir(mode=0o700, parents=True, exist_ok=True)
    port, secret = free_port(), randomness.token_urlsafe(24)
    words = ("--config", "/dev/null", "--log-level", "ERROR", "--addr", f"127.0.0.1:{port}")
    keys = {"RCLONE_AUTH_KEY": f'"{KEY_ID},{secret}"'}  # in no command line
    with (home.parent / "vault.log").open("ab") as log:
        process = subprocess.Popen(
            [program() or "rclone", "serve", "s3", *words, str(home)],
            env=os.environ | keys,
            stdout=log,
            stderr=log,
        )
    wait_for(port)
    return Store(process, port, secret)


def registered(app: Flask, store: Store) -> Vault:
    """The vault's row; a later start has another port and another secret."""
    with transaction() as session:
        found = [vault for vault in vaults.listed(session) if vault.name == NAME]
        vault = found[0] if found else Vault(id=uuid4(), name=NAME, kind=VaultKind.S3)
        vault.bucket, vault.key_id, vault.path_style = BUCKET, KEY_ID, True
        vault.endpoint = f"http://127.0.0.1:{store.port}"
        vault.secret = app.extensions["sealer"].seal(Secret(store.secret), vault.secret_place)
        session.add(vault)
    return vault
