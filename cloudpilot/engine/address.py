"""Whom to connect to, and how to know that it is them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """Whom to connect to, and which host keys are approved: fingerprints, `SHA256:…`."""

    host: str
    port: int
    username: str
    host_keys: tuple[str, ...]  # empty: none approved yet
    may_be_private: bool = True  # see outbound.connect
