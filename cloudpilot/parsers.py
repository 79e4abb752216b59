"""How the values of environment variables are read. Each raises ValueError with a sentence."""

import re
import socket
import ssl
from collections.abc import Callable
from urllib.parse import SplitResult, unquote, urlsplit

from cloudpilot.secrets import Secret

SECRET_KEY_LENGTH = 32  # characters, at least
SECRET_KEY_LETTERS = 8  # that differ; of 32 random hexadecimal digits always more
HIGHEST_PORT = 65535
# What SQLAlchemy takes for user, password, host and port.
PLACE = re.compile(r"([^:/@]*(:[^@]*)?@)?(\[[^\]]*\]|[^:/?]*)(:(?P<port>[^/?]*))?([/?].*)?")
FINGERPRINT = re.compile(r"sha256:[0-9a-f]{2}(:?[0-9a-f]{2}){31}")


def database(text: str) -> str:
    """PaaS providers still say postgres://; SQLAlchemy wants the driver named."""
    scheme, separator, rest = text.partition("://")
    if scheme in {"postgres", "postgresql"}:
        scheme = "postgresql+psycopg"
    if not separator or scheme not in {"sqlite", "postgresql+psycopg"}:
        raise ValueError("give postgresql://user:password@host/name.")
    if scheme != "sqlite":
        place = PLACE.fullmatch(rest)
        if place is None:
            raise ValueError("give postgresql://user:password@host/name, @ in a password as %40.")
        if place["port"]:
            _judge_port(place["port"])
    return f"{scheme}://{rest}"


def _judge_port(text: str) -> None:
    """What is wrong is not repeated: it may be half of a password."""
    try:
        port(text, 1)
    except ValueError:
        raise ValueError(
            f"its port is no number from 1 to {HIGHEST_PORT}; in a password, write / as %2F, : as"
            " %3A and @ as %40."
        ) from None


def redis(text: str) -> str:
    """Where Redis is."""
    if not text.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("give redis://…, rediss://… or unix:///path/to/socket.")
    parts = _split(text)
    if "ssl_" in parts.query:
        raise ValueError("leave out ssl_…: CLOUDPILOT_REDIS_CERTIFICATE says what is trusted.")
    if parts.scheme == "unix":
        if not parts.path:
            raise ValueError("give unix:///path/to/socket.")
    elif not re.fullmatch(r"/?|/[0-9]+/?", unquote(parts.path)):
        raise ValueError("what follows the host is the number of a database, as in /0.")
    if parts.query:
        _try_options(text)
    return text


def _split(text: str) -> SplitResult:
    """An address in its parts, whose port can be read; what is wrong is not repeated: it may be
    half of a password."""
    try:
        parts = urlsplit(text)
        good = parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise ValueError(
            f"its port is no number from 1 to {HIGHEST_PORT}; in a password, write / as %2F, # as"
            " %23 and ? as %3F."
        )
    return parts


def _try_options(text: str) -> None:
    """Whether redis-py understands what follows the question mark; nothing is asked."""
    from redis import ConnectionPool  # noqa: PLC0415  (hardly ever needed)

    try:
        ConnectionPool.from_url(text).make_connection()
    except (TypeError, ValueError):
        raise ValueError("what follows the ? is no option of a connection.") from None


def port(text: str, lowest: int = 0) -> int:
    """Of TCP; 0 lets the system choose."""
    given = int(text) if re.fullmatch("[0-9]{1,5}", text) else -1
    if not lowest <= given <= HIGHEST_PORT:
        raise ValueError(f"give a number from {lowest} to {HIGHEST_PORT}.")
    return given


def own_address(text: str) -> str:
    """One of this machine's, or a name that leads to one; as gunicorn wants it before a port."""
    host = text.strip("[]")
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)  # noqa: TID251  (only to listen)
        family, kind, _protocol, _name, where = found[0]
        with socket.socket(family, kind) as trial:
            trial.bind(where)
    except (OSError, UnicodeError):
        raise ValueError("give an address of this machine, e.g. 127.0.0.1.") from None
    return f"[{host}]" if ":" in host else host


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
    """Not to be guessed: long, and not the same few characters again and again."""
    key = _long(text)
    if len(set(text)) < SECRET_KEY_LETTERS:
        raise ValueError(
            f"it has fewer than {SECRET_KEY_LETTERS} different characters: it needs at least"
            f" {SECRET_KEY_LENGTH} random ones."
        )
    return key


def secret_keys(text: str) -> tuple[Secret, ...]:
    """Several, separated by commas. They are on their way out: those that were taken once are."""
    return tuple(_long(part.strip()) for part in text.split(",") if part.strip())


def _long(text: str) -> Secret:
    if len(text) < SECRET_KEY_LENGTH:
        raise ValueError(f"it needs at least {SECRET_KEY_LENGTH} random characters.")
    return Secret(text)


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
