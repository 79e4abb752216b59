"""Names below `localhost` are this machine, as the standard says (RFC 6761) and curl holds it."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cloudpilot import ROOT

STARTS = f"""
from {__name__} import below_localhost
known = below_localhost()
known.__enter__()
"""


@contextmanager
def below_localhost() -> Iterator[None]:
    """The system's resolver does not know them everywhere: `bucket.localhost` is 127.0.0.1."""
    ask = socket.getaddrinfo

    def found(host: Any, *rest: Any, **more: Any) -> Any:
        ours = isinstance(host, str) and host.endswith(".localhost")
        return ask("127.0.0.1" if ours else host, *rest, **more)

    with patch("socket.getaddrinfo", found):
        yield


def known_below_localhost(folder: Path) -> str:
    """The PYTHONPATH with which another process of ours knows them, too; by a file in `folder`."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(STARTS)
    return os.pathsep.join((str(folder), str(ROOT)))
