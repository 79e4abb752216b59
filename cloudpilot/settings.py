"""What the environment says, as one value that the whole application reads."""

import os
import secrets as randomness
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from cloudpilot import parsers
from cloudpilot.options import OPTIONS
from cloudpilot.secrets import Secret


class MisconfiguredError(Exception):
    """The panel must not start like this: one sentence for each fault."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How this panel is set up; the names are those of OPTIONS."""

    database_url: str
    redis_url: str
    secret_key: Secret
    redis_certificate: str = "verify"
    secret_keys_old: tuple[Secret, ...] = ()
    metrics_token: Secret | None = None
    home: Path | None = None
    url: str = "http://127.0.0.1:5000"
    setup_code: Secret | None = None
    trusted_proxies: int = 0
    private_networks: bool = True
    look_seconds: float = 1
    look_seconds_at_most: float = 30
    retry_seconds: float = 5
    lease_seconds: float = 45
    start_attempts: int = 5
    check_hours: float = 24
    backups_at_once: int = 1000
    lost_after_hours: float = 12

    @property
    def is_https(self) -> bool:
        """Whether cookies may insist on an encrypted connection."""
        return urlsplit(self.url).scheme == "https"

    def secrets(self) -> tuple[str, ...]:
        """The values that must not be printed anywhere: keys, and passwords in addresses."""
        keys = (self.secret_key, *self.secret_keys_old, self.setup_code, self.metrics_token)
        passwords = (urlsplit(url).password for url in (self.database_url, self.redis_url))
        in_clear = (*(key.reveal() for key in keys if key), *(word for word in passwords if word))
        return tuple(dict.fromkeys((*in_clear, *map(unquote, in_clear))))


def from_environment(environ: Mapping[str, str]) -> Settings:
    """The settings of this process; raises MisconfiguredError that names every fault."""
    given = {name: value for name, value in environ.items() if value}
    if home := given.get("CLOUDPILOT_HOME"):
        try:
            given = _embedded(Path(home).resolve()) | given
        except OSError as error:
            raise MisconfiguredError(unusable(home, error)) from error
    values, faults = _read(given)
    if faults:
        raise MisconfiguredError("\n".join(faults))
    return Settings(**values, home=Path(home).resolve() if home else None)


def unusable(home: str | Path, error: OSError) -> str:
    """The sentence for a CLOUDPILOT_HOME in which nothing can be kept."""
    return f"CLOUDPILOT_HOME is wrong: {error.filename or home}: {error.strerror}."


def listening(environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """What gunicorn is to bind, and a sentence for each fault in what says so."""
    everywhere = "0.0.0.0"  # noqa: S104  (a PaaS reaches the process from outside its container)
    host, port, faults = environ.get("CLOUDPILOT_BIND") or everywhere, 0, []
    try:
        port = parsers.port(environ.get("PORT") or "5000")
    except ValueError as fault:
        faults.append(f"PORT is wrong: {fault}")
    try:
        host = parsers.own_address(host)
    except ValueError as fault:
        faults.append(f"CLOUDPILOT_BIND is wrong: {fault}")
    return f"{host}:{port}", faults


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
