"""Names below `localhost` are this machine, as the standard says (RFC 6761) and curl holds it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch


@contextmanager
def below_localhost() -> Iterator[None]:
    """The system's resolver does not know them everywhere: `bucket.localhost` is 127.0.0.1."""
    ask = socket.getaddrinfo

    def found(host: Any, *rest: Any, **more: Any) -> Any:
        ours = isinstance(host, str) and host.endswith(".localhost")
        return ask("127.0.0.1" if ours else host, *rest, **more)

    with patch("socket.getaddrinfo", found):
        yield
