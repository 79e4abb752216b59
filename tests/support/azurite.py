"""A real Azure blob server of our own: Azurite, in memory, telemetry off."""

import os
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.ports import free_port, wait_for

ACCOUNT = "cloudpilottests"
KEY = b64encode(b"a key of the tests, of no use elsewhere").decode()
PROGRAM = (
    Path(__file__).parents[2] / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
)


@dataclass(frozen=True)
class Azurite:
    """One that runs. The account is a part of the host's name, as at Microsoft."""

    port: int
    account: str = ACCOUNT
    key: str = KEY

    @property
    def endpoint(self) -> str:
        return f"http://{self.account}.blob.localhost:{self.port}"


def is_here() -> bool:
    """Whether it is installed."""
    return PROGRAM.exists() and shutil.which("node") is not None


@contextmanager
def running() -> Iterator[Azurite]:
    """An empty account."""
    with TemporaryDirectory(prefix="cp-azurite-", ignore_cleanup_errors=True) as home:
        port = free_port()
        options = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
        rules = ["--disableTelemetry", "--skipApiVersionCheck", "--silent", "--inMemoryPersistence"]
        process = subprocess.Popen(
            [shutil.which("node") or "node", PROGRAM, *options, *rules],
            env={"PATH": os.environ["PATH"], "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"},
            cwd=home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(port)
            yield Azurite(port)
        finally:
            process.kill()
            process.wait()
