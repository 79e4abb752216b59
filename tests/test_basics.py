"""The small basics: settings, secrets, text, log."""

import json
import logging
import sys
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudpilot import log, text
from cloudpilot.options import JOB_SECONDS
from cloudpilot.secrets import CannotOpenError, Sealer, Secret, subkey
from cloudpilot.settings import MisconfiguredError, from_environment

KEY = "a secret key of at least thirty-two characters"
WHOLE = {
    "DATABASE_URL": "postgres://u:p@host/name",
    "REDIS_URL": "redis://host:6379/0",
    "CLOUDPILOT_SECRET_KEY": KEY,
}


def test_a_paas_configuration_is_understood() -> None:
    settings = from_environment(WHOLE | {"CLOUDPILOT_URL": "https://backups.example.com/"})
    assert settings.database_url == "postgresql+psycopg://u:p@host/name"
    assert settings.url == "https://backups.example.com"
    assert settings.is_https
    assert KEY not in repr(settings)


@pytest.mark.parametrize("missing", sorted(WHOLE))
def test_what_is_missing_stops_the_start_with_a_sentence(missing: str) -> None:
    given_rest = {name: value for name, value in WHOLE.items() if name != missing}
    with pytest.raises(MisconfiguredError, match=f"^{missing} is not set: "):
        from_environment(given_rest)


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(MisconfiguredError) as faults:
        from_environment({"CLOUDPILOT_SECRET_KEY": "short", "CLOUDPILOT_TRUSTED_PROXIES": "-1"})
    assert len(str(faults.value).split("\n")) == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://host/name"),
        ("DATABASE_URL", "panel.db"),
        ("DATABASE_URL", "postgresql://u:p@host:notaport/name"),
        ("DATABASE_URL", "postgres://u:p@host:99999/name"),
        ("DATABASE_URL", "postgresql+psycopg://[::1]:0/name"),
        ("REDIS_URL", "host:6379"),
        ("REDIS_URL", "redis://host:99999/0"),
        ("REDIS_URL", "redis://:half#of-a-password@host:1/0"),
        ("REDIS_URL", "redis://host:1/abc"),
        ("REDIS_URL", "redis://[host:1/0"),
        ("REDIS_URL", "redis://host:1/0?db=one"),
        ("REDIS_URL", "redis://host:1/0?nothing=1"),
        ("REDIS_URL", "unix://"),
        ("CLOUDPILOT_URL", "backups.example.com"),
        ("CLOUDPILOT_TRUSTED_PROXIES", "one"),
        ("CLOUDPILOT_TRUSTED_PROXIES", "1.5"),
        ("CLOUDPILOT_LOOK_SECONDS", "nan"),
        ("CLOUDPILOT_LOOK_SECONDS", "0"),
        ("CLOUDPILOT_LOOK_SECONDS", "601"),
        ("CLOUDPILOT_LOOK_SECONDS_AT_MOST", "3600"),
        ("CLOUDPILOT_LEASE_SECONDS", "241"),
        ("CLOUDPILOT_SECRET_KEY", "k" * 44),
        ("CLOUDPILOT_METRICS_TOKEN", "abcdefg" * 6),
        ("CLOUDPILOT_SECRET_KEYS_OLD", "short"),
    ],
)
def test_what_is_wrong_stops_the_start_with_a_sentence(name: str, value: str) -> None:
    with pytest.raises(MisconfiguredError, match=rf"^{name} is wrong: .*\.$") as fault:
        from_environment(WHOLE | {name: value})
    assert "half" not in str(fault.value)  # of a password


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://u:p/#:p@host:5432/name?sslmode=require"),
        ("DATABASE_URL", "postgresql://[::1]:65535/name"),
        ("DATABASE_URL", "postgresql:///name?host=/run/postgresql"),
        ("REDIS_URL", "rediss://:p%23@[::1]:6380"),
        ("REDIS_URL", "redis://host:6379/15?socket_timeout=3"),
        ("REDIS_URL", "unix:///run/redis.sock?db=3"),
        ("CLOUDPILOT_SECRET_KEY", "abcdefgh" * 4),
        ("CLOUDPILOT_SECRET_KEYS_OLD", "k" * 44),  # once it was taken: what it sealed must open
    ],
)
def test_what_is_unusual_is_taken(name: str, value: str) -> None:
    from_environment(WHOLE | {name: value})


