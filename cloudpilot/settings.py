"""What the environment says; docs/configuration.md is made from this page."""

import os
import secrets as randomness
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cloudpilot.secrets import Secret

SECRET_KEY_LENGTH = 32  # characters, at least


class MisconfiguredError(Exception):
    """The panel must not start like this: one sentence for each fault."""


@dataclass(frozen=True, slots=True)
class Option:
    """One environment variable. `parse` raises ValueError with a sentence."""

    name: str
    field: str
    meaning: str
    parse: Callable[[str], Any]
    default: str | None = None  # None: must be set (but under CLOUDPILOT_HOME)


@dataclass(frozen=True, slots=True)
class Settings:
    """How this panel is set up; the names are those of OPTIONS."""

    database_url: str
    redis_url: str
    secret_key: Secret
    secret_keys_old: tuple[Secret, ...] = ()
    home: Path | None = None
    url: str = "http://127.0.0.1:5000"
    setup_code: Secret | None = None
    trusted_proxies: int = 0
    look_seconds: float = 1
    look_seconds_at_most: float = 30
    retry_seconds: float = 5
    lease_seconds: float = 30
    start_attempts: int = 5
    lost_after_hours: float = 12

    @property
    def is_https(self) -> bool:
        """Whether cookies may insist on an encrypted connection."""
        return urlsplit(self.url).scheme == "https"


def from_environment(environ: Mapping[str, str]) -> Settings:
    """The settings of this process; raises MisconfiguredError that names every fault."""
    given = {name: value for name, value in environ.items() if value}
    if home := given.get("CLOUDPILOT_HOME"):
        given = _embedded(Path(home).resolve()) | given
    values, faults = _read(given)
    if faults:
        raise MisconfiguredError("\n".join(faults))
    return Settings(**values, home=Path(home).resolve() if home else None)


def _read(given: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {}
    faults = []
    for option in OPTIONS:
        text = given.get(option.name, option.default)
        if text is None:
            faults.append(f"{option.name} is not set: {option.meaning}")
            continue
        try:
            values[option.field] = option.parse(text)
        except ValueError as fault:
            faults.append(f"{option.name} is wrong: {fault}")
    return values, faults


def _embedded(home: Path) -> dict[str, str]:
    """What `make run` and `make demo` start with: SQLite and a Redis of their own in `home`."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    key_file = home / "secret-key"
    if not key_file.exists():
        _write_privately(key_file, randomness.token_urlsafe(48))
    return {
        "DATABASE_URL": f"sqlite:///{home / 'panel.db'}",
        "REDIS_URL": f"unix://{home / 'redis.sock'}",
        "CLOUDPILOT_SECRET_KEY": key_file.read_text(),
    }


def _write_privately(file: Path, text: str) -> None:
    """Whole or not at all, 0600 from its first byte; the first of several processes wins."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(text)
    with suppress(FileExistsError):
        os.link(draft, file)
    draft.unlink()


def _database(text: str) -> str:
    """PaaS providers still say postgres://; SQLAlchemy wants the driver named."""
    scheme, separator, rest = text.partition("://")
    if scheme in {"postgres", "postgresql"}:
        return f"postgresql+psycopg://{rest}"
    if not separator or scheme not in {"sqlite", "postgresql+psycopg"}:
        raise ValueError("give postgresql://user:password@host/name.")
    return text


def _redis(text: str) -> str:
    if not text.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("give redis://…, rediss://… or unix:///path/to/socket.")
    return text


def _secret_key(text: str) -> Secret:
    if len(text) < SECRET_KEY_LENGTH:
        raise ValueError(f"it needs at least {SECRET_KEY_LENGTH} random characters.")
    return Secret(text)


def _secret_keys(text: str) -> tuple[Secret, ...]:
    return tuple(_secret_key(part.strip()) for part in text.split(",") if part.strip())


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("give the address people open, e.g. https://backups.example.com.")
    return text.rstrip("/")


def _optional_secret(text: str) -> Secret | None:
    return Secret(text) if text else None


def _number(lowest: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            raise ValueError("give a number.") from None
        if not lowest <= number < float("inf"):
            raise ValueError(f"give a number of at least {lowest:g}.")
        return number

    return parse


def _whole(lowest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = _number(lowest)(text)
        if number != int(number):
            raise ValueError("give a whole number.")
        return int(number)

    return parse


OPTIONS: tuple[Option, ...] = (
    Option(
        "DATABASE_URL",
        "database_url",
        "PostgreSQL, as postgresql://user:password@host/name.",
        _database,
    ),
    Option("REDIS_URL", "redis_url", "Redis, as redis://host:6379/0 or rediss://….", _redis),
    Option(
        "CLOUDPILOT_SECRET_KEY",
        "secret_key",
        "at least 32 random characters; it signs cookies and seals SSH keys. Keep a copy: without"
        " it the sealed keys are lost.",
        _secret_key,
    ),
    Option(
        "CLOUDPILOT_SECRET_KEYS_OLD",
        "secret_keys_old",
        "Former secret keys, separated by commas: what they sealed still opens.",
        _secret_keys,
        "",
    ),
    Option(
        "CLOUDPILOT_URL",
        "url",
        "The address at which people open the panel; with https, cookies are Secure.",
        _address,
        "http://127.0.0.1:5000",
    ),
    Option(
        "CLOUDPILOT_SETUP_CODE",
        "setup_code",
        "The code that creates the owner; without it `flask --app wsgi setup-code`, part of the"
        " release phase, makes one and prints it.",
        _optional_secret,
        "",
    ),
    Option(
        "CLOUDPILOT_TRUSTED_PROXIES",
        "trusted_proxies",
        "How many reverse proxies stand before the panel (1 on most PaaS): whose word about the"
        " visitor's address and scheme is taken.",
        _whole(0),
        "0",
    ),
    Option(
        "CLOUDPILOT_LOOK_SECONDS",
        "look_seconds",
        "Seconds between two looks at a run that is young or being watched.",
        _number(0.1),
        "1",
    ),
    Option(
        "CLOUDPILOT_LOOK_SECONDS_AT_MOST",
        "look_seconds_at_most",
        "Seconds between two looks at an old run that nobody watches.",
        _number(0.1),
        "30",
    ),
    Option(
        "CLOUDPILOT_RETRY_SECONDS",
        "retry_seconds",
        "Seconds until something that failed for a passing reason is tried again; doubled each"
        " time, up to an hour.",
        _number(0.1),
        "5",
    ),
    Option(
        "CLOUDPILOT_LEASE_SECONDS",
        "lease_seconds",
        "Seconds that a job has a run for itself; after a job was killed, another one takes over.",
        _number(1),
        "30",
    ),
    Option(
        "CLOUDPILOT_START_ATTEMPTS",
        "start_attempts",
        "How often a backup or check is tried on a server that cannot be reached before it fails.",
        _whole(1),
        "5",
    ),
    Option(
        "CLOUDPILOT_LOST_AFTER_HOURS",
        "lost_after_hours",
        "Hours without an answer from its server after which a running backup is given up.",
        _number(0.001),
        "12",
    ),
)
