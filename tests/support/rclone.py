"""A second real S3 server of our own: `rclone serve s3`, whose store is a temporary folder."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.ports import free_port, wait_for

KEY_ID, SECRET = "RCLONEKEY", "another-secret-of-the-tests"


@dataclass(frozen=True)
class Rclone:
    """One that runs."""

    port: int
    key_id: str = KEY_ID
    secret: str = SECRET

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def program() -> str | None:
    """Where it is: it comes with a package of requirements-dev.txt."""
    return shutil.which("rclone", path=str(Path(sys.executable).parent)) or shutil.which("rclone")


@contextmanager
def running() -> Iterator[Rclone]:
    """An empty one."""
    with TemporaryDirectory(prefix="cp-rclone-", ignore_cleanup_errors=True) as home:
        port = free_port()
        options = ["--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY_ID},{SECRET}"]
        quiet = ["--config", "/dev/null", "--log-level", "ERROR"]
        process = subprocess.Popen(
            [program() or "rclone", "serve", "s3", *options, *quiet, home],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(port)
            yield Rclone(port)
        finally:
            process.kill()
            process.wait()
