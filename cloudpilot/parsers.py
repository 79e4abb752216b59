"""How the values of environment variables are read. Each raises ValueError with a sentence."""

import re
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from cloudpilot.secrets import Secret

SECRET_KEY_LENGTH = 32  # characters, at least
FINGERPRINT = re.compile(r"sha256:[0-9a-f]{2}(:?[0-9a-f]{2}){31}")


def database(text: str) -> str:
    """PaaS providers still say postgres://; SQLAlchemy wants the driver named."""
    scheme, separator, rest = text.partition("://")
    if scheme in {"postgres", "postgresql"}:
        return f"postgresql+psycopg://{rest}"
    if not separator or scheme not in {"sqlite", "postgresql+psycopg"}:
        raise ValueError("give postgresql://user:password@host/name.")
    return text


def redis(text: str) -> str:
    """Where Redis is."""
    if not text.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("give redis://…, rediss://… or unix:///path/to/socket.")
    if "ssl_" in urlsplit(text).query:
        raise ValueError("leave out ssl_…: CLOUDPILOT_REDIS_CERTIFICATE says what is trusted.")
    return text


def certificate(text: str) -> str:
    """As redis_server reads it: one of the words, fingerprints, or an authority in PEM."""
    pem = text.replace("\\n", "\n").strip()  # many platforms keep a variable on one line
    if pem.startswith("-----BEGIN CERTIFICATE-----"):
        try:
            ssl.create_default_context().load_verify_locations(cadata=pem)
        except ssl.SSLError:
            raise ValueError("this is no certificate in PEM.") from None
        return pem
    pins = text.lower().replace(" ", "").split(",")
    if all(FINGERPRINT.fullmatch(pin) for pin in pins):
        return ",".join(pin.replace(":", "").replace("sha256", "sha256:") for pin in pins)
    if text.lower() not in {"verify", "any"}:
        raise ValueError("give verify, sha256:<fingerprint>, a certificate in PEM, or any.")
    return text.lower()


def secret_key(text: str) -> Secret:
    """Long enough not to be guessed."""
    if len(text) < SECRET_KEY_LENGTH:
        raise ValueError(f"it needs at least {SECRET_KEY_LENGTH} random characters.")
    return Secret(text)


def secret_keys(text: str) -> tuple[Secret, ...]:
    """Several, separated by commas."""
    return tuple(secret_key(part.strip()) for part in text.split(",") if part.strip())


def address(text: str) -> str:
    """Where people open the panel."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("give the address people open, e.g. https://backups.example.com.")
    return text.rstrip("/")


def optional_secret(text: str) -> Secret | None:
    """None if it is empty."""
    return Secret(text) if text else None


def metrics_token(text: str) -> Secret | None:
    """None if it is empty; else as long as a secret key."""
    return secret_key(text) if text else None


def choice(**meanings: object) -> Callable[[str], object]:
    """One of these words, as what it means."""

    def parse(text: str) -> object:
        if text.lower() not in meanings:
            raise ValueError(f"give {' or '.join(meanings)}.")
        return meanings[text.lower()]

    return parse


def number(lowest: float, highest: float = float("inf")) -> Callable[[str], float]:
    """At least `lowest`, at most `highest`, and finite."""

    def parse(text: str) -> float:
        try:
            given = float(text)
        except ValueError:
            raise ValueError("give a number.") from None
        if not lowest <= given < float("inf"):
            raise ValueError(f"give a number of at least {lowest:g}.")
        if given > highest:
            raise ValueError(f"give a number of at most {highest:g}.")
        return given

    return parse


def whole(lowest: int) -> Callable[[str], int]:
    """At least `lowest`, without a fraction."""

    def parse(text: str) -> int:
        given = number(lowest)(text)
        if given != int(given):
            raise ValueError("give a whole number.")
        return int(given)

    return parse