@pytest.mark.parametrize("home", ["/proc/nowhere", __file__])
def test_a_home_that_cannot_be_made_is_said(home: str) -> None:
    with pytest.raises(MisconfiguredError, match=rf"^CLOUDPILOT_HOME is wrong: {home}: [A-Z].*\.$"):
        from_environment({"CLOUDPILOT_HOME": home})


@pytest.mark.parametrize("seconds", ["41.9", "4", "0"])
def test_a_lease_that_ends_before_a_job_does_stops_the_start(seconds: str) -> None:
    with pytest.raises(MisconfiguredError, match="a job may take 40"):
        from_environment(WHOLE | {"CLOUDPILOT_LEASE_SECONDS": seconds})
    longer = from_environment(WHOLE | {"CLOUDPILOT_LEASE_SECONDS": "42"})
    assert longer.lease_seconds > JOB_SECONDS


def test_a_home_brings_its_own_and_keeps_its_key(tmp_path: Path) -> None:
    home = {"CLOUDPILOT_HOME": str(tmp_path / "panel")}
    first, second = from_environment(home), from_environment(home)
    assert first.secret_key == second.secret_key
    assert (tmp_path / "panel").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "panel" / "secret-key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in (tmp_path / "panel").iterdir()] == ["secret-key"]
    assert first.database_url.startswith("sqlite:///")


def test_what_is_sealed_opens_at_its_place_alone() -> None:
    sealer = Sealer(Secret(KEY))
    sealed = sealer.seal(Secret("päss"), "servers/1/private_key")
    assert "päss" not in sealed
    assert sealer.open(sealed, "servers/1/private_key").reveal() == "päss"
    with pytest.raises(CannotOpenError):
        sealer.open(sealed, "servers/2/private_key")


def test_a_former_key_still_opens_and_a_foreign_one_does_not() -> None:
    old, new = Secret(KEY), Secret(KEY[::-1])
    sealed = Sealer(old).seal(Secret("x"), "place")
    both = Sealer(new, old)
    assert both.open(sealed, "place").reveal() == "x"
    assert Sealer(new).open(both.seal(Secret("x"), "place"), "place").reveal() == "x"
    with pytest.raises(CannotOpenError):
        Sealer(new).open(sealed, "place")


@pytest.mark.parametrize(
    "damage", ["", "v1.x", "v2.{key}.{blob}", "v1.{key}.AAAA", "v1.{key}.{blob}x"]
)
def test_a_damaged_value_does_not_open(damage: str) -> None:
    sealer = Sealer(Secret(KEY))
    _version, key, blob = sealer.seal(Secret("x"), "place").split(".")
    with pytest.raises(CannotOpenError):
        sealer.open(damage.format(key=key, blob=blob[:-1]), "place")


def test_each_purpose_has_a_key_of_its_own() -> None:
    assert len({subkey(Secret(KEY), purpose) for purpose in ("seal", "cookies", "csrf")}) == 3


@given(st.binary(max_size=300))
def test_whatever_a_server_says_becomes_text_that_a_database_takes(data: bytes) -> None:
    decoded = text.decode(data)
    decoded.encode()
    assert not [c for c in decoded if c not in "\n\t" and (ord(c) < 32 or 127 <= ord(c) < 160)]
    assert decoded.count("\n") == data.count(b"\n")
    assert text.lines(decoded) == ([] if not decoded else decoded.removesuffix("\n").split("\n"))


def test_of_a_flood_the_end_is_kept() -> None:
    assert text.decode(b"x" * 100 + b"end", limit=3) == "end"


@pytest.mark.parametrize("sly", ["a\nb", "a\x00", "a\u202eb", "a\u2028b", "\ufeffa", "a\x1b[31m"])
def test_what_cannot_be_seen_is_noticed(sly: str) -> None:
    assert text.has_controls(sly)
    assert not text.has_controls("Søren's “shop” 漢字 🚀")


def test_a_line_from_a_server_cannot_forge_a_line_of_the_log() -> None:
    stream = StringIO()
    before = logging.getLogger().handlers[:], logging.getLogger().level
    log.configure(stream)
    try:
        logging.getLogger("x").warning("server says %s", 'hi\n{"level": "info"}\x1b[2J')
        try:
            raise ValueError("why")  # noqa: TRY301
        except ValueError:
            logging.getLogger("x").exception("failed")
    finally:
        logging.getLogger().handlers[:], level = before
        logging.getLogger().setLevel(level)
    said = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert said[0]["message"] == 'server says hi\n{"level": "info"}\x1b[2J'
    assert "ValueError: why" in said[1]["traceback"]
    assert stream.getvalue().isascii()
    assert sys.stderr is not stream
